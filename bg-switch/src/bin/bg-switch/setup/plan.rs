//! The plan of a setup: what is to be there in the end, in the order in which it is made.

use crate::means::Means;
use crate::print::{self, NAMELESS};
use crate::setup::by_hand::ByHand;
use crate::setup::folder;
use crate::setup::ground::{Ground, site_file};
use crate::setup::record::{Record, There, Written, there};
use crate::setup::rights::by_root;
use crate::setup::taken;
use anyhow::{Context, Result};
use bg_probe::nginx::upstream::link::{Looks, Spelling, text};
use bg_probe::os::sudo::called;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::settings::{Setting, Site};
use nix::unistd::{AccessFlags, Group, access, geteuid};
use shell_words::quote;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Something that is to be there.
pub(super) struct Step {
    pub(super) path: PathBuf,
    pub(super) what: Kind,
    pub(super) mode: u32,
    /// User and group, by number.
    pub(super) owner: (u32, u32),
}

/// What a step makes.
pub(super) enum Kind {
    Folder,
    File { text: String, there: There },
}

/// All that a setup does.
pub(super) struct Plan {
    pub(super) site: Site,
    /// The settings file, and the record beside it.
    pub(super) file: PathBuf,
    pub(super) record: PathBuf,
    /// What earlier runs made.
    pub(super) before: Record,
    /// What is missing, in the order in which it is made; the site is none of it.
    pub(super) steps: Vec<Step>,
    /// The site, which nginx reads; `None` where a server of a person's own is to be changed by hand.
    pub(super) server: Option<Step>,
    pub(super) ground: Ground,
}

impl Plan {
    /// What is missing of a site.
    ///
    /// # Errors
    /// [`Exit::Refused`] where something else stands in the place of what is to be made, or this user may not make it.
    pub(super) fn make(ground: Ground, means: &Means) -> Result<Plan> {
        let site = ground.site.clone();
        let record = Record::beside(&ground.file);
        let before = Record::read(&record)?;
        let me = (geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let owner = (ground.owner.uid.as_raw(), ground.owner.gid.as_raw());
        let mut steps = folders(ground.file.parent(), me);
        let settings = settings(&ground)?;
        if !ground.has_file {
            steps.push(Step::file(&ground.file, settings, 0o640, (me.0, owner.1), &before)?);
        }
        folder::ensure_may_be(site.dir.root())?;
        ensure_whose(site.dir.root(), &ground)?;
        steps.extend(folders(site.dir.root().parent(), me));
        if !site.dir.root().is_dir() {
            steps.push(Step { path: site.dir.root().to_owned(), what: Kind::Folder, mode: 0o755, owner });
        }
        let (spelling, looks) = match ground.by_hand {
            None => (Spelling::Group, Looks::ForKind),
            Some(_) => (Spelling::Address, Looks::ForName),
        };
        if ground.by_hand.as_ref().and_then(ByHand::upstream).is_none() {
            let text = text(&site, spelling, looks, site.slots.first()).or_exit(Exit::Usage)?;
            steps.push(Step::file(&site.upstream_file, text, 0o644, me, &before)?);
        }
        let server = match ground.by_hand {
            None => {
                let text = print::site(&site, &ground.server, means)?;
                let path = site_file(&ground.sites, site.app.as_str());
                Some(Step::file(&path, text, 0o644, me, &before)?)
            }
            Some(_) => None,
        };
        steps.retain(|step| !step.is_done());
        let plan = Plan { file: ground.file.clone(), record, before, steps, server, site, ground };
        plan.ensure_free()?;
        Ok(plan)
    }

    /// The steps that are left, the site's last.
    pub(super) fn left(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(self.server.iter().filter(|step| !step.is_done()))
    }

    /// What a person has to do besides, where there is a server of that person's own.
    pub(super) fn to_do(&self, means: &Means) -> Option<String> {
        let reload = format!("{} && {}", means.nginx.by_hand(&["-t"]), means.nginx.by_hand(&["-s", "reload"]));
        self.ground.by_hand.as_ref().map(|by_hand| by_hand.in_words(&self.site.upstream_file, &reload))
    }

    /// The record of what is there when this is done; with what is there now, while it is under way.
    pub(super) fn record(&self, is_under_way: bool) -> Record {
        let mut record = self.before.clone();
        for step in self.steps.iter().chain(&self.server) {
            match &step.what {
                Kind::Folder if !record.folders.contains(&step.path) => record.folders.push(step.path.clone()),
                Kind::Folder => {}
                Kind::File { text, there } => {
                    let mut texts = vec![text.clone()];
                    if let (There::Ours(old), true) = (there, is_under_way)
                        && old != text
                    {
                        texts.push(old.clone());
                    }
                    let written = Some(Written { path: step.path.clone(), texts });
                    match &step.path {
                        path if *path == self.file => record.settings = written,
                        path if *path == self.site.upstream_file => record.upstream = written,
                        _ => record.site = written,
                    }
                }
            }
        }
        record
    }

    /// The writing of that record.
    ///
    /// # Errors
    /// When the one that is there can't be read.
    pub(super) fn record_step(&self, is_under_way: bool) -> Result<Step> {
        let text = self.record(is_under_way).text()?;
        let there = match std::fs::read_to_string(&self.record) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => There::Nothing,
            text => There::Ours(text.with_context(|| format!("read {}", self.record.display()))?),
        };
        let owner = (geteuid().as_raw(), nix::unistd::getegid().as_raw());
        Ok(Step { path: self.record.clone(), what: Kind::File { text, there }, mode: 0o600, owner })
    }

    /// Refuses where something is there that is not as this setup has written it.
    fn ensure_free(&self) -> Result<()> {
        for step in self.left() {
            if let Kind::File { there: There::Other, .. } = step.what {
                return Err(taken::refusal(&step.path, &self.ground, &self.record, &self.before));
            }
        }
        Ok(())
    }

    /// Refuses where this user may not make what is missing, or give it away, or have nginx read it.
    ///
    /// # Errors
    /// [`Exit::Refused`], with the command by which root does it.
    pub(super) fn ensure_possible(&self, means: &Means) -> Result<()> {
        let me = geteuid();
        for step in self.left() {
            let folder = step.path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/"));
            if access(folder, AccessFlags::W_OK).is_err() {
                return Err(by_root(&format!("may not write in {}", folder.display())));
            }
            if !me.is_root() && step.owner.0 != me.as_raw() {
                return Err(by_root(&format!("may not give {} to another user", step.path.display())));
            }
        }
        if self.server.is_some() && means.nginx.may_reload() == Some(false) {
            return Err(by_root("may not have nginx read its configuration"));
        }
        Ok(())
    }
}

impl Step {
    fn file(path: &Path, text: String, mode: u32, owner: (u32, u32), before: &Record) -> Result<Step> {
        // What is there and is what would be written is as good as ours.
        let texts = [before.texts_of(path), std::slice::from_ref(&text)].concat();
        let there = there(path, &texts)?;
        Ok(Step { path: path.to_owned(), what: Kind::File { text, there }, mode, owner })
    }

    /// Whether it is there already as it is to be.
    pub(super) fn is_done(&self) -> bool {
        match &self.what {
            Kind::Folder => self.path.is_dir(),
            Kind::File { text, there } => *there == There::Ours(text.clone()),
        }
    }

    /// Whether a file that is there is written anew.
    pub(super) fn is_written_anew(&self) -> bool {
        matches!(self.what, Kind::File { there: There::Ours(_), .. })
    }

    /// The same where that is at the place of the file.
    pub(super) fn with(mut self, now: There) -> Step {
        if let Kind::File { there, .. } = &mut self.what {
            *there = now;
        }
        self
    }

    /// Its group, by name where it has one.
    pub(super) fn group(&self) -> String {
        let group = Group::from_gid(self.owner.1.into()).ok().flatten();
        group.map_or_else(|| self.owner.1.to_string(), |group| group.name)
    }
}

/// The folders that are missing down to this one.
fn folders(to: Option<&Path>, owner: (u32, u32)) -> Vec<Step> {
    let missing = to.into_iter().flat_map(Path::ancestors).take_while(|folder| !folder.exists());
    let mut steps: Vec<Step> =
        missing.map(|folder| Step { path: folder.to_owned(), what: Kind::Folder, mode: 0o755, owner }).collect();
    steps.reverse();
    steps
}

/// Refuses a folder that is there and is somebody else's than the user's who will deploy.
fn ensure_whose(folder: &Path, ground: &Ground) -> Result<()> {
    let Ok(meta) = std::fs::metadata(folder) else { return Ok(()) };
    if meta.uid() == ground.owner.uid.as_raw() {
        return Ok(());
    }
    let (path, owner) = (folder.display(), called(meta.uid()));
    let what = format!("{path} is there and is {owner}'s, and {} would deploy. Nothing was touched", ground.owner.name);
    Err(Exit::Refused
        .refuse(what, format!("say with --owner {owner} that that is who deploys, or move the folder away")))
}

/// The text of the settings file.
fn settings(ground: &Ground) -> Result<String> {
    let (site, server) = (&ground.site, &ground.server);
    let mut text = format!(
        "# The settings of {}, for all programs: --env-file {}. Made by a setup of bg-switch.\n\
         # What does not begin with BG_ is for the application.\n",
        site.app,
        ground.file.display()
    );
    let mut add = |name: &str, value: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{name}={}", quote(value));
    };
    for setting in Setting::ALL {
        if let Some(value) = site.spelled(setting)? {
            add(&setting.variable(), &value);
        }
    }
    let named = |name: &str, value: &str, usual: &str| (name.to_owned(), value.to_owned(), value != usual);
    for (name, value, is_wanted) in [
        named("BG_NGINX", ground.nginx.as_deref().unwrap_or_default(), ""),
        named("BG_SWITCH_SERVER_NAME", &server.name, NAMELESS),
        named("BG_SWITCH_LISTEN", &server.listen, "80"),
        named("BG_SWITCH_FRONT_FROM", &server.front_from.join(","), ""),
        named("BG_SWITCH_READY_FROM", &server.ready_from.join(","), ""),
        named("BG_SWITCH_WITH", &server.extras.to_string(), ""),
    ] {
        if is_wanted {
            add(&name, &value);
        }
    }
    Ok(text)
}
