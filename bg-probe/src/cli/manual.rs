//! Man pages and completions, from the same definitions as `--help`: `bg-probe --manual man|bash|zsh|fish`.
//!
//! It is for makers of packages. The programs as they are used have no such flag, and are the smaller for it.

use crate::say::exit::Exit;
use crate::say::stdout::print;
use anyhow::Result;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// What the five have in common.
const MANUAL: &str = "Zero-downtime deploys";

/// Prints a program's manual and ends it, where `--manual` is the first word of its command line.
///
/// # Errors
/// [`Exit::Done`] where it was printed, [`Exit::Usage`] for another kind of manual.
pub(crate) fn print_if_asked(command: Command) -> Result<()> {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some("--manual") {
        return Ok(());
    }
    let kind = words.next().unwrap_or_default();
    let text = match (kind.as_str(), kind.parse::<Shell>()) {
        ("man", _) => page(command)?,
        (_, Ok(shell)) => completions(command, shell),
        _ => return Err(Exit::Usage.because("--manual man, bash, zsh or fish")),
    };
    print(&text)?;
    Err(Exit::Done.silently())
}

fn completions(mut command: Command, shell: Shell) -> String {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn page(mut command: Command) -> Result<String> {
    let name = command.get_name().to_owned();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // Every flag by name would fill a screen, and --help does not do so either.
    let usage = command.render_usage().to_string().replacen("Usage: ", "", 1);
    let man = Man::new(command.override_usage(usage)).manual(MANUAL);
    let blocks = after.split("\n\n").map(|block| (title(block), block));
    let (paragraphs, tables): (Vec<_>, Vec<_>) = blocks.partition(|(title, _)| title.is_none());
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    text.extend(description(paragraphs.iter().map(|(_, block)| *block)).into_bytes());
    man.render_options_section(&mut text)?;
    for (title, block) in tables {
        text.extend(table(title.unwrap_or_default(), block).into_bytes());
    }
    text.extend(see_also(&name).into_bytes());
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The section of what stands below the flags in `--help` as a table; `None` for a paragraph.
fn title(block: &str) -> Option<&'static str> {
    match block.lines().next()? {
        "Examples:" => Some("EXAMPLES"),
        "Exit codes:" => Some("EXIT STATUS"),
        _ => None,
    }
}

fn description<'a>(paragraphs: impl Iterator<Item = &'a str>) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in paragraphs {
        roff.control("PP", []).text([roman(paragraph)]);
    }
    roff.to_roff()
}

/// A section whose lines stay as they are.
fn table(title: &str, block: &str) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]).control("nf", []);
    for line in block.lines().skip(1) {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).to_roff()
}

fn see_also(name: &str) -> String {
    let others = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"];
    let others = others.into_iter().filter(|other| *other != name).flat_map(|other| [bold(other), roman("(1), ")]);
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text(others.chain([bold("nginx"), roman("(8)")]).collect::<Vec<_>>());
    roff.to_roff()
}
