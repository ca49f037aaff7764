//! The settings that every stage shares: flag over record over environment over default.

use crate::os::http::{self, Url};
use crate::site::address::Address;
use crate::site::dir::Dir;
use crate::site::slot::{Name, Slots};
use anyhow::{Context, Result, ensure};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

/// The setting `--front`: a URL through nginx, or `-` where nothing at the front can name the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontSetting {
    /// Ask this URL.
    At(Url),
    /// There is nothing to ask.
    Unset,
}

impl FromStr for FrontSetting {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<FrontSetting> {
        if text == "-" { Ok(FrontSetting::Unset) } else { text.parse().map(FrontSetting::At) }
    }
}

impl Display for FrontSetting {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            FrontSetting::At(url) => url.fmt(f),
            FrontSetting::Unset => f.write_str("-"),
        }
    }
}

/// The shared flags, as clap reads them.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Settings (what a record already says need not be said again)")]
pub struct Settings {
    /// The application's name
    #[arg(long, env = "BG_APP", default_value = "app")]
    pub app: Name,
    /// The two slots and their ports
    #[arg(long, env = "BG_SLOTS", default_value = "set1=8081,set2=8082", value_name = "NAME=PORT,NAME=PORT")]
    pub slots: Slots,
    /// Where nginx reaches the slots [default: as the upstream file has it, else http://127.0.0.1:{port}]
    #[arg(long, env = "BG_SLOT_URL", value_name = "URL")]
    pub slot_url: Option<Address>,
    /// The URL, through nginx, that answers with the live slot's name; `-` for none
    #[arg(long, env = "BG_FRONT", default_value = "http://127.0.0.1/profile", value_name = "URL")]
    pub front: FrontSetting,
    /// The host name to ask the front for
    #[arg(long, env = "BG_FRONT_HOST", value_name = "HOST", value_parser = http::host)]
    pub front_host: Option<String>,
    /// Where releases, logs and state live [default: /var/lib/bg/APP as root, else $XDG_STATE_HOME/bg/APP]
    #[arg(long, env = "BG_DIR", value_name = "DIR", value_parser = path)]
    pub dir: Option<PathBuf>,
    /// The file nginx includes that says which slot it serves
    #[arg(long, env = "BG_UPSTREAM_FILE", default_value = "/etc/nginx/conf.d/service-url.inc", value_name = "FILE",
        value_parser = path)]
    pub upstream_file: PathBuf,
    /// Which of the flags stood on the command line itself.
    #[arg(skip)]
    typed: Vec<&'static str>,
}

/// One application on this server: everything a stage has to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The application's name.
    pub app: Name,
    /// Its two slots.
    pub slots: Slots,
    /// Where nginx reaches the slots.
    pub address: Address,
    /// What to ask which slot is live.
    pub front: FrontSetting,
    /// The host name to ask the front for.
    pub front_host: Option<String>,
    /// Where its releases, logs and state live.
    pub dir: Dir,
    /// The file nginx includes that says which slot it serves; an absolute path.
    pub upstream_file: PathBuf,
}

const SHARED: [&str; 7] = ["app", "slots", "slot_url", "front", "front_host", "dir", "upstream_file"];

impl Settings {
    /// Notes which of the flags stood on the command line itself: those win over a record.
    pub(crate) fn note_typed(&mut self, matches: &ArgMatches) {
        let on_command_line = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        self.typed = SHARED.into_iter().filter(on_command_line).collect();
    }

    /// The site that flags, environment and defaults describe, for a stage that reads no record.
    ///
    /// # Errors
    /// When no folder for state is known.
    pub fn site(&self) -> Result<Site> {
        Ok(Site {
            app: self.app.clone(),
            slots: self.slots.clone(),
            address: self.slot_url.clone().unwrap_or_default(),
            front: self.front.clone(),
            front_host: self.front_host.clone(),
            dir: self.dir()?,
            upstream_file: self.upstream_file.clone(),
        })
    }

    /// The site of a record, less what was typed on this stage's own command line. The environment does not
    /// count as typed: it was there for the head of the pipe as well, which may have been told otherwise.
    ///
    /// # Errors
    /// Those of [`Settings::site`].
    pub(crate) fn over(&self, mut site: Site) -> Result<Site> {
        for id in &self.typed {
            match *id {
                "app" => site.app = self.app.clone(),
                "slots" => site.slots = self.slots.clone(),
                "slot_url" => site.address = self.slot_url.clone().unwrap_or_default(),
                "front" => site.front = self.front.clone(),
                "front_host" => site.front_host.clone_from(&self.front_host),
                "dir" => site.dir = self.dir()?,
                _ => site.upstream_file.clone_from(&self.upstream_file),
            }
        }
        Ok(site)
    }

    /// What was typed on the command line, as the flags of another stage.
    ///
    /// # Errors
    /// Those of [`Settings::site`].
    pub fn typed_flags(&self) -> Result<Vec<String>> {
        let mut flags = Vec::new();
        for id in &self.typed {
            let value = match *id {
                "app" => self.app.to_string(),
                "slots" => self.slots.to_string(),
                "slot_url" => self.slot_url.clone().unwrap_or_default().to_string(),
                "front" => self.front.to_string(),
                "front_host" => self.front_host.clone().unwrap_or_default(),
                "dir" => self.dir()?.root().display().to_string(),
                _ => self.upstream_file.display().to_string(),
            };
            flags.extend([format!("--{}", id.replace('_', "-")), value]);
        }
        Ok(flags)
    }

    fn dir(&self) -> Result<Dir> {
        match &self.dir {
            Some(dir) => Ok(Dir::new(dir.clone())),
            None => Dir::default_for(&self.app),
        }
    }
}

/// An absolute path without a control character: it stands in a record, in messages and in nginx's configuration.
///
/// # Errors
/// When it has one, or the current folder is unknown.
pub fn path(text: &str) -> Result<PathBuf> {
    let usable = !text.is_empty() && !text.contains(char::is_control);
    ensure!(usable, "\"{}\" is not a usable path", crate::say::quoted(text));
    std::path::absolute(text).context("find the current folder")
}
