//! Lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them, but for what a shell would expand or run.

use anyhow::{Context, Result, bail};

/// A variable, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The number of its line; the first is 1.
    pub line: usize,
}

/// The variables in a text, in its order.
///
/// # Errors
/// When a line is not made of them; it is named by its number.
pub fn parse(text: &str) -> Result<Vec<Variable>> {
    let mut variables = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let words = shell_words::split(text).with_context(|| format!("line {number}"))?;
        for word in words.iter().filter(|word| *word != "export") {
            match word.split_once('=') {
                Some((name, value)) if is_name(name) => {
                    variables.push(Variable { name: name.to_owned(), value: value.to_owned(), line: number });
                }
                // Not the word itself: it may be half of a password.
                _ => bail!("line {number} has a word that is not NAME=VALUE"),
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
    fn lines_are_read_as_a_shell_reads_them() {
        let read = parse("# web\n\nBG_APP=web\nexport JAVA_OPTS='-Xmx256m -Da=b'\nA=\"x y\" B=\n").unwrap();
        let expected = [("BG_APP", "web", 3), ("JAVA_OPTS", "-Xmx256m -Da=b", 4), ("A", "x y", 5), ("B", "", 5)];
        let of = |(name, value, line): (&str, &str, usize)| Variable { name: name.into(), value: value.into(), line };
        assert_eq!(read, expected.map(of));
    }

    #[test]
    fn a_line_that_is_no_variable_is_named() {
        for bad in ["BG_APP", "A=b\nrm -rf x", "1A=b", "A='b"] {
            assert!(format!("{:#}", parse(bad).unwrap_err()).contains("line "), "{bad}");
        }
    }
}
