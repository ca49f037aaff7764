//! The occupant of a slot: what bg-launch has started there, and any other process that holds its port.

use anyhow::Result;
use bg_launch::session::{Stopped, stop_each, wait, wait_aloud};
use bg_launch::{Grace, is_there, members};
use bg_probe::live::last_look::is_named;
use bg_probe::live::whose::Other;
use bg_probe::os::port;
use bg_probe::os::process::{Process, Stat, command_line, owner_of, pids};
use bg_probe::say::exit::Exit;
use bg_probe::say::{self, Voice};
use bg_probe::site::advice::Advice;
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::place;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a port may stay taken after its process is gone.
const FREE_WITHIN: Duration = Duration::from_secs(5);

/// The processes in a slot.
pub(crate) struct Occupant<'a> {
    slot: &'a Slot,
    /// The last launch there, if any of it is left.
    ours: Option<Launched>,
    /// What the last launch has left outside its session, where its own process is gone.
    strays: Vec<Process>,
    /// Processes that bg-launch did not start and that hold the port.
    strangers: Vec<Process>,
}

impl<'a> Occupant<'a> {
    /// Looks into a slot. With `adopt`, processes of the same user that bg-launch did not start are taken over. With `thorough`,
    /// what the last launch has left outside its session is looked for among all processes, and else on the port alone.
    ///
    /// # Errors
    /// [`Exit::Unsure`] when a process holds the port that may not be stopped.
    pub(crate) fn of(site: &Site, slot: &'a Slot, adopt: bool, thorough: bool) -> Result<Occupant<'a>> {
        let launched = Launched::of(&site.dir, &slot.name)?;
        let is_ours = launched.as_ref().map(is_there).transpose()?.unwrap_or(false);
        let (ours, gone) = if is_ours { (launched, None) } else { (None, launched) };
        let sockets = slot.listeners()?;
        let others = others(ours.as_ref(), &sockets)?;
        let strays = strays(site, gone.as_ref(), slot, &others, thorough)?;
        // A process that began after our launch came with it (a container's proxy). It should end with it, and is
        // looked for again after that.
        let since = ours.as_ref().and_then(began);
        let came_with = |pid: &i32| {
            let started = Stat::of(*pid).map(|stat| stat.start_ticks);
            since.is_some_and(|since| started >= Some(since)) && Other::is(site, *pid).is_none()
        };
        let unseen = !sockets.is_empty() && others.is_empty() && ours.is_none();
        let strangers: Vec<i32> = others.into_iter().filter(|pid| !came_with(pid) && !strays.contains(pid)).collect();
        if unseen || !strangers.is_empty() {
            ensure_adoptable(site, slot, &strangers, adopt)?;
        }
        let known = |pids: Vec<i32>| pids.into_iter().filter_map(Process::with_pid).collect();
        Ok(Occupant { slot, ours, strays: known(strays), strangers: known(strangers) })
    }

    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.ours.is_none() && self.strays.is_empty() && self.strangers.is_empty()
    }

    /// Waits, `within` at most, until no connection to the slot is left.
    ///
    /// # Errors
    /// When the kernel's list of connections can't be read.
    pub(crate) fn drain(&self, within: Duration, voice: Voice) -> Result<()> {
        // To count connections is a walk through all that the machine has: where nobody waits, it is done once, at the stop.
        if !self.is_empty() && !within.is_zero() {
            wait_aloud(within, voice, |left| waiting(self.slot, left), || Ok(self.slot.connections()? == 0))?;
        }
        Ok(())
    }

    /// Stops every process there, and waits until the port is free. What was done, in words;
    /// `None` where nothing was there.
    ///
    /// # Errors
    /// When they can't be stopped, or the port is not free afterwards.
    pub(crate) fn stop(&self, grace: Grace) -> Result<Option<String>> {
        let cut = self.slot.connections()?;
        let mut stopped = Vec::new();
        if let Some(ours) = &self.ours {
            let who = ours.unit.as_ref().map_or_else(|| format!("pid {}", ours.process.pid), ToString::to_string);
            stopped.push(in_words(&who, bg_launch::stop(ours, grace)?, grace.of(ours)));
        }
        for (pids, what) in [(&self.strays, "that had gone into the background"), (&self.strangers, "(adopted)")] {
            if !pids.is_empty() {
                let numbers: Vec<String> = pids.iter().map(|process| process.pid.to_string()).collect();
                let who = format!("pid {} {what}", numbers.join(", "));
                stopped.push(in_words(&who, stop_each(pids, grace)?, grace));
            }
        }
        if !wait(FREE_WITHIN, || Ok(self.slot.listeners()?.is_empty()))? {
            let held = held(self.slot, &self.slot.holders()?);
            let what = format!("{held}, still or again; so far: {}", stopped.join(", "));
            return Err(Exit::Unsure.refuse(what, "find out what starts it again, and stop that"));
        }
        if stopped.is_empty() {
            return Ok(None);
        }
        let cut = match cut {
            0 => String::new(),
            1 => "; 1 connection was cut".to_owned(),
            many => format!("; {many} connections were cut"),
        };
        Ok(Some(format!("{} in {}{cut}", stopped.join(", "), self.slot.name)))
    }
}

/// The processes that hold these sockets, but for those of our launch. Who else holds them is looked for among all processes
/// only where our leader alone does not hold them all, and its family neither.
fn others(ours: Option<&Launched>, sockets: &BTreeSet<u64>) -> Result<Vec<i32>> {
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let leader = ours.and_then(Launched::running).map(|process| process.pid);
    if port::hold_all(leader.as_slice(), sockets) {
        return Ok(Vec::new());
    }
    let led = ours.map(family::led).transpose()?.unwrap_or_default();
    if port::hold_all(&led, sockets) {
        return Ok(Vec::new());
    }
    let family = ours.map(members).transpose()?.unwrap_or_default();
    if port::hold_all(&family, sockets) {
        return Ok(Vec::new());
    }
    Ok(port::holders(sockets)?.into_iter().filter(|pid| !family.contains(pid)).collect())
}

/// What a launch whose own process is gone has left outside its session, of these processes or of all. Of a unit it is
/// systemd that ends everything.
fn strays(site: &Site, gone: Option<&Launched>, slot: &Slot, others: &[i32], thorough: bool) -> Result<Vec<i32>> {
    let Some(gone) = gone.filter(|gone| gone.unit.is_none()) else { return Ok(Vec::new()) };
    let all = if thorough { pids()? } else { others.to_vec() };
    let mut strays = family::strays(&all, slot, &gone.process, &gone.release);
    strays.retain(|pid| place::is_in(&site.dir, *pid, slot.name.as_str(), &gone.release) != Some(false));
    Ok(strays)
}

/// The start of a launch, in clock ticks since boot; that of its process where a unit's is not written down yet.
fn began(ours: &Launched) -> Option<u64> {
    match ours.process.start_ticks {
        0 => Some(ours.running()?.start_ticks),
        ticks => Some(ticks),
    }
}

/// What is waited for while the slot is drained.
fn waiting(slot: &Slot, within: Duration) -> String {
    let count = match slot.connections() {
        Ok(1) => "1 connection".to_owned(),
        Ok(many) => format!("{many} connections"),
        Err(_) => "connections".to_owned(),
    };
    format!("waiting for {count} on {}, up to {}", slot.port, say::seconds(within))
}

fn in_words(who: &str, how: Stopped, Grace { signal, within, .. }: Grace) -> String {
    match how {
        Stopped::WasGone | Stopped::Ended => format!("stopped {who}"),
        Stopped::Killed => {
            format!("killed {who}, which SIG{signal} had not ended within {}", say::seconds(within))
        }
    }
}

fn is_same_user(pid: i32) -> bool {
    owner_of(pid) == Some(nix::unistd::geteuid().as_raw())
}

/// The command that stops these.
fn kill(pids: &[i32]) -> Advice {
    let words: Vec<String> = std::iter::once("kill".to_owned()).chain(pids.iter().map(i32::to_string)).collect();
    let owner = pids.first().and_then(|pid| owner_of(*pid)).unwrap_or(0);
    Advice::by_owner(owner, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Refuses to take over processes that bg-launch did not start, unless that is asked for and can do no harm.
fn ensure_adoptable(site: &Site, slot: &Slot, strangers: &[i32], adopt: bool) -> Result<()> {
    if let Some(other) = strangers.iter().find_map(|pid| Other::is(site, *pid)) {
        return Err(launched_elsewhere(site, slot, &other));
    }
    let (why, remedy) = if strangers.is_empty() {
        let look = Advice::call_by(0, site, "bg-probe", &["--format", "table"]);
        ("", format!("see as root who it is, and stop it: {look}"))
    } else if !adopt {
        let adopt = Advice::again_with(site, "launch", "adopt", None);
        ("", format!("stop it: {}; or let bg-launch take it over: {adopt}", kill(strangers)))
    } else if !strangers.iter().all(|pid| is_same_user(*pid)) {
        (". It belongs to another user", format!("stop it: {}; or run this as that user", kill(strangers)))
    } else if belong_to(site, site.slots.other(&slot.name), strangers)? {
        (
            ". It is the other slot's, too, and may be what serves",
            "give the slots ports that only one of them listens on".to_owned(),
        )
    } else if is_named(site, slot)? {
        let away = Advice::call(site, "bg-switch", &["--to", site.slots.other(&slot.name).name.as_str()]);
        (". It is what nginx serves, or is set to", format!("move nginx to the other slot first: {away}"))
    } else {
        return Ok(());
    };
    let held = held(slot, strangers);
    Err(Exit::Unsure.refuse(format!("{held}, which bg-launch did not start. Nothing was touched{why}"), remedy))
}

/// The refusal of a process that bg-launch has started from another folder, also with `--adopt`, which is for processes
/// that nobody looks after.
fn launched_elsewhere(site: &Site, slot: &Slot, other: &Other) -> anyhow::Error {
    let (held, app) = (held(slot, &[other.pid]), say::quoted(&other.marks.app));
    Exit::Unsure.refuse(
        format!("{held}, which bg-launch started for {app} from another folder. Nothing was touched"),
        format!(
            "give {} other --slots, or the --dir it was launched from; if it serves nobody: {}",
            site.app,
            kill(&[other.pid])
        ),
    )
}

/// Whether any of these processes was launched in `slot`, or holds its port as well: as a management port, for example.
fn belong_to(site: &Site, slot: &Slot, pids: &[i32]) -> Result<bool> {
    let launched = Launched::of(&site.dir, &slot.name)?;
    let family = launched.as_ref().map(members).transpose()?.unwrap_or_default();
    Ok(pids.iter().any(|pid| family.contains(pid)) || slot.is_held_by(pids)?)
}

/// The port of a slot, and who holds it, for messages.
pub(crate) fn held(slot: &Slot, holders: &[i32]) -> String {
    let who: Vec<String> = holders.iter().map(|pid| format!("pid {pid} ({})", command_line(*pid))).collect();
    let who = if who.is_empty() { "a process that this user may not see".to_owned() } else { who.join(", ") };
    format!("{} is held by {who}", slot.its_port())
}
