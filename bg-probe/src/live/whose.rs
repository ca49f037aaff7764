//! The owner of what serves: this folder, another application's folder, or nobody who left marks.
//!
//! A settings file that was copied has the slots, the upstream file and the front of the first application: all that
//! the witnesses report is true, and of another site. What bg-launch has started carries its folder's marks, and the link
//! that the upstream file looks at is in a folder.

use crate::nginx::upstream::Upstream;
use crate::os::port;
use crate::os::process::command_line;
use crate::os::sudo::typed_with;
use crate::say::exit::Exit;
use crate::say::quoted;
use crate::site::advice::Advice;
use crate::site::folder_app;
use crate::site::launched::Launched;
use crate::site::marks::Marks;
use crate::site::settings::Site;
use crate::site::slot::Slot;
use anyhow::Result;
use std::path::Path;

/// A process on a slot's port that bg-launch has started from another folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its process id.
    pub pid: i32,
    /// The marks it carries.
    pub marks: Marks,
}

impl Other {
    /// What a process is, if it was launched from another folder than this site's.
    #[must_use]
    pub fn is(site: &Site, pid: i32) -> Option<Other> {
        let marks = Marks::of(pid).filter(|marks| !marks.are_of(site, pid))?;
        Some(Other { pid, marks })
    }
}

/// The process on a slot's port that was launched from another folder; `None` also where one of this folder's is
/// there, and where this user may not look.
fn other_in(site: &Site, slot: &Slot) -> Option<Other> {
    let sockets = slot.listeners().ok().filter(|sockets| !sockets.is_empty())?;
    let ours = Launched::of(&site.dir, &slot.name).ok().flatten().and_then(|launched| launched.running());
    // The usual case, in which no other process need be looked at.
    if ours.is_some_and(|ours| port::sockets_of(ours.pid).any(|socket| sockets.contains(&socket))) {
        return None;
    }
    // A process has one environment and may have thousands of descriptors, so these are read last.
    let holds = |(pid, _): &(i32, Marks)| port::sockets_of(*pid).any(|socket| sockets.contains(&socket));
    let marked: Vec<(i32, Marks)> = Marks::of_all().ok()?.into_iter().filter(holds).collect();
    let is_ours = marked.iter().any(|(pid, marks)| marks.are_of(site, *pid));
    marked.into_iter().next().filter(|_| !is_ours).map(|(pid, marks)| Other { pid, marks })
}

/// Refuses a slot in which another application serves, or this one from another folder.
///
/// # Errors
/// [`Exit::Unsure`], with whose it is and how to go on.
pub fn ensure_ours(site: &Site, slot: &Slot) -> Result<()> {
    let Some(Other { pid, marks }) = other_in(site, slot) else { return Ok(()) };
    let beside = site.slots.other(&slot.name);
    let back = match Launched::runs_in(&site.dir, &beside.name) {
        Ok(true) => {
            let back = Advice::call(site, "bg-switch", &["--to", beside.name.as_str()]);
            format!("; {beside} is this folder's own, and serves again with: {back}")
        }
        Ok(false) | Err(_) => String::new(),
    };
    Err(Exit::Unsure.refuse(
        format!(
            "{slot} is served by pid {pid} ({}), which was launched as {} (release {}) and not from {}: were these \
             settings copied? Nothing was touched",
            command_line(pid),
            quoted(&marks.app),
            quoted(&marks.release),
            site.dir.root().display(),
        ),
        format!(
            "give {} --slots, a --front and an --upstream-file of its own (bg-switch --print-site), or load the settings \
             it was launched with{back}",
            site.app
        ),
    ))
}

/// Refuses other ports than those that what runs was launched on: nginx is still set to send it the traffic there, and
/// what the front names may be what it was set to name.
///
/// # Errors
/// [`Exit::Unsure`], with the ports that the processes have.
pub fn ensure_same_ports(site: &Site) -> Result<()> {
    let slots = site.slots.both();
    let mut running = [None, None];
    for (slot, running) in slots.iter().zip(&mut running) {
        let launched = Launched::of(&site.dir, &slot.name)?;
        *running = launched.and_then(|launched| Some((launched.port, launched.running()?.pid)));
    }
    let moved = slots.iter().zip(running).find_map(|(slot, running)| {
        let (port, pid) = running?;
        (port != slot.port).then_some((slot, port, pid))
    });
    let Some((slot, port, pid)) = moved else { return Ok(()) };
    Err(Exit::Unsure.refuse(
        format!("{slot} runs on port {port} (pid {pid}), but --slots says {}: nothing was touched", slot.port),
        format!(
            "give the same --slots as when it was launched (to change a port, stop the idle slot first, and print the \
             site again): {}",
            Advice::again(site, &[("--slots", Some(&as_launched(slots, running.map(|it| it.map(|(port, _)| port)))))])
        ),
    ))
}

/// The slots with the ports that were launched on. One that does not run keeps its own, unless the other has that: then the
/// two were swapped.
fn as_launched(slots: &[Slot; 2], running: [Option<u16>; 2]) -> String {
    let port = |at: usize| {
        let own = Some(slots[at].port).filter(|own| running[1 - at] != Some(*own));
        running[at].or(own).unwrap_or(slots[1 - at].port)
    };
    [0, 1].map(|at| format!("{}={}", slots[at].name, port(at))).join(",")
}

/// Refuses an upstream file in the link form that looks into another folder: what serves there is that folder's, and
/// to rename the link of this one would move nothing.
///
/// # Errors
/// [`Exit::Unsure`].
pub fn ensure_our_link(site: &Site) -> Result<()> {
    let Ok(upstream) = Upstream::read(&site.upstream_file) else { return Ok(()) };
    if !upstream.looks_elsewhere(site) {
        return Ok(());
    }
    let remedy = match used_by(&upstream) {
        Some(folder) => load_its_settings(site, folder),
        None => format!(
            "give the same --dir as when it was written; nothing was ever deployed there, so it may look here instead: {}",
            Advice::call(site, "bg-switch", &["--convert", "link"])
        ),
    };
    Err(Exit::Unsure.refuse(
        format!("the upstream file {} {}. Nothing was touched", site.upstream_file.display(), upstream.nowhere(site)),
        remedy,
    ))
}

/// Refuses to take a file away from the folder that it looks into, where anything was ever deployed there: it is that
/// folder's application that nginx serves.
///
/// # Errors
/// [`Exit::Unsure`].
pub fn ensure_unused_elsewhere(site: &Site, upstream: &Upstream) -> Result<()> {
    let Some(folder) = used_by(upstream) else { return Ok(()) };
    Err(Exit::Unsure.refuse(
        format!(
            "{} looks into {}, from which an application was deployed: nginx serves that one. Nothing was touched",
            site.upstream_file.display(),
            folder.display()
        ),
        load_its_settings(site, folder),
    ))
}

/// The folder that the file looks into, where anything was ever deployed there.
fn used_by(upstream: &Upstream) -> Option<&Path> {
    let folder = upstream.flag().and_then(|flag| flag.parent()?.parent());
    folder.filter(|folder| ["slots", "releases"].iter().any(|name| folder.join(name).exists()))
}

/// What to do where nginx serves what another folder has. One of the same application may be meant: by a relative path it is
/// another one from each place where a command is typed.
fn load_its_settings(site: &Site, folder: &Path) -> String {
    let command = typed_with("--env-file", "FILE");
    let meant = if folder_app::is_of(folder, &site.app) {
        let with_it = Advice::again(site, &[("--dir", Some(&folder.to_string_lossy()))]);
        format!("; or, where these are meant for it, name it in full: {with_it}")
    } else {
        String::new()
    };
    format!("load the settings of that folder: {command}{meant}; or give {} an --upstream-file of its own", site.app)
}
