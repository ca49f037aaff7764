//! The refusals and warnings of a verdict: where the witnesses leave a doubt, nobody guesses.

use crate::live::front::LIMITED;
use crate::live::pending::{Pending, unknown_switch};
use crate::live::witnesses::Heard;
use crate::nginx::upstream::{Form, Upstream};
use crate::say::exit::{Exit, OrExit};
use crate::site::advice::Advice;
use crate::site::settings::Site;
use crate::site::slot::Slot;
use anyhow::Result;

/// Refuses to go by the file while a switch is cut short: nobody knows then whether nginx has read it.
///
/// # Errors
/// [`Exit::Unsure`].
pub(super) fn ensure_not_cut_short(site: &Site, heard: &Heard) -> Result<()> {
    if let Some(what) = Pending::damage(site) {
        return Err(unknown_switch(site, &what));
    }
    let pending = Pending::of(site).or_exit(Exit::Unsure)?;
    let Some(pending) = pending.filter(|pending| !pending.is_conversion) else { return Ok(()) };
    let [one, other] = site.slots.both();
    let limited = if heard.is_refused() { format!(" ({LIMITED})") } else { String::new() };
    Err(Exit::Unsure.refuse(
        format!(
            "an earlier switch to {} was cut short, and no front says which slot nginx serves{limited}: nothing was touched",
            pending.to
        ),
        format!("choose one that serves, and end it by hand with: {}; or: {}", move_to(site, one), move_to(site, other)),
    ))
}

/// The front names a slot, and the file points at another one.
pub(super) fn disagreement(site: &Site, front: &Slot, file: &Slot) -> anyhow::Error {
    let form = Upstream::read(&site.upstream_file).map_or(Form::Reload, |upstream| upstream.form());
    Exit::Unsure.refuse(
        format!(
            "nginx and its file disagree: {} answers {front}, but {} points at {file}: {} (see nginx's error log). \
             {front} is serving, nothing was touched",
            site.front,
            site.upstream_file.display(),
            form.suspicion(),
        ),
        format!(
            "go on serving {front} with: {}; or move to {file} with: {}",
            move_to(site, front),
            move_to(site, file)
        ),
    )
}

/// The command by which nginx is moved to a slot by hand.
fn move_to(site: &Site, slot: &Slot) -> Advice {
    Advice::call(site, "bg-switch", &["--to", slot.name.as_str()])
}

/// Something serves, and neither the front nor the file can tell which slot it is; `file` is why the file can't.
pub(super) fn nobody_knows(site: &Site, front_said: Option<&str>, file: &str, listening: &[&Slot]) -> anyhow::Error {
    let front = front_said.map_or("the front was not asked".into(), |said| unnamed(site, said));
    let names: Vec<&str> = listening.iter().map(|slot| slot.name.as_str()).collect();
    let listen = if names.len() == 1 { "listens" } else { "listen" };
    Exit::Unsure.refuse(
        format!(
            "can't tell which slot is live: {front}, the upstream file {file}, and {} {listen}. Nothing was touched",
            names.join(" and ")
        ),
        format!(
            "if these are the settings of this application, make {} point at the slot that serves: {}",
            site.upstream_file.display(),
            listening.iter().map(|slot| move_to(site, slot).to_string()).collect::<Vec<_>>().join("; or: ")
        ),
    )
}

/// What the operator should know of a verdict that stands: the front named no slot, or the live one is down.
pub(super) fn warning(site: &Site, live: &Slot, front_said: Option<&str>, is_down: bool) -> Option<String> {
    let said =
        front_said.map(|said| format!("{}; {} points at {live}", unnamed(site, said), site.upstream_file.display()));
    let down = is_down.then(|| format!("{live} is live but nothing listens on its port"));
    match (said, down) {
        (Some(said), Some(down)) => Some(format!("{said}; {down}")),
        (said, down) => said.or(down),
    }
}

/// The live slot is down, and visitors are answered by the other one.
pub(super) fn stands_in(live: &Slot, other: &Slot) -> String {
    format!("{live} is live and down; {other} stands in for it")
}

/// The refusal to touch the slot that stands in.
pub(super) fn not_to_be_touched(site: &Site, live: &Slot, other: &Slot) -> anyhow::Error {
    Exit::Unsure.refuse(
        format!("{}: nothing in {other} may be touched", stands_in(live, other)),
        format!(
            "start {live} again with: {}; or let {other} be live with: {}",
            Advice::call(site, "bg-launch", &["--live"]),
            move_to(site, other)
        ),
    )
}

fn unnamed(site: &Site, front_said: &str) -> String {
    format!("no slot is named at {} ({front_said})", site.front)
}
