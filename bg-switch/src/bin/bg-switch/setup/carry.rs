//! Carrying a plan out: all of it, or nothing.
//!
//! What nginx reads comes last, and nginx has tested it by then. A kill leaves what nginx starts with, and the same command
//! goes on from there. Whatever fails is put back as it was.

use crate::means::Means;
use crate::nginx::tested::Tested;
use crate::nginx::workers::Master;
use crate::setup::folder;
use crate::setup::plan::{Kind, Plan, Step};
use crate::setup::record::There;
use anyhow::Result;
use bg_probe::live::front::{Answer, Front};
use bg_probe::os::deadline::Deadline;
use bg_probe::os::replace;
use bg_probe::say::exit::Exit;
use bg_probe::say::seconds;
use bg_probe::say::stdout::print;
use bg_probe::site::advice::Advice;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often nginx is looked at after a reload.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the front may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Something that was made, and how it was before.
enum Made {
    Folder(PathBuf),
    File { path: PathBuf, before: Option<Vec<u8>>, mode: u32, owner: (u32, u32) },
}

/// A plan that is being carried out.
struct Work<'a> {
    plan: &'a Plan,
    means: &'a Means,
    made: Vec<Made>,
    /// Whether nginx may have read the site.
    is_sent: bool,
}

/// Makes what is missing, and sees nginx serve it.
///
/// # Errors
/// Those of [`crate::setup::run`].
pub(super) fn out(plan: &Plan, means: &Means) -> Result<()> {
    plan.ensure_possible(means)?;
    let began = Instant::now();
    let mut work = Work { plan, means, made: Vec::new(), is_sent: false };
    work.all().map_err(|why| work.back(&why))?;
    let voice = means.voice;
    for step in plan.left() {
        voice.done("setup", &format!("made {}", step.path.display()), None);
    }
    if plan.left().next().is_none() {
        voice.done("setup", &format!("{} is set up already", plan.site.app), None);
    }
    if plan.server.is_some() {
        let seen = format!("nginx has the site, seen at {}", plan.site.front);
        voice.done("setup", &seen, Some(began.elapsed()));
    }
    for remedy in crate::preflight::selinux_remedies(&plan.site) {
        voice.warn(&remedy);
    }
    let file = plan.file.to_string_lossy();
    let deploy = Advice::by_anybody(&["bg-deploy", "--env-file", &file, "app.jar"]);
    voice.done("setup", &format!("as {}, deploy: {deploy}", plan.ground.owner.name), None);
    plan.to_do(means).map_or(Ok(()), |to_do| print(&to_do))
}

impl Work<'_> {
    fn all(&mut self) -> Result<()> {
        let (plan, begun) = (self.plan, self.plan.record(true));
        let mut is_noted = begun == plan.before;
        for step in &plan.steps {
            // The record is there before all else but the folder that it is in.
            if !is_noted && plan.record.parent().is_some_and(std::path::Path::is_dir) {
                self.note(true)?;
                is_noted = true;
            }
            self.make(step)?;
        }
        if !is_noted {
            self.note(true)?;
        }
        if let Some(server) = &plan.server {
            self.serve(server)?;
        }
        if plan.record(false) == begun { Ok(()) } else { self.note(false) }
    }

    fn note(&mut self, is_under_way: bool) -> Result<()> {
        let path = &self.plan.record;
        let (mode, me) = (0o600, (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()));
        let before = std::fs::read(path).ok();
        self.made.push(Made::File { path: path.clone(), before, mode, owner: me });
        self.plan.record(is_under_way).write(path)
    }

    fn make(&mut self, step: &Step) -> Result<()> {
        match &step.what {
            Kind::Folder => {
                self.made.push(Made::Folder(step.path.clone()));
                folder::make(&step.path, step.mode, step.owner)
            }
            Kind::File { text, there } => {
                let before = match there {
                    There::Ours(text) => Some(text.clone().into_bytes()),
                    _ => None,
                };
                let (path, mode, owner) = (step.path.clone(), step.mode, step.owner);
                self.made.push(Made::File { path, before, mode, owner });
                replace::file_of(&step.path, text.as_bytes(), step.mode, step.owner)
            }
        }
    }

    /// Puts the site where nginx reads it, and sees that it has; where it is there already, an earlier run may have been
    /// killed before nginx had read it.
    fn serve(&mut self, server: &Step) -> Result<()> {
        if server.is_done() && self.names_a_slot() {
            return Ok(());
        }
        let Kind::File { text, .. } = &server.what else { return Ok(()) };
        let nginx = &self.means.nginx;
        if !server.is_done() {
            let copy = self.plan.ground.sites.copy()?;
            self.made.push(Made::File { path: copy, before: None, mode: 0, owner: (0, 0) });
            self.plan.ground.sites.try_with(nginx, &server.path, Some(text))?;
            self.make(server)?;
        }
        let tested = nginx.test()?;
        let before = tested.master.as_ref().and_then(Master::generation);
        self.is_sent = true;
        nginx.reload(tested.master.as_ref())?;
        let is_over = || before.as_ref().is_none_or(crate::nginx::workers::Generation::has_left);
        let read = Deadline::within(self.means.within).wait(LOOK_EVERY, || Ok(tested.has_refused() || is_over()))?;
        if read && !tested.has_refused() { self.see(&tested) } else { Err(unread(&tested, self.means.within)) }
    }

    fn names_a_slot(&self) -> bool {
        let front = Front::of(&self.plan.site).ok().flatten();
        front.is_none_or(|front| matches!(front.ask(ANSWER_WITHIN), Answer::Slot(_)))
    }

    /// Waits until the front names a slot.
    fn see(&self, tested: &Tested) -> Result<()> {
        let Some(front) = Front::of(&self.plan.site)? else { return Ok(()) };
        let mut last = None;
        let deadline = Deadline::within(self.means.within);
        let seen = deadline.wait(LOOK_EVERY, || {
            let answer = front.ask(ANSWER_WITHIN);
            let named = matches!(answer, Answer::Slot(_));
            last = Some(answer);
            Ok(named)
        })?;
        if seen {
            return Ok(());
        }
        let said = match last {
            Some(Answer::NoSlot(silence)) => silence.said(),
            Some(Answer::Limited(status)) => format!("answered {status}"),
            _ => "answered nothing".to_owned(),
        };
        let log = tested.complaint().map(|line| format!("; nginx's error log: {line}")).unwrap_or_default();
        let within = seconds(self.means.within);
        Err(Exit::NotMoved.because(format!("{} named no slot within {within}, it {said}{log}", self.plan.site.front)))
    }

    /// Puts everything back, and adds to `why` how that went.
    fn back(&self, why: &anyhow::Error) -> anyhow::Error {
        let mut failed = Vec::new();
        for made in self.made.iter().rev() {
            let undone = match made {
                Made::Folder(path) => folder::remove_if_empty(path).map(drop),
                Made::File { path, before: Some(before), mode, owner } => replace::file_of(path, before, *mode, *owner),
                Made::File { path, before: None, .. } => replace::remove(path),
            };
            failed.extend(undone.err().map(|why| format!("{why:#}")));
        }
        if self.is_sent {
            let read = self.means.nginx.test().map_err(anyhow::Error::from);
            let read = read.and_then(|tested| self.means.nginx.reload(tested.master.as_ref()));
            failed.extend(read.err().map(|why| format!("{why:#}")));
        }
        let exit = Exit::of(why);
        match failed.as_slice() {
            [] => exit.because(format!("{why:#}. All is as it was")),
            failed => exit.because(format!("{why:#}. Not all could be put back: {}", failed.join("; "))),
        }
    }
}

fn unread(tested: &Tested, within: Duration) -> anyhow::Error {
    let log = tested.complaint().map(|line| format!(": {line}")).unwrap_or_default();
    Exit::NotMoved.because(format!("nginx did not go over to its new configuration within {}{log}", seconds(within)))
}
