//! The command line of `bg-deploy`.

pub(crate) mod hooks;
pub(crate) mod stages;
pub(crate) mod steps;
pub(crate) mod stop_old;

use crate::advice::Advice;
use crate::args::hooks::{Hooks, Launching};
use crate::args::stages::Stages;
use crate::args::steps::Steps;
use crate::args::stop_old::StopOld;
use crate::companion;
use crate::order::{Goal, Order, Run};
use crate::ramp;
use crate::stage::{Calls, Name, Stage};
use anyhow::Result;
use bg_probe::cli::command_line::{Program, splittable};
use bg_probe::cli::origin;
use bg_probe::cli::preflight::Check;
use bg_probe::os::span::Span;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice;
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::Settings;
use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use clap::{CommandFactory, Parser};
use std::path::PathBuf;

/// Deploy a release into the idle slot and move nginx to it when it is healthy
#[derive(Debug, Parser)]
#[command(name = Args::NAME, version, after_help = AFTER)]
pub(crate) struct Args {
    /// Deploy this file or folder, as bg-launch does
    pub(crate) artifact: Vec<PathBuf>,
    /// Start it by this command, as bg-launch does
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
    /// Go back: move nginx to the idle slot; its release is started again first if it is not running
    #[arg(long, conflicts_with_all = ["artifact", "command"])]
    pub(crate) rollback: bool,
    /// Go back to this release, which is on disk; the first letters of its name are enough
    #[arg(long, requires = "rollback", conflicts_with_all = ["artifact", "command"], value_name = "RELEASE",
        value_parser = NonEmptyStringValueParser::new())]
    pub(crate) to: Option<String>,
    /// Print the pipeline that would run, as shell, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Watch the new release this long after the switch; if it goes bad, switch back
    #[arg(long, env = "BG_DEPLOY_WATCH", value_name = "DURATION")]
    pub(crate) watch: Option<Span>,
    /// Give it shares of the visitors first, in percent, and watch it with each: 1=30s,10=1m,50=1m; if it goes bad, take
    /// all of them back. A rollback moves everybody at once
    #[arg(long, env = "BG_DEPLOY_RAMP", value_name = "SHARE=DURATION,...")]
    pub(crate) ramp: Option<Steps>,
    /// Have those stay with the old release who are in it, this long at most; new visitors get the new one. A rollback moves
    /// everybody
    #[arg(long, env = "BG_DEPLOY_LINGER", value_name = "DURATION")]
    pub(crate) linger: Option<Span>,
    /// Stop the old release when nginx has moved, now or after=5m, without waiting for that; a rollback
    /// then starts it again
    #[arg(long, env = "BG_DEPLOY_STOP_OLD", default_value = "never", value_name = "WHEN")]
    pub(crate) stop_old: StopOld,
    /// Leave a release that did not become healthy running, unless it listens on the live slot's port
    #[arg(long, env = "BG_DEPLOY_KEEP_FAILED", value_parser = FalseyValueParser::new())]
    pub(crate) keep_failed: bool,
    /// Call nginx by this command, as bg-switch does
    #[arg(long, env = "BG_NGINX", value_name = "COMMAND", value_parser = splittable)]
    pub(crate) nginx: Option<String>,
    // Under the same heading as the flags above; what follows has one of its own.
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) voice: Voice,
    #[command(flatten)]
    pub(crate) check: Check,
    #[command(flatten)]
    pub(crate) hooks: Hooks,
    #[command(flatten)]
    pub(crate) launching: Launching,
    #[command(flatten)]
    pub(crate) stages: Stages,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Program for Args {
    const NAME: &'static str = "bg-deploy";

    fn shared(&mut self) -> (&mut Settings, &mut Voice) {
        (&mut self.settings, &mut self.voice)
    }
}

impl Args {
    /// What is asked for.
    ///
    /// # Errors
    /// [`Exit::Usage`] where nothing is asked for; else when a program is missing.
    pub(crate) fn order(self) -> Result<Order> {
        self.ensure_no_flag_without_dashes()?;
        let settings = self.settings.typed_flags()?;
        let advice = self.advice(&settings);
        let nginx = self.nginx.into_iter().flat_map(|nginx| ["--nginx".to_owned(), nginx]);
        let hooks = self.launching.words().map(|word| (Name::Launch, word));
        let words = self.stages.own().chain(hooks).chain(nginx.map(|word| (Name::Switch, word))).collect();
        let calls = Calls { voice: self.voice, settings, words };
        let goal = if self.rollback {
            Goal::Rollback { to: self.to }
        } else {
            Goal::Deploy { files: self.artifact, command: self.command }
        };
        if self.check.check {
            let (stages, as_json) = (calls.preflight(goal.to_launch())?, self.check.json);
            let (hooks, stop_old, voice) = (self.hooks, self.stop_old.0, self.voice);
            return Ok(Order::Preflight { stages: Box::new(stages), hooks, stop_old, as_json, voice });
        }
        goal.ensure_something()?;
        let steps = self.ramp.filter(|_| !self.rollback).unwrap_or_default().0;
        let [probe, launch, health, mut switch] = calls.chain(goal.to_launch())?;
        let linger = self.linger.filter(|linger| !self.rollback && !linger.is_zero());
        switch.args.extend(linger.map(|linger| format!("--linger={}", humantime::format_duration(*linger))));
        let ramp = ramp::stages(&calls, &steps);
        let mut stages: Vec<Stage> = [probe, launch, health].into_iter().chain(ramp).chain([switch]).collect();
        if self.dry_run {
            let has_companion = std::env::var_os("BG_LAUNCH_COMPANION").is_some_and(|words| !words.is_empty());
            stages.extend(has_companion.then(|| companion::stage(&calls)));
            let back = (!steps.is_empty()).then(|| ramp::back(&calls));
            return Ok(Order::DryRun { stages, back, env_file: origin::settings_file() });
        }
        Ok(Order::Run(Box::new(Run {
            goal,
            site: self.settings.site()?,
            stages,
            calls,
            wait: self.wait,
            hooks: self.hooks,
            watch: self.watch.map(Into::into),
            stop_old: self.stop_old.0,
            keep_failed: self.keep_failed,
            advice,
        })))
    }

    /// Refuses one bare word that is no file or folder, where it is a flag: `bg-deploy rollback`.
    fn ensure_no_flag_without_dashes(&self) -> Result<()> {
        let [file] = self.artifact.as_slice() else { return Ok(()) };
        let Some(word) = file.to_str().filter(|_| !file.exists()) else { return Ok(()) };
        let mut command = Args::command();
        command.build();
        let is_flag = |arg: &clap::Arg| arg.get_long() == Some(word) && !arg.get_action().takes_values();
        let call = |words: &[&str]| anyhow::Ok(advice::Advice::call(&self.settings.site()?, "bg-probe", words));
        let meant = match word {
            "status" => call(&["--format", "table"]),
            "history" => call(&["--history"]),
            // A word that only asks is asked with the settings, too.
            "help" | "version" => Ok(advice::Advice::by_anybody(&[Args::NAME, &format!("--{word}")])),
            _ if command.get_arguments().any(is_flag) => Ok(advice::Advice::in_place_of(word, &format!("--{word}"))),
            _ => return Ok(()),
        }?;
        Err(Exit::Usage.refuse(format!("no file {word} is here to deploy"), format!("if you meant the flag: {meant}")))
    }

    /// The commands that messages end with.
    fn advice(&self, settings: &[String]) -> Advice {
        let env_file = origin::settings_file().map(|file| ["--env-file".to_owned(), file]);
        let nginx = self.nginx.clone().filter(|nginx| std::env::var("BG_NGINX").ok().as_ref() != Some(nginx));
        let nginx = nginx.map(|nginx| vec!["--nginx".to_owned(), nginx]).unwrap_or_default();
        let settings = env_file.into_iter().flatten().chain(settings.iter().cloned()).collect();
        Advice { settings, nginx, stages: self.stages.clone() }
    }
}

const AFTER: &str = "\
Examples:
  bg-deploy build/libs/*.jar
  bg-deploy server -- {artifact} --port {port}
  bg-deploy --rollback
  bg-deploy --rollback --to 20261121T211357Z
  bg-deploy --stop-old after=5m app.jar
  bg-deploy --ramp 1=30s,10=1m,50=1m app.jar
  bg-deploy --check
  bg-deploy --watch 30s --env-file /etc/bg/web.env app.jar

Runs bg-probe, bg-launch, bg-health and bg-switch, each on the record of the
one before, under one lock. The last record is printed and kept in
DIR/deploys.jsonl; so is that of a deploy that failed.

A hook is split into words as a shell does it, but no shell runs it: for one,
write sh -c '...'. Its output is on stderr. Hooks run for whatever comes into
DIR/deploys.jsonl; only those called --before-... can make it fail.

A flag of a stage is also a variable: BG_HEALTH_TIMEOUT=60s means the same as
--health-timeout 60s. A rollback asks the idle slot for its health as a
deploy does, so what is always needed belongs in the environment or --env-file.

Exit codes:
  0  done
  1  the system refused: I/O, a permission, a missing program
  2  usage
  4  not healthy in time, or --before-launch, --before-rollback or --before-switch failed; the old slot goes on serving
  5  nginx refused or did not move; it is back on the slot it was on
  6  another deploy holds the lock
  7  can't tell which slot is live, or the live one would be touched, or it or the folder is another application's
  8  the application exited before it was healthy
  9  went bad within the watch or the ramp, and nginx is back on the old slot
  128+N  ended by signal N; nothing is left half-way

A watch that ends with another code than 0 and 9 leaves the new slot serving:
there was no slot to go back to, or the way back has failed as that code says.";
