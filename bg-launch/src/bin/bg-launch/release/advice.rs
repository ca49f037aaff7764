//! What to type instead.

use bg_probe::os::sudo::{sudo, typed};
use nix::unistd::geteuid;
use std::path::Path;

/// The command that was typed, less what stands behind `--`, with another artifact; for a deploy, where it was a preflight.
pub(crate) fn typed_with(artifact: &Path, other: &Path) -> String {
    let words = shell_words::split(&typed()).unwrap_or_default().into_iter().take_while(|word| word != "--");
    let other = other.to_string_lossy();
    let words = words.filter(|word| !["--check", "--json"].contains(&word.as_str()));
    let words = words.map(|word| if Path::new(&word) == artifact { other.clone().into_owned() } else { word });
    format!("{}{}", sudo(geteuid().as_raw()), shell_words::join(words.collect::<Vec<_>>()))
}
