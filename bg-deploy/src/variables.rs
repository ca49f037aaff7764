//! Lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them, but for what a shell would expand or run.

use anyhow::{Context, Result, bail};

/// The names and values in a text, in its order.
///
/// # Errors
/// When a line is not made of them; it is named by its number.
pub fn parse(text: &str) -> Result<Vec<(String, String)>> {
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
                // Not the word itself: it may be half of a password.
                _ => bail!("line {} has a word that is not NAME=VALUE", number + 1),
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
