//! The site that a program means which a person starts by hand: what stands in variables, and the defaults.

use crate::site::settings::{Setting, Settings, Site};
use clap::{Arg, Args, Command, FromArgMatches};

/// Whether the variable of a flag is set to nothing: that is as good as not set, as shells and units of systemd write it.
pub(crate) fn is_empty(arg: &Arg) -> bool {
    arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty())
}

/// The flags without which another site would be meant. The default folder of another user is another one.
pub(super) fn flags_for(site: &Site, is_by_another: bool) -> Vec<String> {
    let by_hand = by_hand();
    let mut flags = Vec::new();
    for setting in Setting::ALL {
        let Ok(value) = site.spelled(setting) else { continue };
        let there = by_hand.as_ref().and_then(|by_hand| by_hand.spelled(setting).ok());
        let moves = is_by_another && setting == Setting::Dir && std::env::var_os("BG_DIR").is_none();
        if there.as_ref() == Some(&value) && !moves {
            continue;
        }
        // A default that another value stands in the way of.
        let default = (setting == Setting::SlotUrl && there.is_some()).then(|| site.address.to_string());
        flags.extend(value.or(default).into_iter().flat_map(|value| [format!("--{}", setting.flag()), value]));
    }
    flags
}

/// `None` where the variables describe none.
fn by_hand() -> Option<Site> {
    let command = Settings::augment_args(Command::new("")).no_binary_name(true);
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg });
    let matches = command.try_get_matches_from::<[&str; 0], &str>([]).ok()?;
    Settings::from_arg_matches(&matches).ok()?.site().ok()
}
