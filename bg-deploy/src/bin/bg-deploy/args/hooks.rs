//! The flags of the hooks: commands of the operator's own.

use bg_probe::cli::command_line::splittable;
use bg_probe::os::span::Span;
use clap::builder::FalseyValueParser;
use std::str::FromStr;

/// The flags of the hooks.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Hooks (commands run without a shell, the record on stdin)")]
pub(crate) struct Hooks {
    /// Run before nginx is moved, but not in a rollback; if it fails, the deploy fails
    #[arg(long, env = "BG_DEPLOY_BEFORE_SWITCH", value_name = "CMD", hide_env_values = true)]
    pub(crate) before_switch: Option<Hook>,
    /// Make a pass to the new release for --before-switch, which finds it in BG_PREVIEW_COOKIE and BG_PREVIEW_URL
    #[arg(long, env = "BG_DEPLOY_PREVIEW", value_parser = FalseyValueParser::new())]
    pub(crate) preview: bool,
    /// Run after a deploy that is done
    #[arg(long, env = "BG_DEPLOY_ON_SUCCESS", value_name = "CMD", hide_env_values = true)]
    pub(crate) on_success: Option<Hook>,
    /// Run after a deploy or a rollback that failed
    #[arg(long, env = "BG_DEPLOY_ON_FAILURE", value_name = "CMD", hide_env_values = true)]
    pub(crate) on_failure: Option<Hook>,
    /// Run after nginx was moved back, by --rollback or by --watch
    #[arg(long, env = "BG_DEPLOY_ON_ROLLBACK", value_name = "CMD", hide_env_values = true)]
    pub(crate) on_rollback: Option<Hook>,
    /// Kill a hook that takes longer than this
    #[arg(long, env = "BG_DEPLOY_HOOK_TIMEOUT", default_value = "30s", value_name = "DURATION")]
    pub(crate) hook_timeout: Span,
}

/// The hooks of bg-launch, which are handed on to it under the same names. Their variables are its own.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Hooks of bg-launch (run as the application's user, with its environment)")]
pub(crate) struct Launching {
    /// Run before anything is stopped for a new release, when that is on disk: a migration; if it fails, the deploy fails (4)
    #[arg(long, value_name = "CMD", value_parser = splittable)]
    before_launch: Option<String>,
    /// The same before a rollback
    #[arg(long, value_name = "CMD", value_parser = splittable)]
    before_rollback: Option<String>,
    /// Run when an old release has ended, by --stop-old or for the next one
    #[arg(long, value_name = "CMD", value_parser = splittable)]
    after_retire: Option<String>,
}

impl Launching {
    /// The words for bg-launch.
    pub(crate) fn words(self) -> impl Iterator<Item = String> {
        let hooks = [
            ("before-launch", self.before_launch),
            ("before-rollback", self.before_rollback),
            ("after-retire", self.after_retire),
        ];
        hooks.into_iter().filter_map(|(flag, hook)| Some(format!("--{flag}={}", hook?)))
    }
}

/// A command in words, its program first; none for an empty text.
#[derive(Clone, Debug)]
pub(crate) struct Hook(pub(crate) Vec<String>);

impl FromStr for Hook {
    type Err = shell_words::ParseError;

    fn from_str(text: &str) -> Result<Hook, shell_words::ParseError> {
        shell_words::split(text).map(Hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_split_into_words_as_a_shell_does_and_not_expanded() {
        let words = |text: &str| text.parse::<Hook>().unwrap().0;
        assert_eq!(words("notify 'a b' $HOME;x *"), ["notify", "a b", "$HOME;x", "*"]);
        assert_eq!(words(" "), [""; 0]);
        assert!("notify 'a".parse::<Hook>().is_err());
    }
}
