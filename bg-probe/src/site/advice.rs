//! Advice: a command for a person to copy, whole as it is printed.
//!
//! Half a command is worse than none at three in the morning: without the settings that this run had, another application is
//! meant. So a command in a message is made here, which knows who may run it, which settings file was read, and what was
//! typed.

pub use crate::os::advice::Advice;
use crate::os::sudo::{TYPED, is_by_sudo, is_flag, settings_file, sudo, typed, without};
use crate::site::by_hand::flags_for;
use crate::site::settings::Site;
use nix::unistd::{AccessFlags, access, geteuid};
use shell_words::{join, quote, split};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The program that calls the others: a stage's flag has the stage's name before it there.
const DRIVER: &str = "bg-deploy";

/// Whether this program has read a record, and so has to have one again: only it knows which of its orders read one.
static HAD_A_RECORD: AtomicBool = AtomicBool::new(false);

impl Advice {
    /// A program of ours with these words, about this site, as whoever has started this one.
    #[must_use]
    pub fn call(site: &Site, program: &str, words: &[&str]) -> Advice {
        Advice::call_by(geteuid().as_raw(), site, program, words)
    }

    /// The same by that user.
    #[must_use]
    pub fn call_by(uid: u32, site: &Site, program: &str, words: &[&str]) -> Advice {
        Advice(whole(uid, &own_line(uid, site, program, words)))
    }

    /// A launch with these words, from which nginx is moved to what it has started when that is healthy.
    #[must_use]
    pub fn launch(site: &Site, words: &[&str]) -> Advice {
        let me = geteuid().as_raw();
        let stages = ["bg-health", "bg-switch"].map(|stage| join(behind(stage)));
        Advice(whole(me, &format!("{} | {}", own_line(me, site, "bg-launch", words), stages.join(" | "))))
    }

    /// The command that was typed, with these flags put in, each in place of one like it. A stage that has read a record
    /// gets the stage before it, and a launch the whole pipeline.
    #[must_use]
    pub fn again(site: &Site, flags: &[(&str, Option<&str>)]) -> Advice {
        let words = typed_words();
        let (program, words) = words.split_first().map_or((String::new(), &[][..]), |(p, w)| (p.clone(), w));
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let (mut own, command) = (words[..end].to_vec(), &words[end..]);
        for (flag, value) in flags.iter().rev() {
            // One of which there may be many takes no other's place.
            if !flag.ends_with("header") {
                own = without(own, flag, value.is_some());
            }
            own.splice(0..0, std::iter::once((*flag).to_owned()).chain(value.map(str::to_owned)));
        }
        if !has(&own, "--env-file") {
            own.splice(0..0, file_flag());
        }
        let line = join(std::iter::once(program.as_str()).chain(own.iter().chain(command).map(String::as_str)));
        let me = geteuid().as_raw();
        let behind_one = |before: &str, words: &[&str]| format!("{} | {line}", own_line(me, site, before, words));
        Advice(match program.as_str() {
            _ if !HAD_A_RECORD.load(Ordering::Relaxed) => format!("{}{line}", sudo(me)),
            "bg-launch" if has(&own, "--companion") => whole(me, &behind_one("bg-probe", &["--slot", "live"])),
            "bg-launch" if has(&own, "--stop") => whole(me, &behind_one("bg-probe", &[])),
            "bg-launch" => {
                let after = ["bg-health", "bg-switch"].map(|stage| join(behind(stage))).join(" | ");
                whole(me, &format!("{} | {after}", behind_one("bg-probe", &[])))
            }
            "bg-health" => whole(me, &behind_one("bg-probe", &[])),
            "bg-switch" => whole(me, &behind_one("bg-health", &["--slot", "idle"])),
            _ => format!("{}{line}", sudo(me)),
        })
    }

    /// The command that was typed, with another word in place of one.
    #[must_use]
    pub fn in_place_of(word: &str, other: &str) -> Advice {
        let words = typed_words().into_iter().map(|typed| if typed == word { other.to_owned() } else { typed });
        Advice(format!("{}{}", sudo(geteuid().as_raw()), join(words.collect::<Vec<_>>())))
    }

    /// The command that was typed, with a flag of that stage's put in.
    #[must_use]
    pub fn again_with(site: &Site, stage: &str, flag: &str, value: Option<&str>) -> Advice {
        Advice::again(site, &[(&flag_of(stage, flag), value)])
    }

    /// A setting of a stage's, made for every later run: in the settings file, where one was read, else in the shell. Where its
    /// flag was typed, which would win, the command that was typed with another value.
    #[must_use]
    pub fn setting(site: &Site, stage: &str, flag: &str, value: &str) -> Advice {
        if has(&typed_words(), &flag_of(stage, flag)) {
            return Advice::again_with(site, stage, flag, Some(value));
        }
        let setting = format!("{}={}", variable_of(stage, flag), quote(value));
        match settings_file() {
            Some(file) => Advice(added(&setting, &file)),
            None if is_by_sudo() => Advice(format!("{}{setting} {}", sudo(geteuid().as_raw()), typed())),
            None => Advice(format!("export {setting}")),
        }
    }
}

/// Notes that this program has read a record.
pub(crate) fn note_record() {
    HAD_A_RECORD.store(true, Ordering::Relaxed);
}

impl Advice {
    /// A line added to a settings file.
    #[must_use]
    pub fn line(line: &str, file: &str) -> Advice {
        Advice(added(line, file))
    }
}

/// Whether a COMMAND was typed behind `--`, which no advice repeats.
#[must_use]
pub fn has_a_command() -> bool {
    typed_words().iter().any(|word| word == "--")
}

/// Whether a driver runs this stage, and does by itself what comes next.
#[must_use]
pub fn is_driven() -> bool {
    std::env::var_os(TYPED).is_some()
}

/// The name of a stage's flag in the command that was typed.
#[must_use]
pub fn flag_of(stage: &str, flag: &str) -> String {
    let is_drivers = typed_words().first().is_some_and(|program| program == DRIVER);
    if is_drivers && !stage.is_empty() { format!("--{stage}-{flag}") } else { format!("--{flag}") }
}

/// Whether a flag stands in the command that was typed.
#[must_use]
pub fn was_typed(flag: &str) -> bool {
    has(&typed_words(), flag)
}

/// The name of a stage's flag as it was given: as it was typed, or the variable that has it.
#[must_use]
pub fn as_given(stage: &str, flag: &str) -> String {
    let (typed, variable) = (flag_of(stage, flag), variable_of(stage, flag));
    let is_set = std::env::var_os(&variable).is_some_and(|value| !value.is_empty());
    if is_set && !has(&typed_words(), &typed) { variable } else { typed }
}

/// The variable of a stage's flag; of one that all programs have where no stage is named.
fn variable_of(stage: &str, flag: &str) -> String {
    let stage = if stage.is_empty() { String::new() } else { format!("{}_", stage.to_uppercase()) };
    format!("BG_{stage}{}", flag.to_uppercase().replace('-', "_"))
}

/// A line added to a settings file, with a newline before it where the last line has none.
fn added(line: &str, file: &str) -> String {
    let is_open = std::fs::read(file).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
    let plain = !line.contains(['"', '$', '`', '\\', '!']) && line.contains('\'');
    let line = if plain { format!("\"{line}\"") } else { quote(line).into_owned() };
    let print = if is_open { "printf '\\n%s\\n'" } else { "echo" };
    let mine = !is_by_sudo() && access(Path::new(file), AccessFlags::W_OK).is_ok();
    let file = quote(file);
    if mine { format!("{print} {line} >>{file}") } else { format!("{print} {line} | sudo tee -a {file}") }
}

/// A line of programs, by that user.
fn whole(uid: u32, line: &str) -> String {
    let sudo = sudo(uid);
    if line.contains(" | ") && !sudo.is_empty() {
        format!("{sudo}sh -c {}", quote(line))
    } else {
        format!("{sudo}{line}")
    }
}

fn own_line(uid: u32, site: &Site, program: &str, words: &[&str]) -> String {
    join(own_words(uid, site, program).iter().map(String::as_str).chain(words.iter().copied()))
}

/// A program with what makes it mean this site: the settings file, what stands in no variable, and its own flags as they
/// were typed.
fn own_words(uid: u32, site: &Site, program: &str) -> Vec<String> {
    let file = file_flag();
    let settings = flags_for(site, uid != geteuid().as_raw());
    std::iter::once(program.to_owned()).chain(file).chain(settings).chain(kept(program)).collect()
}

/// A program behind another one, which has the site's settings by its record.
fn behind(program: &str) -> Vec<String> {
    std::iter::once(program.to_owned()).chain(file_flag()).chain(kept(program)).collect()
}

/// The flag of the settings file that was read.
fn file_flag() -> impl Iterator<Item = String> {
    settings_file().map(|file| ["--env-file".to_owned(), file]).into_iter().flatten()
}

/// The flags of a program's own that were typed, by the driver's names or by its own: how it calls nginx, above all.
fn kept(program: &str) -> Vec<String> {
    let words = typed_words();
    let Some((typed, words)) = words.split_first() else { return Vec::new() };
    let stage = program.trim_start_matches("bg-");
    let mut kept = Vec::new();
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let (flag, value) = word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value)));
        let own = match flag {
            "--nginx" if program == "bg-switch" || program == DRIVER => flag.to_owned(),
            "--pid-file" if typed == program => flag.to_owned(),
            _ if typed == DRIVER && flag.starts_with(&format!("--{stage}-")) => {
                flag.replacen(&format!("{stage}-"), "", 1)
            }
            _ => continue,
        };
        kept.push(own);
        // One flag takes no value.
        if flag != "--launch-adopt" {
            kept.extend(value.map(str::to_owned).or_else(|| words.next().cloned()));
        }
    }
    kept
}

fn typed_words() -> Vec<String> {
    split(&typed()).unwrap_or_default()
}

fn has(words: &[String], flag: &str) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| is_flag(word, flag))
}
