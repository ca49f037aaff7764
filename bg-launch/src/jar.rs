//! A jar: its name and its manifest, as far as java needs them to begin.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// A manifest is a few hundred bytes; this much of one is read.
const MOST_MANIFEST: u64 = 1024 * 1024;

/// Whether a file's name is one of those that `java -jar` runs.
#[must_use]
pub fn is_java(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("jar") || end.eq_ignore_ascii_case("war"))
}

/// The names of the jars in a folder, not those below it, that name a class to start.
#[must_use]
pub fn runnable_in(folder: &Path) -> Vec<String> {
    let is_runnable = |path: &Path| {
        let manifest = File::open(path).ok().filter(|_| is_java(path)).and_then(|file| Manifest::of(file).ok());
        manifest.is_some_and(|manifest| manifest.has_main_class)
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let runnable = files.filter(|path| path.is_file() && is_runnable(path));
    runnable.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// What java looks for in the manifest of a jar that it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Whether it names a class to start.
    pub has_main_class: bool,
    /// The files that it needs beside itself: the relative ones of its `Class-Path`.
    pub beside: Vec<PathBuf>,
}

impl Manifest {
    /// Of a jar; one without any attributes where it has no manifest.
    ///
    /// # Errors
    /// When it is not a whole zip.
    pub fn of(jar: impl Read + Seek) -> Result<Manifest> {
        Ok(Manifest::parse(&bytes_of(jar)?))
    }

    /// Of its text. The main section, which ends at the first empty line, counts (the JAR file specification).
    #[must_use]
    pub fn parse(text: &[u8]) -> Manifest {
        let text = unfolded(text);
        let main_section = text.lines().take_while(|line| !line.is_empty());
        let attributes: Vec<(&str, &str)> = main_section.filter_map(|line| line.split_once(':')).collect();
        let of_name = |wanted: &str| attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let class_path = of_name("Class-Path").map_or("", |(_, value)| value);
        Manifest {
            has_main_class: of_name("Main-Class").is_some(),
            beside: class_path.split_ascii_whitespace().filter_map(beside).collect(),
        }
    }
}

/// A URL of a `Class-Path` as a path from where the jar is; `None` where it is absolute or that very place, which is there
/// whatever is in it.
fn beside(url: &str) -> Option<PathBuf> {
    let is_absolute = url.starts_with('/') || url.split('/').next().is_some_and(|first| first.contains(':'));
    let path = PathBuf::from(OsString::from_vec(decoded(url)));
    let is_here = path.components().all(|part| part == Component::CurDir);
    (!is_absolute && !is_here).then_some(path)
}

/// The bytes of a URL, in which `%20` is a space.
fn decoded(url: &str) -> Vec<u8> {
    let mut left = url.as_bytes();
    let mut bytes = Vec::with_capacity(left.len());
    while let Some((first, rest)) = left.split_first() {
        let hex = rest.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        left = if byte.is_some() { &rest[2..] } else { rest };
    }
    bytes
}

/// The lines as they were before they were folded at 72 bytes, maybe in the middle of a character: one that begins with a
/// space goes on with the one before.
fn unfolded(text: &[u8]) -> String {
    let mut whole = Vec::with_capacity(text.len());
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.strip_prefix(b" ") {
            Some(more) => {
                whole.pop();
                whole.extend_from_slice(more);
            }
            None => whole.extend_from_slice(line),
        }
        whole.push(b'\n');
    }
    String::from_utf8_lossy(&whole).into_owned()
}

/// The manifest of a jar; empty where it has none.
fn bytes_of(jar: impl Read + Seek) -> Result<Vec<u8>> {
    // The directory of a zip is at its end, so a file that was cut has none.
    let mut zip = ZipArchive::new(jar).context("not a whole jar (was it still being copied?)")?;
    let mut bytes = Vec::new();
    match zip.by_name("META-INF/MANIFEST.MF") {
        Ok(file) => file.take(MOST_MANIFEST).read_to_end(&mut bytes).context("its manifest can't be read")?,
        Err(ZipError::FileNotFound) => return Ok(Vec::new()),
        Err(e) => bail!("its manifest can't be read: {e}"),
    };
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn main_class(text: &str) -> bool {
        Manifest::parse(text.as_bytes()).has_main_class
    }

    #[test]
    fn what_a_jar_needs_beside_itself_is_relative_and_may_be_folded() {
        let beside = |text: &str| {
            let paths = Manifest::parse(text.as_bytes()).beside.into_iter();
            paths.map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(beside("Class-Path: lib/a.jar lib/b%20c.jar\r\n"), "lib/a.jar | lib/b c.jar");
        assert_eq!(
            beside("Main-Class: x\nClass-Path: lib/a.j\r\n ar \r\n  lib/\u{e9}.jar\n\n"),
            "lib/a.jar | lib/\u{e9}.jar"
        );
        assert_eq!(beside("Class-Path: . ./ /opt/x.jar file:/opt/y.jar http://h/z.jar ./conf/"), "./conf/");
        assert_eq!(beside("Class-Path: 100%.jar %zz.jar"), "100%.jar | %zz.jar");
        for none in ["", " ", "Class-Path:", "\n\nClass-Path: x.jar"] {
            assert_eq!(beside(none), "");
        }
        // Folded in the middle of a character of two bytes.
        let folded = [b"Class-Path: lib/\xc3".as_slice(), b"\r\n \xa9.jar"].concat();
        assert_eq!(Manifest::parse(&folded).beside, [PathBuf::from("lib/\u{e9}.jar")]);
    }

    #[test]
    fn a_main_class_is_an_attribute_of_the_main_section() {
        assert!(main_class("Manifest-Version: 1.0\r\nmain-class: a.B\r\n\r\n"));
        assert!(!main_class("Manifest-Version: 1.0\r\n\r\nName: a/\r\nMain-Class: a.B\r\n"));
        assert!(!main_class("X-Main-Class: a.B\n"));
        assert!(!main_class(""));
    }
}
