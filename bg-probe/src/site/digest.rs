//! The SHA-256 of the artifact of a release: by it two releases are known to be made of the same.

use crate::site::dir::Dir;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// Where in a release the digest of its artifact is kept, in a form that `sha256sum -c` reads.
pub const FILE: &str = ".sha256";

/// Where in a release the command is kept by which it is started.
pub const COMMAND: &str = ".command.json";

/// How many hex digits there are.
const DIGITS: usize = 64;

/// Whether two releases are made of the same artifact, and are started by the same command.
#[must_use]
pub fn are_alike(dir: &Dir, one: &str, other: &str) -> bool {
    let command = |release: &str| std::fs::read(dir.releases().join(release).join(COMMAND)).ok();
    let digest = of_release(dir, one);
    digest.is_some() && digest == of_release(dir, other) && command(one) == command(other)
}

/// That of a release on disk, in hex digits; of a folder, that of the list of its files' own. `None` where it has no artifact.
#[must_use]
pub fn of_release(dir: &Dir, release: &str) -> Option<String> {
    let folder = dir.releases().join(release);
    of(&folder, &folder.join(dir.file_of(release)?))
}

/// The same of a release in this folder, with this artifact.
#[must_use]
pub fn of(release: &Path, artifact: &Path) -> Option<String> {
    let lines = std::fs::read(release.join(FILE)).ok()?;
    if artifact.is_dir() {
        return Some(of_lines(&lines));
    }
    let text = String::from_utf8_lossy(&lines);
    text.split(' ').next().filter(|digits| is_one(digits)).map(str::to_owned)
}

/// That of a folder, by the lines that are kept in its release. The folder's own name, with which each path begins, is not in
/// it: a build may have its number there.
#[must_use]
pub fn of_lines(lines: &[u8]) -> String {
    let mut sum = Sha256::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let (what, path) = split(line);
        sum.update(what);
        sum.update(path);
    }
    in_digits(sum)
}

/// What a line says of a path, and the path inside the folder. A backslash before it says no more than those in the path do.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    let before = if line.starts_with(b"# ") { 2 } else { DIGITS + 2 };
    let (what, path) = line.split_at_checked(before).unwrap_or((line, b""));
    let name = path.iter().position(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    (what, &path[name..])
}

/// That of bytes, as `sha256sum` has it.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> String {
    in_digits(Sha256::new_with_prefix(bytes))
}

/// A digest as people write it.
#[must_use]
pub fn in_digits(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_one(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_folder_is_not_in_its_sum_and_all_else_is() {
        let digits = ["a", "b"].map(|digit| digit.repeat(DIGITS));
        let of = |name: &str, slash: &str, digits: &str, path: &str, leads: &str| {
            of_lines(format!("{slash}{digits}  {name}/{path}\n# {name}/link -> {leads}\n").as_bytes())
        };
        let one = of("build-1", "", &digits[0], "a/b", "c/d");
        assert_eq!(one, of("build-2  x", "", &digits[0], "a/b", "c/d"));
        assert_eq!(one, of("build\\\\3", "\\", &digits[0], "a/b", "c/d"));
        for other in [
            of("build-1", "", &digits[1], "a/b", "c/d"),
            of("build-1", "", &digits[0], "x/b", "c/d"),
            of("build-1", "", &digits[0], "a/b", "x/d"),
        ] {
            assert_ne!(one, other);
        }
    }
}
