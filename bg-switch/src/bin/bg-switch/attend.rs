//! The end of a lingering: those who stayed with the old release are moved, by the process that was left behind for it or by
//! whoever asks for it.

use crate::linger::Linger;
use crate::means::Means;
use crate::switch::switch_under;
use anyhow::{Context, Result, bail};
use bg_probe::live::lingering::Lingering;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::detached::{GO, let_go};
use bg_probe::record::Record;
use bg_probe::site::holder::Errand;
use bg_probe::site::lock::{Lock, Wait};
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::NUMBERS;
use nix::unistd::setsid;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The pause between two looks at who still comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much longer than the proof may take the lock is held, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(10);

/// Is that process: waits until nobody has to stay any more, and moves them.
///
/// # Errors
/// When nobody lingers, or another process attends to it already; those of a switch.
pub(crate) fn attend(record: &Record, linger: Linger, means: &Means) -> Result<()> {
    setsid().context("setsid")?;
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().context("keep the socket")?);
    let_go(Some(socket.as_raw_fd()))?;
    let (site, voice) = (&record.site, means.voice);
    let lingering = Lingering::of(site).context("nobody stays with an old release")?;
    let Some(_mark) = lingering.attend()? else { bail!("another process attends to it") };
    socket.write_all(GO).context("report that it waits")?;
    drop(socket);
    voice.done("switch", &lingering.to_string(), None);

    let Some(why) = wait(site, &lingering, linger)? else { return Ok(()) };
    let most = means.within.saturating_add(SLACK);
    let errand = Errand::new(format!("moves who stayed with {}", lingering.old), most);
    let lock = Lock::take_on(site, Wait { within: Duration::MAX.into() }, voice, Some(errand))?;
    if Lingering::of(site).as_ref() != Some(&lingering) {
        return Ok(());
    }
    voice.done("switch", &format!("{}: {why}", lingering.ended()), None);
    let live = lingering.live.clone();
    switch_under(lock, Record::new(site.clone(), live.clone(), Some(live)), NUMBERS, None, means)
}

/// Waits until nobody has to stay; why not, in words, or `None` where somebody else has moved them meanwhile.
fn wait(site: &Site, lingering: &Lingering, linger: Linger) -> Result<Option<String>> {
    let idle = humantime::format_duration(linger.unless_idle);
    let mut last = Instant::now();
    // The clock may be set back meanwhile.
    let deadline = Deadline::within(linger.within.saturating_add(LOOK_EVERY));
    let look = || {
        if Lingering::of(site).as_ref() != Some(lingering) {
            return Ok(Some(None));
        }
        if lingering.old.was_visited()? {
            last = Instant::now();
        }
        Ok(match () {
            () if lingering.is_over() => Some(Some("the time is up".to_owned())),
            () if lingering.is_down() => Some(Some(format!("nothing listens in {}", lingering.old))),
            () if last.elapsed() >= linger.unless_idle => Some(Some(format!("nobody has come for {idle}"))),
            () => None,
        })
    };
    Ok(deadline.poll(LOOK_EVERY, look)?.unwrap_or_else(|| Some("the time is up".to_owned())))
}

/// Ends the lingering that goes on: all are moved, and the record is printed.
///
/// # Errors
/// Those of a switch.
pub(crate) fn end(site: Site, means: &Means) -> Result<()> {
    let nobody_does = || means.voice.done("switch", "nobody stays with an old release; nothing was changed", None);
    if site.dir.is_missing() {
        nobody_does();
        return Ok(());
    }
    let lock = Lock::take(&site, means.wait, means.voice)?;
    let Some(lingering) = Lingering::of(&site) else {
        nobody_does();
        return Ok(());
    };
    let live = lingering.live;
    switch_under(lock, Record::new(site, live.clone(), Some(live)), NUMBERS, None, means)
}
