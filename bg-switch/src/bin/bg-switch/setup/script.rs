//! A plan as shell: to be read, and it does the same when it is run.

use crate::means::Means;
use crate::setup::plan::{Kind, Plan, Step};
use bg_probe::os::sudo::owner;
use shell_words::join;

/// The commands that do what is left of the plan.
pub(super) fn of(plan: &Plan, means: &Means) -> String {
    let nginx = |words: &[&str]| means.nginx.by_hand(words).to_string();
    let mut script = format!("# What is missing of {}, to be run as root.\nset -eu\n", plan.site.app);
    script.extend(plan.left().map(shell));
    if let Some(server) = plan.server.as_ref().filter(|server| !server.is_done()) {
        let remove = join(["rm", "-f", &server.path.to_string_lossy()]);
        script
            .push_str(&[&nginx(&["-t"]), " || { ", &remove, "; exit 1; }\n", &nginx(&["-s", "reload"]), "\n"].concat());
    }
    if let Some(to_do) = plan.to_do(means) {
        script.extend(to_do.lines().map(|line| format!("# {line}\n")));
    }
    script
}

fn shell(step: &Step) -> String {
    let (path, mode) = (step.path.to_string_lossy(), format!("{:o}", step.mode));
    let (user, group) = (owner(step.owner.0), step.group());
    let install = |words: &[&str]| {
        let whose = ["-m", &mode, "-o", &user, "-g", &group];
        join(["install"].iter().chain(&words[..1]).chain(&whose).chain(&words[1..]))
    };
    match &step.what {
        Kind::Folder => format!("{}\n", install(&["-d", &path])),
        Kind::File { text, .. } => {
            let end = end_of(text);
            // What is there already is replaced in one step by --setup alone.
            let empty = install(&["-T", "/dev/null", &path]);
            format!("{empty}\ncat >{} <<'{end}'\n{text}{end}\n", join([path]))
        }
    }
}

/// A word that is no line of the text.
fn end_of(text: &str) -> String {
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_does_not_end_before_its_end() {
        assert_eq!((end_of("a\nb\n"), end_of("END\nEND_\n")), ("END".to_owned(), "END__".to_owned()));
    }
}
