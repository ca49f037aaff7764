//! The places of an nginx's files, by its configuration, its command line and what was compiled in.
//!
//! A machine can have two of them, the distribution's and one that was built in `/opt`: a list of usual paths would
//! find the other one's master, and have that one read its configuration.

use crate::nginx::dump::matching;
use bg_probe::nginx::conf::{self, Directive};
use std::path::{Path, PathBuf};

/// The files that include each other are no deeper than this; one that includes itself must not go on for ever.
const DEEPEST: usize = 10;

/// The files that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The main one of the configuration.
    pub(crate) main: Option<PathBuf>,
    /// Of the process id of its master.
    pub(crate) pid: Option<PathBuf>,
    /// The error log of the main level, where it is a file.
    pub(crate) error_log: Option<PathBuf>,
}

/// The places compiled in, from the `configure arguments` of `nginx -V`; else the defaults of `configure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    prefix: PathBuf,
    conf: PathBuf,
    pid: PathBuf,
    error_log: PathBuf,
}

impl Built {
    /// From the output of `nginx -V`; `None` where that has no arguments.
    pub(crate) fn parse(text: &str) -> Option<Built> {
        let line = text.lines().find_map(|line| line.strip_prefix("configure arguments:"))?;
        let words = shell_words::split(line).ok()?;
        // The last one counts, as for configure.
        let of = |flag: &str| words.iter().rev().find_map(|word| word.strip_prefix(flag)).map(PathBuf::from);
        Some(Built {
            prefix: of("--prefix=").unwrap_or_else(|| "/usr/local/nginx".into()),
            conf: of("--conf-path=").unwrap_or_else(|| "conf/nginx.conf".into()),
            pid: of("--pid-path=").unwrap_or_else(|| "logs/nginx.pid".into()),
            error_log: of("--error-log-path=").unwrap_or_else(|| "logs/error.log".into()),
        })
    }
}

impl Places {
    /// The places of an nginx that is called with these words after its name; `main` is its main configuration file,
    /// where it has named it. A place that neither the configuration nor the command line has is as it was built.
    pub(crate) fn of(words: &[String], built: Option<&Built>, main: Option<&Path>) -> Places {
        let prefix = option(words, 'p').map(PathBuf::from).or_else(|| built.map(|built| built.prefix.clone()));
        // As nginx does (`ngx_conf_full_name`): relative to the prefix, whatever the file that names it.
        let absolute = |path: PathBuf| match &prefix {
            _ if path.is_absolute() => Some(path),
            Some(prefix) => Some(prefix.join(path)),
            None => None,
        };
        let called = || option(words, 'c').map(PathBuf::from).or_else(|| built.map(|built| built.conf.clone()));
        let main = main.map(Path::to_path_buf).or_else(called).and_then(absolute);
        let in_file = main.as_deref().map(|file| at_main_level(file, file.parent().unwrap_or(Path::new("/")), 0));
        let given = option(words, 'g').and_then(|text| conf::parse(text).ok());
        let directives = [given.unwrap_or_default(), in_file.unwrap_or_default()].concat();
        let log = named(&directives, "error_log")
            .or_else(|| option(words, 'e').map(PathBuf::from))
            .or_else(|| built.map(|built| built.error_log.clone()));
        let to_disk = |log: &PathBuf| {
            let text = log.to_string_lossy();
            text != "stderr" && !text.starts_with("syslog:") && !text.starts_with("memory:")
        };
        Places {
            main,
            pid: named(&directives, "pid").or_else(|| built.map(|built| built.pid.clone())).and_then(absolute),
            error_log: log.filter(to_disk).and_then(absolute),
        }
    }
}

/// The directives of the main level, those of the files that are included there in their place. Whatever the file that
/// includes another, that is relative to the main one's `folder`.
fn at_main_level(file: &Path, folder: &Path, depth: usize) -> Vec<Directive> {
    let read = || conf::parse(&std::fs::read_to_string(file).ok()?).ok();
    let Some(directives) = read().filter(|_| depth < DEEPEST) else { return Vec::new() };
    let with_those_included = |directive: Directive| match directive.texts().as_slice() {
        ["include", pattern] => {
            let files = matching(&folder.join(pattern));
            files.iter().flat_map(|file| at_main_level(file, folder, depth + 1)).collect()
        }
        _ => vec![directive],
    };
    directives.into_iter().flat_map(with_those_included).collect()
}

fn named(directives: &[Directive], name: &str) -> Option<PathBuf> {
    let found = directives.iter().find(|directive| directive.texts().first() == Some(&name))?;
    found.words.get(1).map(|word| PathBuf::from(&word.text))
}

/// The value of an option, as nginx takes it: `-p FOLDER` or `-pFOLDER`.
fn option(words: &[String], letter: char) -> Option<&str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // Those that have a value.
        let Some(letters) = word.strip_prefix('-').filter(|letters| letters.starts_with(['p', 'c', 'g', 'e'])) else {
            continue;
        };
        let (name, joined) = letters.split_at(1);
        let value = if joined.is_empty() { words.next()? } else { joined };
        if name.starts_with(letter) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "nginx version: nginx/1.28.3\nconfigure arguments: --with-cc-opt='-O2 -fPIC' --prefix=/opt/nginx \
                        --conf-path=/nowhere/nginx.conf --pid-path=run/nginx.pid\n";

    fn places(words: &[&str]) -> Places {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Places::of(&words, Built::parse(SAID).as_ref(), None)
    }

    fn are(pid: &str, log: Option<&str>) -> Places {
        let main = Some("/nowhere/nginx.conf".into());
        Places { main, pid: Some(pid.into()), error_log: log.map(PathBuf::from) }
    }

    #[test]
    fn what_nothing_else_says_is_as_it_was_built() {
        assert_eq!(places(&[]), are("/opt/nginx/run/nginx.pid", Some("/opt/nginx/logs/error.log")));
        assert_eq!(places(&["-p", "/srv"]), are("/srv/run/nginx.pid", Some("/srv/logs/error.log")));
        assert_eq!(places(&["-p/srv/", "-q"]), are("/srv/run/nginx.pid", Some("/srv/logs/error.log")));
        let built = Built::parse("configure arguments:\n").unwrap();
        let usual = are("/usr/local/nginx/logs/nginx.pid", Some("/usr/local/nginx/logs/error.log"));
        assert_eq!(Places::of(&[], Some(&built), Some(Path::new("/nowhere/nginx.conf"))), usual);
        assert_eq!((Built::parse("bash: nginx: not found\n"), Places::of(&[], None, None)), (None, Places::default()));
    }

    #[test]
    fn the_command_line_and_the_configuration_win() {
        assert_eq!(places(&["-g", "pid /run/web.pid; error_log stderr;"]), are("/run/web.pid", None));
        assert_eq!(places(&["-e", "/var/log/e"]), are("/opt/nginx/run/nginx.pid", Some("/var/log/e")));
    }
}
