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
use crate::order::{Given, Goal, Order, Preflight, Run, Source};
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
use std::mem::take;
use std::path::PathBuf;
use std::time::Duration;

/// Deploy a release into the idle slot and move nginx to it when it is healthy
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, and clap keeps them apart")]
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
    /// Launch the release and wait until it is healthy, and leave nginx where it is: --finish moves it later
    #[arg(long, conflicts_with_all = ["rollback", "finish", "abandon"])]
    pub(crate) prepare: bool,
    /// Move nginx to the release that is prepared, if it is healthy still and nothing else has moved; with -, as the
    /// record of --prepare on stdin has it
    #[arg(long, value_name = "-", num_args = 0..=1, default_missing_value = "", hide_default_value = true,
        conflicts_with_all = ["rollback", "abandon", "artifact", "command"])]
    pub(crate) finish: Option<Source>,
    /// Stop the release that is prepared; its slot holds again what it held before
    #[arg(long, conflicts_with_all = ["rollback", "artifact", "command"])]
    pub(crate) abandon: bool,
    /// Launch nothing where the live slot runs this very artifact, by this command, with this environment and as this user
    #[arg(long, conflicts_with_all = ["rollback", "finish", "abandon"])]
    pub(crate) if_changed: bool,
    /// Print the pipeline that would run, as shell, and do nothing; with --json, whether it would change what is live
    #[arg(long, group = "reports")]
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
    pub(crate) fn order(mut self) -> Result<Order> {
        self.ensure_no_flag_without_dashes()?;
        let settings = self.settings.typed_flags()?;
        let advice = self.advice(&settings);
        let nginx = self.nginx.clone().into_iter().flat_map(|nginx| ["--nginx".to_owned(), nginx]);
        let hooks = take(&mut self.launching).words().map(|word| (Name::Launch, word));
        let words = self.stages.own().chain(hooks).chain(nginx.map(|word| (Name::Switch, word))).collect();
        let calls = Calls { voice: self.voice, settings, words };
        let goal = self.goal();
        if self.check.check {
            return self.preflight(&calls, &goal);
        }
        goal.ensure_something()?;
        let steps = if goal.goes_live() { self.ramp.clone().unwrap_or_default().0 } else { Vec::new() };
        let stages = self.stages_for(&calls, &goal, &steps)?;
        if self.dry_run && self.check.json {
            goal.ensure_new()?;
            let words = std::iter::once("--compare".to_owned()).chain(goal.to_launch());
            return Ok(Order::Compare(Box::new([calls.stage(Name::Probe, []), calls.stage(Name::Launch, words)])));
        }
        if self.dry_run {
            return self.dry_run(&calls, &goal, stages, &steps);
        }
        Ok(Order::Run(Box::new(Run {
            goal,
            site: self.settings.site()?,
            settings: self.settings,
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

    /// What is to be in the end.
    fn goal(&mut self) -> Goal {
        let if_changed = self.if_changed;
        let given = Given { files: take(&mut self.artifact), command: take(&mut self.command), if_changed };
        match self.finish {
            Some(source) => Goal::Finish(source),
            None if self.abandon => Goal::Abandon,
            None if self.rollback => Goal::Rollback { to: self.to.take() },
            None if self.prepare => Goal::Prepare(given),
            None => Goal::Deploy(given),
        }
    }

    /// The stages that are run one after the other. Those of a preparation are all of a deploy, for all of them look at what
    /// is in the way; it ends before the switch.
    fn stages_for(&self, calls: &Calls, goal: &Goal, steps: &[(u8, Duration)]) -> Result<Vec<Stage>> {
        let [probe, launch, health, mut switch] = calls.chain(goal.to_launch())?;
        let linger = self.linger.filter(|linger| goal.goes_live() && !linger.is_zero());
        switch.args.extend(linger.map(|linger| format!("--linger={}", humantime::format_duration(*linger))));
        let to_begin = match goal {
            Goal::Abandon => return Ok(vec![launch]),
            Goal::Finish(_) => vec![health],
            Goal::Deploy(_) | Goal::Rollback { .. } | Goal::Prepare(_) => vec![probe, launch, health],
        };
        Ok(to_begin.into_iter().chain(ramp::stages(calls, steps)).chain([switch]).collect())
    }

    fn preflight(self, calls: &Calls, goal: &Goal) -> Result<Order> {
        let words = if goal.is_of_prepared() { Vec::new() } else { goal.to_launch() };
        let mut stages = Vec::from(calls.preflight(words)?);
        let first = self.ramp.as_ref().and_then(|ramp| ramp.0.first()).filter(|_| goal.goes_live());
        let share = first.map(|(share, _)| format!("--share={share}"));
        if let Some(switch) = stages.iter_mut().find(|stage| stage.name == Name::Switch) {
            switch.args.extend(share);
        }
        let mut of_prepared = None;
        if goal.is_of_prepared() {
            stages.retain(|stage| stage.name != Name::Launch && matches!(goal, Goal::Finish(_)));
            of_prepared = Some((self.settings.site()?, self.stages_for(calls, goal, &[])?));
        }
        let (hooks, stop_old, as_json, voice) = (self.hooks, self.stop_old.0, self.check.json, self.voice);
        Ok(Order::Preflight(Box::new(Preflight { stages, of_prepared, hooks, stop_old, as_json, voice })))
    }

    fn dry_run(self, calls: &Calls, goal: &Goal, mut stages: Vec<Stage>, steps: &[(u8, Duration)]) -> Result<Order> {
        if matches!(goal, Goal::Prepare(_)) {
            stages.retain(|stage| stage.name != Name::Switch);
        }
        let has_companion = std::env::var_os("BG_LAUNCH_COMPANION").is_some_and(|words| !words.is_empty());
        let moves = stages.iter().any(|stage| stage.name == Name::Switch);
        stages.extend((has_companion && moves).then(|| companion::stage(calls)));
        let back = (!steps.is_empty()).then(|| ramp::back(calls));
        let is_kept = goal.is_of_prepared() && !matches!(goal, Goal::Finish(Source::Stdin));
        let record = if is_kept { Some(self.settings.site()?.dir.prepared()) } else { None };
        Ok(Order::DryRun { stages, record, back, env_file: origin::settings_file() })
    }

    /// Refuses one bare word that is no file or folder, where it is a flag: `bg-deploy rollback`.
    fn ensure_no_flag_without_dashes(&self) -> Result<()> {
        let [file] = self.artifact.as_slice() else { return Ok(()) };
        let Some(word) = file.to_str().filter(|_| !file.exists()) else { return Ok(()) };
        let mut command = Args::command();
        command.build();
        let is_flag = |arg: &clap::Arg| {
            let needs_none = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
            arg.get_long() == Some(word) && (needs_none || !arg.get_action().takes_values())
        };
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
  bg-deploy --if-changed app.jar
  bg-deploy --prepare app.jar      and at night, by cron:  bg-deploy --finish
  bg-deploy --check
  bg-deploy --watch 30s --env-file /etc/bg/web.env app.jar

Runs bg-probe, bg-launch, bg-health and bg-switch, each on the record of the
one before, under one lock. The last record is printed and kept in
DIR/deploys.jsonl; so is that of a deploy that failed.

--prepare ends where nginx would be moved: its record is printed, and kept in
DIR/prepared.json. --ramp, --watch, --linger, --stop-old and --before-switch
belong to --finish, which asks for the health again. A deploy or a rollback in
between takes the place of what is prepared, and says so.

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
  3  of --finish: nothing is prepared, or stdin has no record
  4  not healthy in time, or --before-launch, --before-rollback or --before-switch failed; the old slot goes on serving
  5  nginx refused or did not move; it is back on the slot it was on. Of a ramp that was taken back: nginx was not seen
     to follow, and does as soon as it runs
  6  another deploy holds the lock
  7  can't tell which slot is live, or the live one would be touched, or it or the folder is another application's;
     or what was prepared is no longer what it was
  8  the application exited before it was healthy
  9  went bad within the watch or the ramp, and nginx is back on the old slot
  128+N  ended by signal N; nothing is left half-way

A watch that ends with another code than 0 and 9 leaves the new slot serving:
no other slot was live before, or the way back has failed as that code says.";
