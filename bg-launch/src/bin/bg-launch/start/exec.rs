//! A command whose words reach the application as they are, although systemd stands in between.
//!
//! systemd keeps a transient unit's command in a file and reads that again at each reload of its own configuration,
//! which any installed package may cause. Not every word survives: systemd 252 gives `;MODE=MySQL` and `$x` back as
//! `\;MODE=MySQL` and `\$x` at the next restart. So a command that has more than plain words goes through bg-launch,
//! spelled in hexadecimal digits.

use anyhow::{Context, Result, bail};
use nix::unistd::execv;
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fmt::Write as _;
use std::process::ExitCode;

/// The first argument that makes bg-launch become the command that the second one spells.
const EXEC: &str = "--exec-words";

/// The words to hand to systemd for a command.
///
/// # Errors
/// When this program's own path is not known.
pub(crate) fn words(command: &[String]) -> Result<Vec<String>> {
    let is_plain = |word: &String| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-+./:=,@".contains(&c))
    };
    if command.iter().all(is_plain) {
        return Ok(command.to_vec());
    }
    let this = std::env::current_exe().context("find this program")?;
    let this = this.to_str().context("this program's path is not UTF-8")?.to_owned();
    Ok(vec![this, EXEC.to_owned(), spell(command)])
}

/// The command spelled on the command line, where this process was started for one.
pub(crate) fn command() -> Option<OsString> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == EXEC).then(|| args.next().unwrap_or_default())
}

/// Becomes the command; an error is that of the program called `name`.
pub(crate) fn run(spelled: &OsString, name: &str) -> ExitCode {
    // Returns only with an error.
    let Err(error) = become_it(spelled);
    bg_probe::say::error(name, &format!("{error:#}"));
    ExitCode::from(127)
}

fn become_it(spelled: &OsString) -> Result<Infallible> {
    let words = read(spelled.to_str().unwrap_or_default())?;
    let words: Vec<CString> = words.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    let program = words.first().context("no command")?;
    execv(program, &words).with_context(|| format!("execute {}", program.to_string_lossy()))
}

/// Two digits for each byte, and a 00 after each word, which can hold no such byte.
fn spell(command: &[String]) -> String {
    command.iter().fold(String::new(), |mut digits, word| {
        for byte in word.bytes().chain([0]) {
            // Writing to a String can't fail.
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    })
}

fn read(digits: &str) -> Result<Vec<Vec<u8>>> {
    let pairs: Vec<&[u8]> = digits.as_bytes().chunks(2).collect();
    let byte = |pair: &&[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    let Some(bytes) = bytes.filter(|bytes| bytes.ends_with(&[0])) else { bail!("not a command of bg-launch's") };
    Ok(bytes[..bytes.len() - 1].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        let plain =
            ["/usr/bin/java", "-Xmx1g", "-Dspring.profiles.active=set1", "-jar", "/r/app-1.jar"].map(str::to_owned);
        assert_eq!(words(&plain).unwrap(), plain);
    }

    #[test]
    fn other_words_come_back_as_they_were() {
        for other in ["a b", "jdbc:h2:mem:x;MODE=MySQL", "$HOME", "%n", "\\", "'\"", "", "é", "*"] {
            let command = ["/bin/echo".to_owned(), other.to_owned(), String::new()];
            let handed = words(&command).unwrap();
            assert_eq!((handed.len(), handed[1].as_str()), (3, EXEC), "{other}");
            let back: Vec<String> =
                read(&handed[2]).unwrap().into_iter().map(|w| String::from_utf8(w).unwrap()).collect();
            assert_eq!(back, command);
        }
        for broken in ["", "6", "6g00", "61"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
