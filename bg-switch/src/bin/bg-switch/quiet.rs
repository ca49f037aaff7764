//! Telling a release that it is not the live one any more, or that it is again, by a signal.

use anyhow::Result;
use bg_probe::os::told_signal::ToldSignal;
use bg_probe::say::Voice;
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};
use serde::Serialize;

/// The signals that were asked for.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Quiet {
    /// Tell the old release by this signal that all visitors have gone, TSTP for Sidekiq; only a process that has a
    /// handler for it gets it
    #[arg(long, env = "BG_SWITCH_QUIET_OLD", value_name = "SIGNAL")]
    quiet_old: Option<ToldSignal>,
    /// Tell a release that was quieted so, and is live again, by this signal
    #[arg(long, env = "BG_SWITCH_QUIET_NEW", value_name = "SIGNAL")]
    quiet_new: Option<ToldSignal>,
}

/// What was told, for the record.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_old: Option<ToldSignal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_new: Option<ToldSignal>,
}

impl Quiet {
    /// The same as flags, for a process that tells them later.
    pub(crate) fn words(self) -> impl Iterator<Item = String> {
        let signals = [("quiet-old", self.quiet_old), ("quiet-new", self.quiet_new)];
        signals.into_iter().filter_map(|(flag, signal)| Some(format!("--{flag}={}", signal?)))
    }

    /// Tells both releases, the old one first: so there are never two at work. nginx has moved, so what fails is a warning.
    pub(crate) fn tell(self, site: &Site, live: &Slot, voice: Voice) -> Told {
        let old = site.slots.other(&live.name);
        let quiet_old = self.quiet_old.and_then(|signal| aloud(old, signal, quieted(site, &old.name, signal), voice));
        Told { quiet_old, quiet_new: self.wake(site, live, voice) }
    }

    fn wake(self, site: &Site, live: &Slot, voice: Voice) -> Option<ToldSignal> {
        let launched = Launched::of(&site.dir, &live.name).ok().flatten()?;
        let before = launched.quieted?;
        let Some(signal) = self.quiet_new else {
            voice.warn(&format!(
                "{live} serves, and an earlier switch has quieted its release by {before}, which nothing undoes: name the \
                 signal that does with --quiet-new, or deploy it anew"
            ));
            return None;
        };
        let told = hearers(&launched, signal).and_then(|pids| {
            signal.send(pids.as_deref().unwrap_or_default())?;
            Launched { quieted: None, ..launched }.write_down(&site.dir, &live.name).map(|()| pids)
        });
        aloud(live, signal, told, voice)
    }
}

/// Quiets what runs in a slot. It is written down before: a release that was told and is not known to be would stay quiet for
/// ever, and one that is not told yet is told by the next switch.
fn quieted(site: &Site, slot: &Name, signal: ToldSignal) -> Result<Option<Vec<i32>>> {
    let Some(launched) = Launched::of(&site.dir, slot)? else { return Ok(None) };
    let Some(pids) = hearers(&launched, signal)? else { return Ok(None) };
    if !pids.is_empty() {
        Launched { quieted: Some(signal), ..launched }.write_down(&site.dir, slot)?;
        signal.send(&pids)?;
    }
    Ok(Some(pids))
}

/// Who is told; `None` where nothing of a launch runs.
fn hearers(launched: &Launched, signal: ToldSignal) -> Result<Option<Vec<i32>>> {
    let Some(leader) = launched.running() else { return Ok(None) };
    Ok(Some(signal.hearers(leader.pid, &family::led(launched)?)))
}

/// Says who was told; the signal, where anybody was.
fn aloud(slot: &Slot, signal: ToldSignal, told: Result<Option<Vec<i32>>>, voice: Voice) -> Option<ToldSignal> {
    match told {
        Ok(None) => None,
        Ok(Some(pids)) if pids.is_empty() => {
            voice.warn(&format!(
                "{slot} was not told {signal}, for nothing there has a handler for it, and it would end by it"
            ));
            None
        }
        Ok(Some(pids)) => {
            let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
            voice.done("quiet", &format!("{slot} was told {signal}, pid {}", pids.join(", ")), None);
            Some(signal)
        }
        Err(why) => {
            voice.warn(&format!("{slot} was not told {signal}: {why:#}"));
            None
        }
    }
}
