//! The SHA-256 of what is in a release, in the form that `sha256sum -c` reads in its folder.

use bg_probe::site::digest::{in_digits, of_lines};
use sha2::Sha256;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The sums of an artifact: a line for each file, in the order of their paths, and one for each link, which `sha256sum` passes
/// over.
pub(crate) struct Sums {
    /// The artifact's name.
    name: PathBuf,
    /// The sum of the artifact itself, if it is a file.
    file: Option<String>,
    pub(crate) lines: Vec<u8>,
}

impl Sums {
    /// None yet, of what is copied to there.
    pub(crate) fn of(copy: &Path) -> Sums {
        Sums { name: copy.file_name().map(PathBuf::from).unwrap_or_default(), file: None, lines: Vec::new() }
    }

    /// Adds a file of the artifact, or the artifact.
    pub(crate) fn add_file(&mut self, path: &Path, digest: Sha256) {
        let digits = in_digits(digest);
        let (slash, name) = self.spelled(path);
        self.lines.extend_from_slice(&[slash, digits.as_bytes(), b"  ", &name, b"\n"].concat());
        if path.as_os_str().is_empty() {
            self.file = Some(digits);
        }
    }

    /// Adds a link of the artifact.
    pub(crate) fn add_link(&mut self, path: &Path, leads: &Path) {
        let (_, name) = self.spelled(path);
        self.lines.extend_from_slice(&[b"# ", name.as_slice(), b" -> ", &spelled(leads), b"\n"].concat());
    }

    /// The sum of the artifact: that of the file or, of a folder, that of these lines.
    pub(crate) fn whole(&self) -> String {
        self.file.clone().unwrap_or_else(|| of_lines(&self.lines))
    }

    /// A part's name in the release, and the backslash that begins a line in which one is spelled otherwise.
    fn spelled(&self, path: &Path) -> (&'static [u8], Vec<u8>) {
        let whole = if path.as_os_str().is_empty() { self.name.clone() } else { self.name.join(path) };
        let name = spelled(&whole);
        let slash: &[u8] = if name.len() == whole.as_os_str().len() { b"" } else { b"\\" };
        (slash, name)
    }
}

/// A path on one line.
fn spelled(path: &Path) -> Vec<u8> {
    let each = |byte: &u8| match byte {
        b'\\' => b"\\\\".to_vec(),
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        other => vec![*other],
    };
    path.as_os_str().as_bytes().iter().flat_map(each).collect()
}
