//! A switch that was cut short.
//!
//! In the reload form there is a moment in which the upstream file names the new slot and nginx still serves
//! the old one. A bg-switch that is killed in it would leave two witnesses that disagree, and nobody could go on. So
//! before that moment it writes down what it is about to do, and the next stage, under the same lock, puts the file
//! back to what nginx serves.

use crate::live::front::{Answer, FRONT_WITHIN, Front};
use crate::nginx::upstream::{Upstream, reload};
use crate::os::deadline::Deadline;
use crate::os::folder::ensure_file;
use crate::os::owner::is_trusted;
use crate::os::replace;
use crate::say::exit::Exit;
use crate::site::advice::Advice;
use crate::site::dir::Dir;
use crate::site::route::Route;
use crate::site::settings::Site;
use crate::site::slot::{Name, Slot};
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the front must name one slot: nginx lets both generations of workers take connections for 100 ms.
pub const OVERLAP: Duration = Duration::from_millis(250);

/// How long nginx may take to read its configuration after a reload was sent: with a thousand TLS sites it is 2.5 s.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// How long the front may be unsteady after that.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// That a note can't be understood: it is not known which switch was cut short, if any.
#[derive(Debug)]
struct Damaged(String);

impl Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damaged {}

/// A switch in the reload form that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The slot nginx served when it began, if the file said so.
    pub from: Option<String>,
    /// The slot it was to serve.
    pub to: String,
    /// The text of the upstream file when it began; `None` where there was none.
    pub before: Option<String>,
    /// Whether it changes the form of the file and not the slot.
    #[serde(default)]
    pub is_conversion: bool,
}

impl Pending {
    /// The switch that was begun in this folder and not ended; `None` where none was.
    ///
    /// # Errors
    /// When the note is there but can't be read or understood, or is neither root's nor this user's: its text
    /// would become nginx's configuration.
    pub fn of(site: &Site) -> Result<Option<Pending>> {
        Ok(Pending::noted(site)?.filter(|pending| !pending.asks_for_nothing()))
    }

    /// The note as it stands there.
    fn noted(site: &Site) -> Result<Option<Pending>> {
        let path = note(&site.dir);
        ensure_file(&path)?;
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
        };
        let read = || format!("read {}", path.display());
        let meta = file.metadata().with_context(read)?;
        if !is_trusted(&meta) {
            let uid = meta.uid();
            return Err(Exit::Refused.refuse(
                format!("{} is another user's (uid {uid}): a switch of theirs was cut short", path.display()),
                // Nothing is moved by it: the next program with the lock ends what was begun.
                format!("end it as that user: {}", Advice::call_by(uid, site, "bg-launch", &["--live"])),
            ));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(read)?;
        let text = String::from_utf8_lossy(&bytes);
        Pending::parse(&text)
            .map(Some)
            .map_err(|why| Damaged(format!("{} is damaged ({why:#})", path.display())).into())
    }

    /// Why there is a note in this folder that can't be understood; `None` where it can, and where there is none.
    #[must_use]
    pub fn damage(site: &Site) -> Option<String> {
        Pending::of(site).err()?.downcast_ref::<Damaged>().map(ToString::to_string)
    }

    /// Understands the text of a note.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Pending> {
        serde_json::from_str(text).map_err(|e| anyhow!(crate::say::quoted(&e.to_string())))
    }

    /// Whether there is nothing to be done about it: whichever text nginx has read, it is the same slot's. A first deploy
    /// that no front has proved leaves such a note.
    fn asks_for_nothing(&self) -> bool {
        !self.is_conversion && self.from.as_deref() == Some(self.to.as_str())
    }

    /// Whether it moves nginx between these two slots, one way or, where it is being undone, the other.
    #[must_use]
    pub fn is_between(&self, one: &Name, other: &Name) -> bool {
        let is_end = |name: &Name| self.to == name.as_str() || self.from.as_deref() == Some(name.as_str());
        !self.is_conversion && is_end(one) && is_end(other)
    }

    /// Writes down that it begins.
    ///
    /// # Errors
    /// When that can't be written; nothing must be switched then.
    pub fn begin(&self, dir: &Dir) -> Result<()> {
        // Others may read it: where root was cut short, a user's next stage has to know.
        replace::own_file(&note(dir), serde_json::to_string(self)?.as_bytes(), 0o644)
    }

    /// Forgets it: file and nginx agree again.
    ///
    /// # Errors
    /// When the note can't be removed.
    pub fn end(dir: &Dir) -> Result<()> {
        replace::remove(&note(dir))
    }

    /// Puts the upstream file back to what it was before.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn undo(&self, site: &Site) -> Result<()> {
        match &self.before {
            Some(text) => replace::file(&site.upstream_file, text.as_bytes(), 0o644),
            None => replace::remove(&site.upstream_file),
        }
    }
}

/// Brings file and nginx together again where a switch was cut short, or its undoing; to be called with the lock held.
/// What was done about it, in words. Where the front can't name the slot that nginx serves, everything stays as it is.
///
/// # Errors
/// When the note or the file can't be read or written.
pub fn settle(site: &Site) -> Result<Option<String>> {
    if let Some(what) = Pending::damage(site) {
        return drop_damaged(site, &what).map(Some);
    }
    let Some(pending) = Pending::noted(site)? else { return Ok(None) };
    if pending.asks_for_nothing() {
        return Pending::end(&site.dir).map(|()| None);
    }
    // Either form sends to the same slot: nobody is misled, and only bg-switch can have nginx read it again.
    if pending.is_conversion {
        return Ok(None);
    }
    let Some(front) = Front::of(site)? else { return Ok(None) };
    let Some(serving) = pending.steady(site, &front)? else { return Ok(None) };
    pending.agree(site, &serving)?;
    // Only applications look at it in this form, and a switch says where it can't be moved.
    let _ = Route::whole(&site.slots, &serving).tell(&site.dir, &site.slots, &site.app);
    Pending::end(&site.dir)?;
    Ok(Some(format!(
        "an earlier switch to {} was cut short; nginx serves {serving}, and {} says so",
        pending.to,
        site.upstream_file.display()
    )))
}

/// Drops a note that can't be understood, where nothing is at stake: nginx serves the slot that its file points at.
fn drop_damaged(site: &Site, what: &str) -> Result<String> {
    let served = Front::of(site)?.map(|front| front.ask(FRONT_WITHIN));
    let Some(file) = file_says(site).filter(|file| served == Some(Answer::Slot(file.clone()))) else {
        return Err(unknown_switch(site, what));
    };
    Pending::end(&site.dir)?;
    Ok(format!("{what}; nginx serves {file}, and {} says so: the note was removed", site.upstream_file.display()))
}

/// The refusal where it is not known which switch was cut short.
pub(crate) fn unknown_switch(site: &Site, what: &str) -> anyhow::Error {
    let [one, other] = site.slots.both();
    let to = |slot: &Slot| Advice::call(site, "bg-switch", &["--to", slot.name.as_str()]);
    Exit::Unsure.refuse(
        format!("{what}, as after a full disk or by an editor: an earlier switch may have been cut short. Nothing was touched"),
        format!("choose the slot that serves, and end it by hand with: {}; or: {}", to(one), to(other)),
    )
}

impl Pending {
    /// The slot that the front names without a change for longer than nginx lets two configurations serve at once.
    /// Unless that is what was to be reached, the switch may have told nginx to read the file right before it was killed,
    /// so nginx must have had the time for that.
    fn steady(&self, site: &Site, front: &Front) -> Result<Option<Slot>> {
        let read = Deadline::within(READ_WITHIN.saturating_sub(age(&site.dir)));
        let mut steady: Option<(Slot, Instant)> = None;
        let seen = Deadline::within(READ_WITHIN + SETTLED_WITHIN).poll(ASK_EVERY, || {
            let slot = match front.ask(FRONT_WITHIN) {
                Answer::Slot(slot) => slot,
                Answer::Limited(_) => return Ok(None),
                Answer::NoSlot(_) => return Ok(Some(None)),
            };
            let is_reached = slot.name.as_str() == self.to && file_says(site).as_ref() == Some(&slot);
            let was_read = is_reached || read.is_over();
            match &steady {
                Some((same, since)) if *same == slot => {
                    Ok((since.elapsed() >= OVERLAP && was_read).then_some(Some(slot)))
                }
                Some(_) | None => {
                    steady = Some((slot, Instant::now()));
                    Ok(None)
                }
            }
        })?;
        Ok(seen.flatten())
    }

    /// Makes the upstream file name the slot that nginx serves, in the words it had before where they do so.
    fn agree(&self, site: &Site, serving: &Slot) -> Result<()> {
        if file_says(site).as_ref() == Some(serving) {
            return Ok(());
        }
        let before = self.before.clone().and_then(|text| Upstream::parse(text).ok());
        let text = match (before, Upstream::read(&site.upstream_file)) {
            (Some(before), _) if before.points_at(site).as_ref() == Some(serving) => before.text,
            (_, Ok(file)) | (Some(file), Err(_)) => file.moved_to(site, serving)?,
            (None, Err(_)) => reload::text(site, serving),
        };
        replace::file(&site.upstream_file, text.as_bytes(), 0o644)
    }
}

fn file_says(site: &Site) -> Option<Slot> {
    Upstream::read(&site.upstream_file).ok()?.points_at(site)
}

/// How long ago the note was written; none where the clock was put back since.
fn age(dir: &Dir) -> Duration {
    let written = std::fs::metadata(note(dir)).and_then(|meta| meta.modified());
    written.ok().and_then(|written| written.elapsed().ok()).unwrap_or_default()
}

fn note(dir: &Dir) -> PathBuf {
    dir.root().join("switching.json")
}
