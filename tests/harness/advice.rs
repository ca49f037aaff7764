//! Advice: a command that a program prints for a person to copy, and a machine on which it can be copied to a shell.

use crate::{Ran, World, programs};

/// What sudo(8) is to a command: another user, and no setting without `-E`. Who runs the tests is root already.
const SUDO: &str = r#"user=root keep=
while :; do
    case $1 in
        -u) user=${2#\#}; shift 2;;
        -E) keep=yes; shift;;
        *) break;;
    esac
done
[ "$keep" ] || for name in $(env | sed -n 's/^\(BG_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
while case $1 in *=*) true;; *) false;; esac; do export "$1"; shift; done
[ "$user" = root ] || exec setpriv --reuid="$user" --regid="$(id -g "$user" 2>/dev/null || echo "$user")" --clear-groups "$@"
SUDO_USER=operator exec "$@""#;

impl Ran {
    /// The command behind these words in what was said or printed, whole: up to the end of its line, or to another way out.
    #[track_caller]
    #[must_use]
    pub fn advice(&self, words: &str) -> String {
        let text = self.stderr() + &self.stdout();
        let behind = text.split_once(words).unwrap_or_else(|| panic!("no advice behind {words:?}: {self}")).1;
        let line = behind.lines().next().unwrap_or_default();
        line.split("; or").next().unwrap_or_default().to_owned()
    }
}

impl World {
    /// A machine with a sudo.
    #[must_use]
    pub fn with_sudo(self) -> Self {
        self.script("sbin/sudo", SUDO);
        let path = format!("{}:{}", self.word("sbin"), programs::path().display());
        self.env("PATH", &path)
    }

    /// A machine on which the settings stand in a file, and in no variable; the file.
    #[must_use]
    pub fn by_file(mut self) -> (Self, String) {
        let command = self.command("env".as_ref());
        let ours = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
        let ours = ours.filter(|(name, _)| name.starts_with("BG_"));
        let line = |(name, value): (&str, &str)| format!("{name}='{}'\n", value.replace('\'', r"'\''"));
        let text = ours.map(line).collect::<Vec<_>>().concat();
        let file = self.write("web.env", text).display().to_string();
        self.in_a_file();
        (self, file)
    }
}
