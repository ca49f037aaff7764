//! The flags of single stages: `--health-timeout 60s` here is `--timeout 60s` of bg-health, and so is
//! `BG_HEALTH_TIMEOUT=60s` in the environment, which the stages read themselves.

use Takes::{Many, Nothing, One};
use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};

/// What a flag takes, under this name in the help.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    One(&'static str),
    /// One each time it is given.
    Many(&'static str),
}

/// Each flag by its name here, which begins with the stage's; what it takes; and its help.
const FLAGS: [(&str, Takes, &str); 20] = [
    ("probe-by", One("WITNESS"), "Whom to ask which slot is live: front, file or both"),
    ("probe-timeout", One("DURATION"), "How long the front may take for one answer"),
    ("launch-adopt", Nothing, "Take over a process of the same user that bg-launch did not start"),
    ("launch-drain", One("DURATION"), "How long to wait until the slot's last connection is closed"),
    ("launch-stop-timeout", One("DURATION"), "How long the old process may take to stop before it is killed"),
    ("launch-via", One("VIA"), "Who looks after the application: session or systemd"),
    ("launch-user", One("NAME"), "The user the application runs as, where root launches it"),
    ("launch-keep", One("N"), "How many releases, and how many logs a slot, to keep"),
    ("launch-workdir", One("DIR"), "The folder the application runs in"),
    ("health-path", One("PATH"), "Where to ask whether it is healthy"),
    ("health-expect", One("TEXT"), "What the answer must contain"),
    ("health-expect-status", One("STATUS"), "The status to answer with"),
    ("health-timeout", One("DURATION"), "How long to wait until it is healthy"),
    ("health-check-timeout", One("DURATION"), "How long one answer may take"),
    ("health-interval", One("DURATION"), "The time from one check to the next"),
    ("health-successes", One("N"), "How many healthy answers in a row it takes"),
    ("health-warmup", Many("PATH"), "A path to send real requests to first"),
    ("health-warmup-requests", One("N"), "How many requests to send to each of them"),
    ("switch-verify-timeout", One("DURATION"), "How long nginx may take until it is seen to serve the slot"),
    ("switch-pid-file", One("FILE"), "The file with the process id of nginx"),
];

/// The flags that were given, in the order of the table, each with its value.
#[derive(Clone, Debug)]
pub(crate) struct Stages(Vec<(&'static str, Option<String>)>);

impl Stages {
    /// The flags for one stage, `probe`, `launch`, `health` or `switch`, as that stage knows them.
    pub(crate) fn of(&self, stage: &str) -> Vec<String> {
        let its = |name: &'static str| name.split_once('-').filter(|(of, _)| *of == stage).map(|(_, flag)| flag);
        self.0.iter().filter_map(|(name, value)| Some(word(its(name)?, value.as_deref()))).collect()
    }

    /// All of them, as they were typed.
    pub(crate) fn typed(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| word(name, value.as_deref())).collect()
    }
}

/// In one word: a value may begin with a dash.
fn word(flag: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("--{flag}"), |value| format!("--{flag}={value}"))
}

impl clap::Args for Stages {
    fn augment_args(command: Command) -> Command {
        let arg = |(name, takes, help): (&'static str, Takes, &'static str)| {
            let arg = Arg::new(name).long(name).help(help);
            match takes {
                Nothing => arg.action(ArgAction::SetTrue),
                One(what) => arg.action(ArgAction::Set).value_name(what),
                Many(what) => arg.action(ArgAction::Append).value_name(what),
            }
        };
        let heading = "Flags of the stages (--health-timeout is --timeout of bg-health)";
        command.next_help_heading(heading).args(FLAGS.map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Stages::augment_args(command)
    }
}

impl FromArgMatches for Stages {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Stages, Error> {
        let given = |(name, takes, _): (&'static str, Takes, _)| -> Vec<(&'static str, Option<String>)> {
            match takes {
                Nothing if matches.get_flag(name) => vec![(name, None)],
                Nothing => Vec::new(),
                One(_) | Many(_) => {
                    let values = matches.get_many::<String>(name).into_iter().flatten();
                    values.map(|value| (name, Some(value.clone()))).collect()
                }
            }
        };
        Ok(Stages(FLAGS.into_iter().flat_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Stages::from_arg_matches(matches)?;
        Ok(())
    }
}
