//! A plan as shell: to be read, and it does the same when it is run, now or later, once or twice.
//!
//! What is there by then is a person's, and stays. A file of an earlier setup is written anew only while it is as it was when
//! the plan was made, by its sum.

use crate::means::Means;
use crate::setup::plan::{Kind, Plan, Step};
use crate::setup::record::There;
use anyhow::Result;
use bg_probe::os::sudo::owner;
use bg_probe::site::digest::of_bytes;
use shell_words::join;
use std::fmt::Write as _;
use std::path::Path;

/// The commands that do what is left of the plan.
///
/// # Errors
/// When the record can't be read or spelled.
pub(super) fn of(plan: &Plan, means: &Means) -> Result<String> {
    let app = &plan.site.app;
    let to_do = plan.to_do(means).unwrap_or_default();
    let to_do: String = to_do.lines().flat_map(|line| ["# ", line, "\n"]).collect();
    let record = plan.record_step(true)?;
    if plan.left().next().is_none() && plan.record(false) == plan.before {
        return Ok(format!("# nothing is missing of {app}\n{to_do}"));
    }
    let mut steps: Vec<&Step> = plan.left().collect();
    // As a setup does it: before all else but the folder that it is in.
    let at = steps.iter().take_while(|step| plan.record.starts_with(&step.path)).count();
    if !record.is_done() {
        steps.insert(at, &record);
    }
    let mut script = head(app.as_str(), &steps);
    for (at, step) in steps.iter().enumerate() {
        script.push_str(&shell(step, Some(at)));
    }
    if plan.server.as_ref().is_some_and(|server| !server.is_done()) {
        for words in [&["-t"][..], &["-s", "reload"]] {
            script.extend([means.nginx.by_hand(words).to_string(), "\n".to_owned()]);
        }
    }
    if plan.record(false) != plan.record(true) {
        let there = There::Ours(plan.record(true).text()?);
        let step = plan.record_step(false)?.with(there);
        script.push_str(&shell(&step, None));
    }
    Ok(script + &to_do)
}

/// What is said of it, and what takes it back where it fails.
fn head(app: &str, steps: &[&Step]) -> String {
    let mut head = format!(
        "# What is missing of {app}, to be run as root. What is there by then is left as it is; where a command fails, what was\n\
         # made is removed. Unlike --setup it does not look whether nginx serves the site, and a kill may leave half of it.\n\
         set -eu\nset --\nback() {{\n    for made; do {{ rmdir \"$made\" || rm -f \"$made\"; }} 2>/dev/null || :; done\n"
    );
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.is_written_anew()) {
        // Writing to a String can't fail.
        let _ = writeln!(head, "    [ -z \"${{was{at}-}}\" ] || printf '%s\\n' \"$was{at}\" >{}", word(&step.path));
    }
    head + "}\ntrap '[ $? = 0 ] || back \"$@\"' EXIT\n"
}

/// The commands of a step. Where it has a number, it may be taken back.
fn shell(step: &Step, number: Option<usize>) -> String {
    let (path, mode) = (step.path.to_string_lossy(), format!("{:o}", step.mode));
    let (user, group) = (owner(step.owner.0), step.group());
    let install = |words: &[&str]| {
        let whose = ["-m", &mode, "-o", &user, "-g", &group];
        join(["install"].iter().chain(&words[..1]).chain(&whose).chain(&words[1..]))
    };
    let (file, note) = (word(&step.path), format!("set -- {} \"$@\"", word(&step.path)));
    match &step.what {
        Kind::Folder => format!("test -d {file} || {{ {}; {note}; }}\n", install(&["-d", &path])),
        Kind::File { text, there: There::Ours(old) } => {
            let (sum, end) = (of_bytes(old.as_bytes()), end_of(text));
            let keep = number.map(|number| format!("was{number}=$(cat {file})\n")).unwrap_or_default();
            format!(
                "if [ \"$(sha256sum <{file})\" = '{sum}  -' ]; then\n{keep}cat >{file} <<'{end}'\n{text}{end}\nfi\n"
            )
        }
        Kind::File { text, .. } => {
            let (empty, end) = (install(&["-T", "/dev/null", &path]), end_of(text));
            format!("test -e {file} || {{\n{empty}\n{note}\ncat >{file} <<'{end}'\n{text}{end}\n}}\n")
        }
    }
}

fn word(path: &Path) -> String {
    join([path.to_string_lossy()])
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
