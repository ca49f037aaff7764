//! The settings that every stage shares: flag over record over environment over default.

use crate::os::http::{self, Url};
use crate::site::address::Address;
use crate::site::dir::Dir;
use crate::site::slot::{Name, Slots};
use anyhow::{Context, Result, ensure};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
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

/// The variable of `--env-file`.
pub const ENV_FILE: &str = "BG_DEPLOY_ENV_FILE";

/// The shared flags, as clap reads them.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Settings (taken from the record, where one is read)")]
pub struct Settings {
    /// Read settings first, from lines like BG_APP=web; the application gets the other variables
    #[arg(long, env = ENV_FILE, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Name the application
    #[arg(long, env = "BG_APP", default_value = "app")]
    pub app: Name,
    /// Name the two slots and their ports
    #[arg(long, env = "BG_SLOTS", default_value = "set1=8081,set2=8082", value_name = "NAME=PORT,NAME=PORT")]
    pub slots: Slots,
    /// Reach the slots at this address, as nginx does [default: as the upstream file has it, else http://127.0.0.1:{port}]
    #[arg(long, env = "BG_SLOT_URL", value_name = "URL")]
    pub slot_url: Option<Address>,
    /// Ask this URL, through nginx, for the live slot's name; `-` for none
    #[arg(
        long,
        env = "BG_FRONT",
        default_value = "http://127.0.0.1/profile",
        value_name = "URL",
        hide_env_values = true
    )]
    pub front: FrontSetting,
    /// Ask the front for this host name
    #[arg(long, env = "BG_FRONT_HOST", value_name = "HOST", value_parser = http::host)]
    pub front_host: Option<String>,
    /// Keep releases, logs and state here [default: /var/lib/bg/APP as root, else $XDG_STATE_HOME/bg/APP]
    #[arg(long, env = "BG_DIR", value_name = "DIR", value_parser = path)]
    pub dir: Option<PathBuf>,
    /// Select the slot by this file, which nginx includes
    #[arg(long, env = "BG_UPSTREAM_FILE", default_value = "/etc/nginx/conf.d/service-url.inc", value_name = "FILE",
        value_parser = path)]
    pub upstream_file: PathBuf,
    /// Which of the flags stood on the command line itself.
    #[arg(skip)]
    typed: Vec<Setting>,
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
    /// The file that nginx includes and that selects the slot; an absolute path.
    pub upstream_file: PathBuf,
}

/// One of the settings that every stage shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `--app`
    App,
    /// `--slots`
    Slots,
    /// `--slot-url`
    SlotUrl,
    /// `--front`
    Front,
    /// `--front-host`
    FrontHost,
    /// `--dir`
    Dir,
    /// `--upstream-file`
    UpstreamFile,
}

impl Setting {
    /// All of them, in the order of `--help`.
    pub const ALL: [Setting; 7] = [
        Setting::App,
        Setting::Slots,
        Setting::SlotUrl,
        Setting::Front,
        Setting::FrontHost,
        Setting::Dir,
        Setting::UpstreamFile,
    ];

    /// Its flag, without the dashes.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Setting::App => "app",
            Setting::Slots => "slots",
            Setting::SlotUrl => "slot-url",
            Setting::Front => "front",
            Setting::FrontHost => "front-host",
            Setting::Dir => "dir",
            Setting::UpstreamFile => "upstream-file",
        }
    }

    /// Its variable.
    #[must_use]
    pub fn variable(self) -> String {
        format!("BG_{}", self.flag().to_uppercase().replace('-', "_"))
    }
}

impl Site {
    /// The value of a setting as text; `None` where it is left to its default.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn spelled(&self, setting: Setting) -> Result<Option<String>> {
        Ok(match setting {
            Setting::App => Some(self.app.to_string()),
            Setting::Slots => Some(self.slots.to_string()),
            Setting::SlotUrl => Some(self.address.to_string()).filter(|_| self.address != Address::default()),
            Setting::Front => Some(self.front.to_string()),
            Setting::FrontHost => self.front_host.clone(),
            Setting::Dir => Some(text_of(self.dir.root())?.to_owned()),
            Setting::UpstreamFile => Some(text_of(&self.upstream_file)?.to_owned()),
        })
    }
}

impl Settings {
    /// Notes which of the flags stood on the command line itself: those win over a record.
    pub(crate) fn note_typed(&mut self, matches: &ArgMatches) {
        let on_command_line = |setting: &Setting| {
            matches.value_source(&setting.flag().replace('-', "_")) == Some(ValueSource::CommandLine)
        };
        self.typed = Setting::ALL.into_iter().filter(on_command_line).collect();
    }

    /// Whether a setting stood on the command line itself.
    #[must_use]
    pub fn is_typed(&self, setting: Setting) -> bool {
        self.typed.contains(&setting)
    }

    /// Whether a setting stood on the command line or in a variable, and so is no default.
    #[must_use]
    pub fn is_given(&self, setting: Setting) -> bool {
        self.is_typed(setting) || std::env::var_os(setting.variable()).is_some_and(|value| !value.is_empty())
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
    /// count as typed: it was there for the head of the pipe as well, where another flag may have won over it.
    ///
    /// # Errors
    /// Those of [`Settings::site`].
    pub(crate) fn over(&self, mut site: Site) -> Result<Site> {
        for setting in &self.typed {
            match setting {
                Setting::App => site.app = self.app.clone(),
                Setting::Slots => site.slots = self.slots.clone(),
                Setting::SlotUrl => site.address = self.slot_url.clone().unwrap_or_default(),
                Setting::Front => site.front = self.front.clone(),
                Setting::FrontHost => site.front_host.clone_from(&self.front_host),
                Setting::Dir => site.dir = self.dir()?,
                Setting::UpstreamFile => site.upstream_file.clone_from(&self.upstream_file),
            }
        }
        Ok(site)
    }

    /// What was typed on the command line, as the flags of another stage.
    ///
    /// # Errors
    /// Those of [`Settings::site`] and [`Site::spelled`].
    pub fn typed_flags(&self) -> Result<Vec<String>> {
        // A folder that nobody named need not be known for this.
        let dir = self.dir.clone().or_else(|| Some("/".into()));
        let typed = Settings { dir, ..self.clone() }.site()?;
        let mut flags = Vec::new();
        for setting in &self.typed {
            // A default that was typed wins over another value in the record, too.
            let value = typed.spelled(*setting)?.unwrap_or_else(|| typed.address.to_string());
            flags.extend([format!("--{}", setting.flag()), value]);
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

/// A path as text, as it stands in a record and on a command line.
///
/// # Errors
/// When it is not UTF-8.
pub fn text_of(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
