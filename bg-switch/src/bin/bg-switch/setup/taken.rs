//! A file that stands where a setup would write: whose it is, and what to do that leaves what nginx serves as it is.

use crate::setup::ground::Ground;
use crate::setup::record::Record;
use bg_probe::nginx::conf;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Setting;
use std::path::Path;

/// The refusal to write this file, by a setup with this record, which has been here `before`.
pub(super) fn refusal(path: &Path, ground: &Ground, record: &Path, before: &Record) -> anyhow::Error {
    let shown = path.to_string_lossy();
    let refuse = |what: String, remedy: String| {
        Exit::Refused.refuse(format!("{shown} is there, and {what}. Nothing was touched"), remedy)
    };
    if let Some(other) = Record::other_with(path, record) {
        let what = format!("is of another setup, whose record is {}", other.display());
        return refuse(what, another_app(ground));
    }
    let unlike = "is not as a setup has written it".to_owned();
    let look = Advice::by_root(&["cat", &shown]);
    if !before.texts_of(path).is_empty() {
        let flag = if path == ground.site.upstream_file { "--print-upstream" } else { "--print-site" };
        let print = Advice::call(&ground.site, "bg-switch", &[flag]);
        return refuse(unlike, format!("add to it by hand what it lacks of what this prints: {print}"));
    }
    if ground.read.iter().any(|read| read == path) && says_something(path) {
        let what = format!("{unlike}, and nginx reads it");
        return refuse(what, format!("{}; or look at what it is: {look}", another_app(ground)));
    }
    let away = Advice::by_root(&["mv", &shown, &format!("{shown}.old")]);
    refuse(unlike, format!("keep what you need of it, and move it away: {away}"))
}

/// How this setup gets files of its own.
fn another_app(ground: &Ground) -> String {
    if ground.has_file {
        let name = Setting::App.variable();
        return format!("give this application another name, by {name} in {}", ground.file.display());
    }
    let name = format!("{}2", ground.site.app);
    format!("give another --app: {}", Advice::again(&ground.site, &[("--app", Some(&name))]))
}

/// Whether there is more than comments in it. What is not understood, as Lua, is.
fn says_something(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).ok();
    text.and_then(|text| conf::parse(&text).ok()).is_none_or(|directives| !directives.is_empty())
}
