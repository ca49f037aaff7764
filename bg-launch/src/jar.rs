//! A jar: its name and its manifest, as far as java needs them to begin.

use anyhow::{Context, Result, bail};
use std::io::{Read, Seek};
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// A manifest is a few hundred bytes; this much of one is read.
const MOST_MANIFEST: u64 = 1024 * 1024;

/// Whether a file's name is one of those that `java -jar` runs.
#[must_use]
pub fn is_java(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("jar") || end.eq_ignore_ascii_case("war"))
}

/// Whether a jar names a class to start.
///
/// # Errors
/// When it is not a whole zip.
pub fn has_main_class(jar: impl Read + Seek) -> Result<bool> {
    Ok(names_main_class(&manifest(jar)?))
}

/// The manifest of a jar; empty where it has none.
fn manifest(jar: impl Read + Seek) -> Result<String> {
    // The directory of a zip is at its end, so a file that was cut has none.
    let mut zip = ZipArchive::new(jar).context("not a whole jar (was it still being copied?)")?;
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
fn names_main_class(manifest: &str) -> bool {
    let main_section = manifest.lines().take_while(|line| !line.is_empty());
    main_section.filter_map(|line| line.split_once(':')).any(|(name, _)| name.eq_ignore_ascii_case("Main-Class"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_class_is_an_attribute_of_the_main_section() {
        assert!(names_main_class("Manifest-Version: 1.0\r\nmain-class: a.B\r\n\r\n"));
        assert!(!names_main_class("Manifest-Version: 1.0\r\n\r\nName: a/\r\nMain-Class: a.B\r\n"));
        assert!(!names_main_class("X-Main-Class: a.B\n"));
        assert!(!names_main_class(""));
    }
}
