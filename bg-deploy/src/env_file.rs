//! `--env-file`: settings in lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them.

use anyhow::{Context, Result, bail};
use bg_probe::exit::{Exit, OrExit};
use std::path::Path;
use std::process::Command;

/// What says that this process was given the file's variables already.
const READ: &str = "BG_ENV_FILE_READ";

/// Replaces this process by one with the variables of `file` in its environment, unless that was done already.
///
/// The command line is read with the environment as its background, so the environment has to be there first;
/// and a program can't change its own safely.
///
/// # Errors
/// When the file can't be read; [`Exit::Usage`] when a line in it is not a variable.
pub(crate) fn apply(file: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(READ).is_some_and(|read| read == file.as_os_str()) {
        return Ok(());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let variables = parse(&text).with_context(|| file.display().to_string()).or_exit(Exit::Usage)?;
    let mut words = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    // Under its own name in the list of processes.
    again.arg0(words.next().unwrap_or_else(|| "bg-deploy".into())).args(words).envs(variables).env(READ, file);
    Err(again.exec()).context("start again with the variables of the file")
}

fn parse(text: &str) -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words = shell_words::split(line).with_context(|| format!("line {}", number + 1))?;
        for word in words.iter().filter(|word| *word != "export") {
            match word.split_once('=') {
                Some((name, value)) if is_name(name) => variables.push((name.to_owned(), value.to_owned())),
                _ => bail!("line {}: {word:?} is not NAME=VALUE", number + 1),
            }
        }
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_a_shell_reads_them() {
        let read = parse("# web\n\nBG_APP=web\nexport JAVA_OPTS='-Xmx256m -Da=b'\nA=\"x y\" B=\n").unwrap();
        let expected = [("BG_APP", "web"), ("JAVA_OPTS", "-Xmx256m -Da=b"), ("A", "x y"), ("B", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_line_that_is_no_variable_is_named() {
        for bad in ["BG_APP", "A=b\nrm -rf x", "1A=b", "A='b"] {
            assert!(format!("{:#}", parse(bad).unwrap_err()).contains("line "), "{bad}");
        }
    }
}
