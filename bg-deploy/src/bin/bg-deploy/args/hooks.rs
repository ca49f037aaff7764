//! The flags of the hooks: commands of the operator's own.

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
