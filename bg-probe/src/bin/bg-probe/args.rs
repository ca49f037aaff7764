//! The command line of `bg-probe`.

use crate::order::{Ask, Order, Wanted, Word};
use anyhow::Result;
use bg_probe::cli::command_line::Program;
use bg_probe::cli::preflight::Check;
use bg_probe::live::witnesses::By;
use bg_probe::nginx::upstream::site_of;
use bg_probe::os::span::Span;
use bg_probe::say::Voice;
use bg_probe::site::settings::{Settings, Site};
use bg_probe::site::slot::{Choice, Name};
use clap::{Parser, ValueEnum};
use std::ffi::OsString;

/// Find out which slot is live and which one a deploy is for, and print that as a record
#[derive(Debug, Parser)]
#[command(name = Args::NAME, version, after_help = AFTER)]
pub(crate) struct Args {
    /// Make the record for this slot: idle, live or a slot's name
    #[arg(long, env = "BG_PROBE_SLOT", default_value = "idle", value_name = "SLOT")]
    slot: Choice,
    /// Print the record, one word for shells, a table for people, or metrics
    #[arg(long, env = "BG_PROBE_FORMAT", default_value = "json", value_enum)]
    format: Format,
    /// Ask these witnesses which slot is live
    #[arg(long, env = "BG_PROBE_BY", default_value = "both", value_enum)]
    by: By,
    /// Wait this long for one answer of the front
    #[arg(long, env = "BG_PROBE_TIMEOUT", default_value = "2s", value_name = "DURATION")]
    timeout: Span,
    /// Print the last deploys as a table instead, the newest first [default of N: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10")]
    history: Option<usize>,
    /// Look again and again until Ctrl-C: a table that is drawn anew, or, where stdout is no terminal, a line for each change
    #[arg(long, conflicts_with_all = ["history", "if_live", "check"])]
    watch: bool,
    /// Become COMMAND where this slot is live, and do nothing where it is not: for cron
    #[arg(long, value_name = "SLOT", requires = "command", conflicts_with = "history")]
    if_live: Option<Name>,
    /// What to run with --if-live
    #[arg(last = true, requires = "if_live")]
    command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) voice: Voice,
    #[command(flatten)]
    check: Check,
    #[command(flatten)]
    settings: Settings,
}

/// What to print on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The record, for the next stage
    Json,
    /// The slot's name
    Name,
    /// The slot's port
    Port,
    /// Both slots, for people
    Table,
    /// Metrics, for Prometheus, by a file of node_exporter's textfile collector
    Openmetrics,
}

impl Args {
    /// The site that it is about.
    ///
    /// # Errors
    /// When no folder for state is known.
    pub(crate) fn site(&self) -> Result<Site> {
        site_of(&self.settings)
    }

    /// What it asks for.
    pub(crate) fn order(self) -> Order {
        let ask = Ask { by: self.by, within: *self.timeout };
        if let Some(slot) = self.if_live.filter(|_| !self.check.check) {
            return Order::IfLive { slot, command: self.command, ask };
        }
        if self.watch {
            return Order::Watch(ask);
        }
        let wanted = Wanted { slot: self.slot, ask };
        match (self.check.check, self.history, self.format) {
            (true, _, _) => Order::Preflight { ask, as_json: self.check.json },
            (false, Some(most), _) => Order::History(most),
            (false, None, Format::Json) => Order::Record(wanted),
            (false, None, Format::Name) => Order::Word(Word::Name, wanted),
            (false, None, Format::Port) => Order::Word(Word::Port, wanted),
            (false, None, Format::Table) => Order::Table(wanted),
            (false, None, Format::Openmetrics) => Order::Metrics(wanted),
        }
    }
}

impl Program for Args {
    const NAME: &'static str = "bg-probe";

    fn shared(&mut self) -> (&mut Settings, &mut Voice) {
        (&mut self.settings, &mut self.voice)
    }
}

const AFTER: &str = "\
Examples:
  bg-probe | bg-launch app.jar | bg-health | bg-switch
  LIVE=$(bg-probe --slot live --format name)
  bg-probe --format table
  bg-probe --watch
  bg-probe --history 20
  bg-probe --format openmetrics >bg.tmp && mv bg.tmp bg.prom
  0 3 * * *  bg-probe --if-live set1 -- /srv/web/nightly set1   (a line of a crontab)

Two witnesses are heard: what nginx answers at --front, and where
--upstream-file points. A front names a slot only with status 200 and a body
that is that slot's name. Where it names none, the file decides; where
nothing listens on either port either, no slot is live.

With --if-live the exit code is COMMAND's own where the slot is live, and 0
where it is not. Where nobody can tell it is 7, and COMMAND does not run.

Exit codes:
  0  done
  1  the system refused (or --slot live, and none is)
  2  usage
  5  the front names no slot, so that no switch could be seen: no record is
     made for a deploy
  7  can't tell which slot is live, or what serves or the folder is another
     application's: nothing may be launched";
