//! Whether what is given is another release than the one that is live: another artifact, or started in another way.
//!
//! A job that is run twice, and a host that has the release already, need no launch: it would put the release to go back to
//! out of its slot, for the same one that serves.

use crate::release::Release;
use crate::release::copy::digest_of;
use crate::release::given::Given;
use crate::start::facts;
use crate::start::mode::{Mode, Via, Wish};
use crate::start::surroundings::Surroundings;
use anyhow::{Context, Result};
use bg_launch::Launch;
use bg_launch::replaced::Replaced;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::last_look::ensure_not_live_by;
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::record::Record;
use bg_probe::say::stdout::print;
use bg_probe::say::{Voice, clean};
use bg_probe::site::advice::Advice;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Slot;
use bg_probe::site::unserved;
use bg_probe::site::visitor::NUMBERS;
use serde_json::json;

/// Why what is given is another release where none is live.
const NONE_LIVE: &str = "nothing that bg-launch has started is live";

/// What is given, and what is live.
pub(crate) struct Comparison {
    /// The SHA-256 of the artifact that is given, if one is.
    sha256: Option<String>,
    live: Option<Live>,
    /// What differs, in words; `None` where nothing does.
    why: Option<String>,
}

/// What is live and runs.
struct Live {
    slot: Slot,
    release: Release,
    launch: Launch,
}

impl Comparison {
    /// Compares what is given with what is live in the record. What a command alone starts is not known, so it is another one.
    ///
    /// # Errors
    /// When the artifact can't be read, or the command is none.
    pub(crate) fn of(given: &Given, wish: &Wish, record: &Record) -> Result<Comparison> {
        let artifact = given.artifact()?;
        let sha256 = artifact.map(|path| digest_of(path).with_context(|| path.display().to_string())).transpose()?;
        Comparison::with(sha256, given, wish, record)
    }

    /// The same with what is live at this moment: by an old record another release may be taken for it.
    ///
    /// # Errors
    /// Those of [`Comparison::of`]; [`bg_probe::say::exit::Exit::Unsure`] where another slot serves by now, or both do.
    pub(crate) fn now(given: &Given, wish: &Wish, record: &Record) -> Result<Comparison> {
        let (site, comparison) = (&record.site, Comparison::of(given, wish, record)?);
        let Some(then) = &comparison.live else { return Ok(comparison) };
        let verdict = live(site, By::Both, FRONT_WITHIN)?;
        if verdict.share_of(&then.slot) == NUMBERS {
            return Ok(comparison);
        }
        ensure_not_live_by(&verdict, site, &record.slot)?;
        Ok(Comparison { live: None, why: Some(NONE_LIVE.to_owned()), ..comparison })
    }

    /// The same with the digest of the artifact known.
    ///
    /// # Errors
    /// When the command is none.
    pub(crate) fn with(sha256: Option<String>, given: &Given, wish: &Wish, record: &Record) -> Result<Comparison> {
        let live = Live::of(record);
        let why = match &live {
            None => Some(NONE_LIVE.to_owned()),
            Some(live) => live.difference(sha256.as_ref(), given, wish, record)?,
        };
        Ok(Comparison { sha256, live, why })
    }

    /// Whether what is given is live.
    pub(crate) fn is_same(&self) -> bool {
        self.why.is_none()
    }

    /// What is live, where that is what is given; says so.
    pub(crate) fn same(self, voice: Voice) -> Option<(Slot, Launch)> {
        let (live, why) = (self.live?, self.why);
        if let Some(why) = why {
            voice.detail(&format!("another release than the live one: {why}"));
            return None;
        }
        let words = format!("{} is live in {} already; nothing was changed", named(&live.release), live.slot);
        voice.done("launch", &words, None);
        Some((live.slot, Launch { unchanged: true, ..live.launch }))
    }

    /// Warns where it is the same, and is about to take the place of the release to go back to.
    pub(crate) fn warn(&self, record: &Record, voice: Voice) {
        let (None, Some(live)) = (&self.why, &self.live) else { return };
        let (dir, slot) = (&record.site.dir, &record.slot);
        let what = format!("{} is live in {} already, started in the same way", named(&live.release), live.slot);
        let before = Replaced::by_what_comes_into(dir, &slot.name);
        let before = before.release().filter(|name| !unserved::is(dir, name));
        let before = before.and_then(|name| Release::ours(dir, name).ok());
        match before.filter(|before| before.sha256 != self.sha256) {
            Some(before) => {
                let back = Advice::call(&record.site, "bg-deploy", &["--rollback", "--to", &before.name]);
                voice.warn(&format!(
                    "{what}: it takes the place of {} in {slot}, to which a --rollback went; that stays on disk, and is reached by: {back}",
                    named(&before)
                ));
            }
            None => voice.warn(&format!("{what}; with --if-changed nothing would be launched")),
        }
    }

    /// Prints it as JSON.
    ///
    /// # Errors
    /// When stdout is closed or full.
    pub(crate) fn print(&self) -> Result<()> {
        let from = self.live.as_ref().map(|live| {
            json!({ "slot": live.slot.name.as_str(), "release": live.release.name, "sha256": live.release.sha256 })
        });
        let line = json!({
            "changed": self.why.is_some(),
            "why": self.why,
            "from": from,
            "to": { "sha256": self.sha256 },
        });
        print(&format!("{line}\n"))
    }
}

impl Live {
    /// The release that is live in a record, where bg-launch has started what runs there.
    fn of(record: &Record) -> Option<Live> {
        let (dir, slot) = (&record.site.dir, record.live.clone()?);
        let release = Release::in_slot(dir, &slot.name).ok()??;
        let last = Launched::of(dir, &slot.name).ok()??;
        let process = last.running().filter(|_| last.release == release.name)?;
        let launch = facts(&last, process, Some(&release), true);
        Some(Live { slot, release, launch })
    }

    /// What differs from what is given, in words. No value of a variable is among them.
    fn difference(
        &self,
        sha256: Option<&String>,
        given: &Given,
        wish: &Wish,
        record: &Record,
    ) -> Result<Option<String>> {
        let dir = &record.site.dir;
        let Some(sha256) = sha256 else { return Ok(Some("a command alone does not tell what it starts".to_owned())) };
        if self.release.sha256.as_ref() != Some(sha256) {
            return Ok(Some("the artifact".to_owned()));
        }
        let template = given.template(given.artifact()?)?;
        if template != self.release.template || given.companion()? != self.release.companion {
            return Ok(Some("the command".to_owned()));
        }
        let mode = Mode::of(wish, None)?;
        let is_unit = mode.via == Via::Systemd;
        if is_unit != self.launch.unit.is_some() {
            return Ok(Some("whether systemd looks after it".to_owned()));
        }
        let last = Launched::of(dir, &self.slot.name)?;
        let surroundings = Surroundings::of_this_process(&mode);
        if mode.user.map(|user| user.name) != last.and_then(|last| last.user) {
            return Ok(Some("the user it runs as".to_owned()));
        }
        match surroundings.differing(dir, &self.release.name, &self.slot.name) {
            Ok(names) if names.is_empty() => Ok(None),
            Ok(names) => Ok(Some(format!("the environment: {}", clean(&names.join(" "))))),
            Err(why) => Ok(Some(format!("{why:#}"))),
        }
    }
}

/// A release by its file and its name.
fn named(release: &Release) -> String {
    let file = release.artifact.as_deref().and_then(|path| path.file_name());
    file.map_or_else(|| format!("release {}", release.name), |file| clean(&file.to_string_lossy()))
}
