//! The command that was typed, as another user would have to type it: whole, to be copied.

use nix::unistd::{Uid, User, geteuid};
use shell_words::{join, quote, split};
use std::path::Path;

/// The variable in which a driver hands its own command on to the stages it starts: their advice repeats what a person
/// typed.
pub const TYPED: &str = "BG_TYPED";

/// The mark of a program that has the variables of a settings file already, and of the stages of a `bg-deploy`: its pid and
/// the file. It is of no use to another process, which may be in another folder and mean another file by the same name.
pub const READ: &str = "BG_ENV_FILE_READ";

/// The variables that came from the file, each with its line: `BG_APP:1 BG_DIR:2`. Hooks have them, and a deploy that a hook
/// starts with a file of its own drops those: they are another application's.
pub const LINES: &str = "BG_ENV_FILE_LINES";

/// The settings file that was read for this process: by itself, or by the `bg-deploy` that has started it.
#[must_use]
pub fn settings_file() -> Option<String> {
    Some(std::env::var(READ).ok()?.split_once(' ')?.1.to_owned())
}

/// What was typed to start this program, without what may be a secret: what stands behind `--`, and the value of a header.
#[must_use]
pub fn typed() -> String {
    if let Ok(typed) = std::env::var(TYPED) {
        return typed;
    }
    let mut words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(program) = words.first_mut() {
        let name = Path::new(program.as_str()).file_name().map(|name| name.to_string_lossy().into_owned());
        *program = name.unwrap_or_default();
    }
    for at in 0..words.len() {
        words[at] = match words.get(at.wrapping_sub(1)).map(String::as_str) {
            Some(flag @ ("--header" | "--health-header")) => {
                shown(&format!("{flag}={}", words[at]))[flag.len() + 1..].to_owned()
            }
            _ => shown(&words[at]),
        };
    }
    match words.iter().position(|word| word == "--") {
        Some(end) => format!("{} -- ...", join(&words[..end])),
        None => join(&words),
    }
}

/// A word of a command line, as `--header` of bg-health or as `--health-header` of bg-deploy, without what may be a secret in
/// it: the value of a header.
#[must_use]
pub fn shown(word: &str) -> String {
    let value = word.strip_prefix("--header=").or_else(|| word.strip_prefix("--health-header="));
    let Some(value) = value else { return word.to_owned() };
    let name = value.split_once(':').map_or("NAME", |(name, _)| name);
    format!("{}{name}: VALUE", &word[..word.len() - value.len()])
}

/// The same with a flag and its value behind the program's name, in place of one like it.
#[must_use]
pub fn typed_with(flag: &str, value: &str) -> String {
    let typed = split(&typed()).unwrap_or_default();
    let Some((program, rest)) = typed.split_first() else { return String::new() };
    let rest = without(rest.to_vec(), flag, true);
    join([program.as_str(), flag, value].into_iter().chain(rest.iter().map(String::as_str)))
}

/// Whether a word of a command line is that flag, with its value or without.
#[must_use]
pub fn is_flag(word: &str, flag: &str) -> bool {
    word.split('=').next() == Some(flag)
}

/// The words without a flag and its value.
#[must_use]
pub fn without(words: Vec<String>, flag: &str, takes_value: bool) -> Vec<String> {
    let mut left = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if !is_flag(&word, flag) {
            left.push(word);
        } else if takes_value && !word.contains('=') {
            words.next();
        }
    }
    left
}

/// The same as this user, by `sudo(8)`.
#[must_use]
pub fn typed_as(uid: u32) -> String {
    format!("{}{}", sudo(uid), typed())
}

/// Whether whoever typed this has become root by `sudo(8)`, and has to again.
#[must_use]
pub fn is_by_sudo() -> bool {
    geteuid().is_root() && std::env::var_os("SUDO_USER").is_some()
}

/// What to type before a command for that user to run it: nothing, `sudo ` or `sudo -u web `, which keeps no variable
/// without `-E`.
#[must_use]
pub fn sudo(uid: u32) -> String {
    if uid == geteuid().as_raw() && !is_by_sudo() {
        return String::new();
    }
    let account = name_of(uid).unwrap_or_else(|| format!("#{uid}"));
    let who = if uid == 0 { String::new() } else { format!(" -u {}", quote(&account)) };
    format!("sudo{who}{} ", if has_exports() { " -E" } else { "" })
}

/// Whether a setting stands in a variable that is not from the settings file.
fn has_exports() -> bool {
    let lines = std::env::var(LINES).unwrap_or_default();
    let from_file: Vec<&str> = lines.split_ascii_whitespace().filter_map(|place| place.split(':').next()).collect();
    std::env::vars_os().any(|(name, value)| {
        let name = name.to_string_lossy();
        let is_ours = name.starts_with("BG_ENV_FILE_") || [TYPED, "BG_LOCK_FD"].contains(&&*name);
        name.starts_with("BG_") && !value.is_empty() && !is_ours && !from_file.contains(&&*name)
    })
}

/// A user's name for people, or the number of one who has none.
#[must_use]
pub fn called(uid: u32) -> String {
    name_of(uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// The same for `chown(1)` and `install(1)`.
#[must_use]
pub fn owner(uid: u32) -> String {
    name_of(uid).unwrap_or_else(|| uid.to_string())
}

fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_header_is_not_shown() {
        assert_eq!(shown("--header=A: s3cret:s3cret"), "--header=A: VALUE");
        assert_eq!(shown("--health-header=s3cret"), "--health-header=NAME: VALUE");
        assert_eq!(shown("--path=/a"), "--path=/a");
    }
}
