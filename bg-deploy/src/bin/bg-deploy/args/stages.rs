//! The flags of single stages: `--health-timeout 60s` here is `--timeout 60s` of bg-health, and so is
//! `BG_HEALTH_TIMEOUT=60s` in the environment, which the stages read themselves.

use crate::stage::Name;
use Name::{Health, Launch, Probe, Switch};
use Takes::{Many, Nothing, One};
use bg_probe::os::sudo::shown;
use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};

/// What a flag takes, under this name in the help.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    One(&'static str),
    /// One each time it is given.
    Many(&'static str),
}

/// Each flag: its stage; its name here, which begins with the stage's; what it takes; and its help.
const FLAGS: &[(Name, &str, Takes, &str)] = &[
    (Probe, "probe-by", One("WITNESS"), "Ask these which slot is live: front, file or both"),
    (Probe, "probe-timeout", One("DURATION"), "Let the front take this long for one answer"),
    (Launch, "launch-adopt", Nothing, "Take over a process of the same user that bg-launch did not start"),
    (Launch, "launch-drain", One("DURATION"), "Wait this long until the slot's last connection is closed"),
    (Launch, "launch-stop-timeout", One("DURATION"), "Let the old process take this long to stop, then kill it"),
    (Launch, "launch-stop-signal", One("SIGNAL"), "Ask the application to end by this signal instead of TERM"),
    (Launch, "launch-via", One("VIA"), "Start the application in a session, or by systemd as a unit"),
    (Launch, "launch-user", One("NAME"), "Run the application as this user, where root launches it"),
    (Launch, "launch-keep", One("N"), "Keep this many releases, and this many logs a slot"),
    (Launch, "launch-workdir", One("DIR"), "Run the application in this folder"),
    (Launch, "launch-hook-timeout", One("DURATION"), "End a hook of bg-launch that takes longer than this"),
    (Health, "health-path", One("PATH"), "Ask for the health at this path"),
    (Health, "health-expect", One("TEXT"), "Require this text in the answer"),
    (Health, "health-expect-status", One("STATUS"), "Require this status of the answer"),
    (Health, "health-host", One("HOST"), "Ask for this host name"),
    (Health, "health-header", Many("HEADER"), "Send this header along, NAME: VALUE"),
    (Health, "health-port", One("NAME=PORT,NAME=PORT"), "Ask for the health at these ports, those for management"),
    (Health, "health-timeout", One("DURATION"), "Wait this long until it is healthy"),
    (Health, "health-check-timeout", One("DURATION"), "Let one answer take this long"),
    (Health, "health-interval", One("DURATION"), "Wait this long from one check to the next"),
    (Health, "health-successes", One("N"), "Require this many healthy answers in a row"),
    (Health, "health-warmup", Many("PATH"), "Send real requests to this path first"),
    (Health, "health-warmup-requests", One("N"), "Send this many requests to each of them"),
    (Health, "health-watch-errors", One("PERCENT"), "While it is watched, let this part of its answers be 5xx at most"),
    (
        Health,
        "health-watch-p95",
        One("DURATION"),
        "While it is watched, require that 95 % of its answers begin within this",
    ),
    (Health, "health-watch-requests", One("N"), "Judge it by so many answers at least; fewer prove nothing"),
    (Health, "health-watch-quiet", One("WHAT"), "Where nothing is proven, keep the release, or go back"),
    (Switch, "switch-verify-timeout", One("DURATION"), "Wait this long until nginx is seen to serve the slot"),
    (Switch, "switch-quiet-old", One("SIGNAL"), "Tell the old release by this signal that all visitors have gone"),
    (Switch, "switch-quiet-new", One("SIGNAL"), "Tell one that was quieted so, and is live again, by this signal"),
    (
        Switch,
        "switch-linger-idle",
        One("DURATION"),
        "Let nobody stay once none has come to the old release for this long",
    ),
    (Switch, "switch-pid-file", One("FILE"), "Read the process id of nginx from this file"),
];

/// The flags that were given, in the order of the table: each with its stage, and in one word as it was typed, for a value
/// may begin with a dash.
#[derive(Clone, Debug)]
pub(crate) struct Stages(Vec<(Name, String)>);

impl Stages {
    /// Each with its stage, as that stage knows it.
    pub(crate) fn own(&self) -> impl Iterator<Item = (Name, String)> {
        self.0.iter().map(|(stage, word)| (*stage, word.replacen(&format!("{stage}-"), "", 1)))
    }

    /// Those of one stage, as that stage knows them.
    pub(crate) fn of(&self, stage: Name) -> impl Iterator<Item = String> {
        self.own().filter_map(move |(of, word)| (of == stage).then_some(word))
    }

    /// All of them, as they are shown in a message: as they were typed, but for what may be a secret.
    pub(crate) fn shown(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(_, word)| shown(word))
    }
}

impl clap::Args for Stages {
    fn augment_args(command: Command) -> Command {
        let arg = |(_, name, takes, help): (Name, &'static str, Takes, &'static str)| {
            let arg = Arg::new(name).long(name).help(help);
            match takes {
                Nothing => arg.action(ArgAction::SetTrue),
                One(what) => arg.action(ArgAction::Set).value_name(what),
                Many(what) => arg.action(ArgAction::Append).value_name(what),
            }
        };
        let heading = "Flags of the stages (--health-timeout is --timeout of bg-health)";
        command.next_help_heading(heading).args(FLAGS.iter().copied().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Stages::augment_args(command)
    }
}

impl FromArgMatches for Stages {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Stages, Error> {
        let given = |(stage, name, takes, _): (Name, &'static str, Takes, _)| -> Vec<(Name, String)> {
            match takes {
                Nothing => matches.get_flag(name).then(|| (stage, format!("--{name}"))).into_iter().collect(),
                One(_) | Many(_) => {
                    let values = matches.get_many::<String>(name).into_iter().flatten();
                    values.map(|value| (stage, format!("--{name}={value}"))).collect()
                }
            }
        };
        Ok(Stages(FLAGS.iter().copied().flat_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Stages::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_begins_with_the_name_of_its_stage() {
        for (stage, name, ..) in FLAGS {
            assert!(name.starts_with(&format!("{stage}-")), "{name}");
        }
    }
}
