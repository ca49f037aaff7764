//! The application that a folder belongs to: `DIR/app` remembers it.
//!
//! A settings file that was copied, and in which only the name was changed, has the folder of the first application.
//! Without a memory the second one would stop the first one's way back and take its visitors.

use crate::os::replace;
use crate::say::exit::Exit;
use crate::say::quoted;
use crate::site::dir::Dir;
use crate::site::launched::Launched;
use crate::site::marks::Marks;
use crate::site::past;
use crate::site::settings::Site;
use crate::site::slot::{Name, Slot};
use anyhow::Result;
use std::io::Read;
use std::path::Path;

/// Longer than any name, with its newline.
const MOST_NAME: u64 = 64;

/// Refuses the folder of another application.
///
/// # Errors
/// [`Exit::Unsure`], with how to go on.
pub fn ensure(site: &Site) -> Result<()> {
    let (dir, app) = (site.dir.root().display(), &site.app);
    match of(site).filter(|other| other != app.as_str()) {
        None => Ok(()),
        Some(other) => Err(Exit::Unsure.refuse(
            format!(
                "{dir} is the folder of {other}, and these settings are for {app}: were they copied? Nothing was touched"
            ),
            format!(
                "give {app} a --dir, --slots and an --upstream-file of its own, or --app {other}; if {other} is called \
                 {app} now: echo {app} >{}",
                shell_words::quote(&site.dir.app().to_string_lossy())
            ),
        )),
    }
}

/// Writes the application into the folder; to be called with the lock held. A disk that is full is no reason to leave
/// a switch undone: a later run writes it.
pub fn remember(site: &Site) {
    if written(&site.dir).as_deref() != Some(site.app.as_str()) {
        let _ = replace::file(&site.dir.app(), format!("{}\n", site.app).as_bytes(), 0o644);
    }
}

/// Whether a folder says that it is this application's.
#[must_use]
pub fn is_of(folder: &Path, app: &Name) -> bool {
    written(&Dir::new(folder.to_owned())).as_deref() == Some(app.as_str())
}

/// The application of the folder; `None` where nothing names one, and where nothing was ever put into it: a mistyped
/// name in a first run that was refused takes no folder. A folder without `DIR/app` is that of its last deploy, or of
/// what runs in it.
fn of(site: &Site) -> Option<String> {
    let is_used = ["slots", "releases", "routes"].iter().any(|name| site.dir.root().join(name).exists());
    written(&site.dir).filter(|_| is_used).or_else(|| deployed(&site.dir)).or_else(|| running(site))
}

fn written(dir: &Dir) -> Option<String> {
    let mut text = String::new();
    past::open(&dir.app())?.take(MOST_NAME).read_to_string(&mut text).ok()?;
    // What is no name is damaged, and names nobody: the next deploy writes it anew.
    Some(text.trim().to_owned()).filter(|name| name.parse::<Name>().is_ok())
}

/// By the last deploy in the history that was done: one that failed may be the very mistake.
fn deployed(dir: &Dir) -> Option<String> {
    past::done(dir).find_map(|record| Some(quoted(record["app"].as_str()?)))
}

fn running(site: &Site) -> Option<String> {
    let marks = |slot: &Slot| {
        let launched = Launched::of(&site.dir, &slot.name).ok()??;
        let marks = Marks::of(launched.running()?.pid)?;
        (marks.release == launched.release).then(|| quoted(&marks.app))
    };
    site.slots.both().iter().find_map(marks)
}
