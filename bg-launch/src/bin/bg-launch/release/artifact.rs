//! What is deployed: which of the given files it is, and whether it is whole.

use crate::release::template::Template;
use anyhow::{Context, Result, ensure};
use bg_launch::jar;
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
                _ => Err(Exit::Usage.because(format!(
                    "{} artifacts given, {} left without -plain, -sources and -javadoc: name the one to deploy",
                    several.len(),
                    left.len()
                ))),
            }
        }
    }
}

fn is_by_product(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    is_java(path) && BY_PRODUCTS.iter().any(|end| stem.ends_with(end))
}

/// Whether the file's name says that `java -jar` runs it.
pub(crate) fn is_java(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("jar") || end.eq_ignore_ascii_case("war"))
}

/// Checks that a jar is a whole zip, and that java would find a class to start in it if it is started by `-jar`.
/// Any other file passes.
///
/// # Errors
/// When it is not; nothing that runs has been touched then.
pub(crate) fn check(path: &Path, template: &Template) -> Result<()> {
    if !is_java(path) {
        return Ok(());
    }
    let file = File::open(path).context("open")?;
    ensure!(
        jar::has_main_class(BufReader::new(file))? || !template.needs_main_class(),
        "no Main-Class in its manifest: java -jar can't start it. Is it the -plain jar?"
    );
    Ok(())
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
