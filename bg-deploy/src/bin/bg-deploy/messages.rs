//! The last words of a deploy, for somebody at three in the morning: what serves now, and what to do next.

use crate::args::Args;
use crate::leftover::Leftover;
use crate::outcome::End;
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Name;
use nix::unistd::geteuid;

/// Says what is live now, and how to go back.
pub(crate) fn live(args: &Args, record: &str) {
    // nginx has moved: a record that only this line can't be read from is no failure of the deploy.
    if let Ok(record) = Record::parse(record.as_bytes()) {
        let (dir, slot) = (&record.site.dir, &record.slot.name);
        let back = match record.live_beside() {
            Some(live) => {
                format!("back to {} with: {}", named(dir, &live.name), move_over(args))
            }
            None => "there is nothing to go back to yet".to_owned(),
        };
        args.voice.done("live", &format!("{}; {back}", named(dir, slot)), None);
    }
}

/// Says where a deploy ended, what became of what it launched, and what serves now.
pub(crate) fn failed(args: &Args, end: &End, leftover: Option<Leftover>) {
    let stage = end.failed.unwrap_or_default();
    let what = if args.rollback { "rollback" } else { "deploy" };
    let mut report = vec![match end.signal {
        Some(signal) => format!("{signal} ended the {what} at {stage}"),
        None => format!("the {what} failed at {stage}, exit {}", end.code),
    }];
    let mut line = |label, text: &str| report.push(format!("  {label:<9} {text}"));
    if let Ok(record) = Record::parse(end.record.as_bytes()) {
        if let Some(leftover) = leftover {
            line("release", &in_words(&record, leftover));
        }
        if leftover == Some(Leftover::Stopped) {
            line("idle", &held(&record.site.dir, &record.slot.name));
        }
        if leftover == Some(Leftover::Live) {
            line("next", &format!("to go back: {}", move_over(args)));
        }
        if leftover == Some(Leftover::Healthy) {
            let when = if end.signal.is_some() { "to move to it" } else { "when the cause is gone" };
            line("next", &format!("{when}: {}", move_over(args)));
        }
        // Where nginx is in the middle of a switch, only bg-switch knows; and where no slot was live, nginx may serve
        // what was left over.
        let known = stage != "switch" && !(record.live.is_none() && leftover == Some(Leftover::Running));
        if known {
            line("serving", &serving(&record));
        }
    }
    args.voice.error(&report.join("\n"));
}

fn in_words(record: &Record, leftover: Leftover) -> String {
    let (dir, slot) = (&record.site.dir, &record.slot.name);
    let what = launched(record);
    let log = dir.logs(slot).join("app.log");
    let log = log.display();
    match leftover {
        Leftover::Healthy => format!("{what} is healthy and runs on"),
        Leftover::Live => format!("{what} is healthy, and nginx serves it all the same"),
        Leftover::Kept => format!("{what} was left running, as --keep-failed says; its log: {log}"),
        Leftover::Stopped => format!("{what} was stopped; its log is kept: {log}"),
        Leftover::Running => format!("{what} was not stopped: bg-launch says why"),
    }
}

/// What was launched, which the slot need not hold any more.
fn launched(record: &Record) -> String {
    let (dir, slot) = (&record.site.dir, &record.slot.name);
    match Launched::of(dir, slot) {
        Ok(Some(launched)) => format!("{} in {slot}", file_of(dir, &launched.release)),
        _ => slot.to_string(),
    }
}

fn held(dir: &Dir, slot: &Name) -> String {
    let failed = Launched::of(dir, slot).ok().flatten().map(|launched| launched.release);
    match dir.release(slot) {
        // Whoever was to put it back did not live to say what was there before.
        held if held.is_some() && held == failed => {
            format!("{} still; the next deploy replaces it", named(dir, slot))
        }
        Some(_) => format!("{} again, for --rollback to start", named(dir, slot)),
        None => format!("{slot} holds no release, as before"),
    }
}

fn serving(record: &Record) -> String {
    let Some(live) = &record.live else { return "nothing: no slot was live before".to_owned() };
    let what = named(&record.site.dir, &live.name);
    let listens = live.listens();
    if listens { format!("{what}, as before") } else { format!("{what} is live as before, but does not listen") }
}

/// What a slot holds.
fn named(dir: &Dir, slot: &Name) -> String {
    dir.release(slot).map_or_else(|| slot.to_string(), |release| format!("{} in {slot}", file_of(dir, &release)))
}

/// A release by its file or, without one, by its name.
fn file_of(dir: &Dir, release: &str) -> String {
    match dir.file_of(release) {
        Some(file) => say::clean(&file.to_string_lossy()),
        None => format!("release {}", say::clean(release)),
    }
}

/// What to type to move nginx to the other slot, with what was typed for this deploy: without it, another
/// application might be meant, or health be asked elsewhere.
fn move_over(args: &Args) -> String {
    let env_file = args.env_file.as_ref().and_then(|file| std::path::absolute(file).ok());
    let env_file = env_file.map(|file| ["--env-file".to_owned(), file.display().to_string()]);
    let nginx = args.nginx.clone().filter(|nginx| std::env::var("BG_NGINX").ok().as_ref() != Some(nginx));
    let nginx = nginx.map(|nginx| ["--nginx".to_owned(), nginx]);
    let settings = args.settings.typed_flags().unwrap_or_default();
    // Who came by sudo will have to come that way again.
    let sudo = (geteuid().is_root() && std::env::var_os("SUDO_USER").is_some()).then(|| "sudo".to_owned());
    let words = sudo
        .into_iter()
        .chain(std::iter::once("bg-deploy".to_owned()))
        .chain(env_file.into_iter().flatten())
        .chain(settings);
    let words = words.chain(nginx.into_iter().flatten()).chain(args.stages.typed());
    shell_words::join(words.chain(std::iter::once("--rollback".to_owned())))
}
