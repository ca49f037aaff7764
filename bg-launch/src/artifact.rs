//! What is deployed: which of the given files it is, and whether it is whole.

use crate::template::Template;
use anyhow::{Context, Result, bail, ensure};
use bg_probe::exit::Exit;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// What Gradle and Maven put beside the jar that can be run.
const BY_PRODUCTS: [&str; 3] = ["-plain", "-sources", "-javadoc"];

/// A manifest is a few hundred bytes; this much of one is read.
const MOST_MANIFEST: u64 = 1024 * 1024;

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
    let manifest = manifest(path)?;
    ensure!(
        has_main_class(&manifest) || !template.needs_main_class(),
        "no Main-Class in its manifest: java -jar can't start it. Is it the -plain jar?"
    );
    Ok(())
}

/// The manifest of a jar; empty where it has none.
fn manifest(path: &Path) -> Result<String> {
    let file = File::open(path).context("open")?;
    // The directory of a zip is at its end, so a file that was cut has none.
    let mut zip = ZipArchive::new(BufReader::new(file)).context("not a whole jar (was it still being copied?)")?;
    let mut bytes = Vec::new();
    match zip.by_name("META-INF/MANIFEST.MF") {
        Ok(file) => file.take(MOST_MANIFEST).read_to_end(&mut bytes).context("its manifest can't be read")?,
        Err(ZipError::FileNotFound) => return Ok(String::new()),
        Err(e) => bail!("its manifest can't be read: {e}"),
    };
    // Lines are folded at 72 bytes, also in the middle of a character.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the main section, which ends at the first empty line, names a `Main-Class` (the JAR file specification).
fn has_main_class(manifest: &str) -> bool {
    let main_section = manifest.lines().take_while(|line| !line.is_empty());
    main_section.filter_map(|line| line.split_once(':')).any(|(name, _)| name.eq_ignore_ascii_case("Main-Class"))
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

    #[test]
    fn a_main_class_is_an_attribute_of_the_main_section() {
        assert!(has_main_class("Manifest-Version: 1.0\r\nmain-class: a.B\r\n\r\n"));
        assert!(!has_main_class("Manifest-Version: 1.0\r\n\r\nName: a/\r\nMain-Class: a.B\r\n"));
        assert!(!has_main_class("X-Main-Class: a.B\n"));
        assert!(!has_main_class(""));
    }
}
