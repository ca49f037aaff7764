//! What is deployed: which of the given files it is, and whether it is whole.

use anyhow::{Context, Result};
use bg_launch::jar::{self, is_java};
use bg_probe::say::exit::Exit;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What Gradle and Maven put beside the jar that can be run.
const BY_PRODUCTS: [&str; 3] = ["-plain", "-sources", "-javadoc"];

/// The one file to deploy among those given, as by a shell's `build/libs/*.jar`; `None` where none was given.
///
/// # Errors
/// [`Exit::Usage`] when more than one is left after the by-products are passed over.
pub(crate) fn choose(given: &[PathBuf]) -> Result<Option<&Path>> {
    match given {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several => {
            let left: Vec<&PathBuf> = several.iter().filter(|path| !is_by_product(path)).collect();
            match left.as_slice() {
                [one] => Ok(Some(one)),
                left => {
                    let (given, left) = (several.len(), left.len());
                    let what = format!("{given} artifacts given, {left} left without -plain, -sources and -javadoc");
                    Err(Exit::Usage.refuse(what, "name the one to deploy"))
                }
            }
        }
    }
}

fn is_by_product(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    is_java(path) && BY_PRODUCTS.iter().any(|end| stem.ends_with(end))
}

/// Whether a file's name begins with a dot, as those that a release has beside its artifact do.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Checks that a jar is a whole zip, and, where it is started by `java -jar`, that java would find a class to start in
/// it. Any other file passes.
///
/// # Errors
/// When it is not; nothing that runs has been touched then.
pub(crate) fn check(path: &Path, needs_main_class: bool) -> Result<()> {
    if !is_java(path) {
        return Ok(());
    }
    let file = File::open(path).context("open")?;
    if jar::has_main_class(BufReader::new(file))? || !needs_main_class {
        return Ok(());
    }
    let what = "no Main-Class in its manifest: java -jar can't start it";
    Err(Exit::Refused.refuse(what, "deploy the runnable jar, not the -plain one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: &[&str]) -> Result<Option<PathBuf>> {
        let given: Vec<PathBuf> = given.iter().map(PathBuf::from).collect();
        Ok(choose(&given)?.map(Path::to_owned))
    }

    #[test]
    fn by_products_are_passed_over() {
        let one = |given: &[&str]| chosen(given).unwrap().unwrap();
        assert_eq!(
            one(&["l/app-1.jar", "l/app-1-plain.jar", "l/app-1-sources.jar", "l/app-1-javadoc.jar"]),
            Path::new("l/app-1.jar")
        );
        assert_eq!(one(&["l/app-1-plain.jar"]), Path::new("l/app-1-plain.jar"), "the only one is what was asked for");
        assert_eq!(Exit::of(&chosen(&["a.jar", "b.jar"]).unwrap_err()), Exit::Usage);
        assert!(chosen(&["a-plain.jar", "b-sources.jar"]).is_err());
        assert_eq!(chosen(&[]).unwrap(), None);
    }
}
