//! The command line of `bg-deploy`.

use bg_probe::lock::Wait;
use bg_probe::say::Voice;
use bg_probe::settings::Settings;
use clap::Parser;
use clap::builder::FalseyValueParser;
use humantime::Duration;
use std::path::PathBuf;

/// Deploy a release into the idle slot and move nginx to it when it is healthy
#[derive(Debug, Parser)]
#[command(name = "bg-deploy", version, after_help = AFTER)]
pub(crate) struct Args {
    /// The file to deploy, as for bg-launch
    pub(crate) artifact: Vec<PathBuf>,
    /// How to start it, as for bg-launch
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
    /// Move nginx back to the idle slot; its release is started again first if it is not running
    #[arg(long, conflicts_with_all = ["artifact", "command"])]
    pub(crate) rollback: bool,
    /// Print the pipeline that would run, as shell, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Watch the new release for so long after the switch; if it goes bad, switch back
    #[arg(long, env = "BG_DEPLOY_WATCH", value_name = "DURATION")]
    pub(crate) watch: Option<Duration>,
    /// Leave a release running that did not become healthy
    #[arg(long, env = "BG_DEPLOY_KEEP_FAILED", value_parser = FalseyValueParser::new())]
    pub(crate) keep_failed: bool,
    /// Read settings from lines like BG_APP=web first
    #[arg(long, env = "BG_DEPLOY_ENV_FILE", value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// How nginx is called, as for bg-switch
    #[arg(long, env = "BG_NGINX", value_name = "COMMAND")]
    pub(crate) nginx: Option<String>,
    #[command(flatten)]
    pub(crate) stages: Stages,
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(flatten)]
    pub(crate) voice: Voice,
}

/// The flags of single stages: `--health-timeout 60s` here is `--timeout 60s` of bg-health, and so is
/// `BG_HEALTH_TIMEOUT=60s` in the environment, which the stages read themselves.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Flags of the stages (see their own --help)")]
pub(crate) struct Stages {
    #[arg(long, value_name = "WITNESS")]
    probe_by: Option<String>,
    #[arg(long, value_name = "DURATION")]
    probe_timeout: Option<String>,
    #[arg(long)]
    launch_adopt: bool,
    #[arg(long, value_name = "DURATION")]
    launch_drain: Option<String>,
    #[arg(long, value_name = "DURATION")]
    launch_stop_timeout: Option<String>,
    #[arg(long, value_name = "N")]
    launch_keep: Option<String>,
    #[arg(long, value_name = "DIR")]
    launch_workdir: Option<String>,
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    #[arg(long, value_name = "TEXT")]
    health_expect: Option<String>,
    #[arg(long, value_name = "STATUS")]
    health_expect_status: Option<String>,
    #[arg(long, value_name = "DURATION")]
    health_timeout: Option<String>,
    #[arg(long, value_name = "DURATION")]
    health_check_timeout: Option<String>,
    #[arg(long, value_name = "DURATION")]
    health_interval: Option<String>,
    #[arg(long, value_name = "N")]
    health_successes: Option<String>,
    #[arg(long, value_name = "PATH")]
    health_warmup: Vec<String>,
    #[arg(long, value_name = "N")]
    health_warmup_requests: Option<String>,
    #[arg(long, value_name = "DURATION")]
    switch_verify_timeout: Option<String>,
    #[arg(long, value_name = "FILE")]
    switch_pid_file: Option<String>,
}

impl Stages {
    /// The flags for one stage, `probe`, `launch`, `health` or `switch`.
    pub(crate) fn of(&self, stage: &str) -> Vec<String> {
        let valued = [
            ("probe-by", &self.probe_by),
            ("probe-timeout", &self.probe_timeout),
            ("launch-drain", &self.launch_drain),
            ("launch-stop-timeout", &self.launch_stop_timeout),
            ("launch-keep", &self.launch_keep),
            ("launch-workdir", &self.launch_workdir),
            ("health-path", &self.health_path),
            ("health-expect", &self.health_expect),
            ("health-expect-status", &self.health_expect_status),
            ("health-timeout", &self.health_timeout),
            ("health-check-timeout", &self.health_check_timeout),
            ("health-interval", &self.health_interval),
            ("health-successes", &self.health_successes),
            ("health-warmup-requests", &self.health_warmup_requests),
            ("switch-verify-timeout", &self.switch_verify_timeout),
            ("switch-pid-file", &self.switch_pid_file),
        ];
        let valued = valued.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let repeated = self.health_warmup.iter().map(|path| ("health-warmup", path.clone()));
        let mine = |name: &str| Some(format!("--{}", name.strip_prefix(stage)?.strip_prefix('-')?));
        // In one word: a value may begin with a dash.
        let flag = |(name, value): (&str, String)| Some(format!("{}={value}", mine(name)?));
        let mut flags: Vec<String> = valued.chain(repeated).filter_map(flag).collect();
        flags.extend(mine("launch-adopt").filter(|_| self.launch_adopt));
        flags
    }

    /// All of them, as they were typed.
    pub(crate) fn typed(&self) -> Vec<String> {
        let typed = |stage| {
            let flags = self.of(stage).into_iter();
            flags.filter_map(move |flag| Some(format!("--{stage}-{}", flag.strip_prefix("--")?)))
        };
        ["probe", "launch", "health", "switch"].into_iter().flat_map(typed).collect()
    }
}

impl AsMut<Settings> for Args {
    fn as_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

const AFTER: &str = "\
Examples:
  bg-deploy build/libs/*.jar
  bg-deploy server -- {artifact} --port {port}
  bg-deploy --rollback
  bg-deploy --watch 30s --env-file /etc/bg/web.env app.jar

Runs bg-probe, bg-launch, bg-health and bg-switch, each on the record of the one before, under one lock.
The record of the last one is printed and kept in DIR/deploys.jsonl.

Exit codes:
  0  done
  1  the system refused: I/O, a permission, a missing program
  2  usage
  4  not healthy in time; the old slot goes on serving
  5  nginx refused or did not move; it is back on the slot it was on
  6  another deploy holds the lock
  7  can't tell which slot is live, or the live one would be touched
  8  the application exited before it was healthy
  9  switched, went bad within the watch, and switched back
  128+N  ended by signal N; nothing is left half-way";
