//! Words from elsewhere, made harmless, and numbers as people read them.
//!
//! An answer, a log or a path may hold anything; no control character of theirs reaches a terminal.

use std::time::Duration;

/// A duration as people write it: `0.01s`, `2.3s`, `110s`.
#[must_use]
pub fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match seconds {
        s if s < 0.1 => format!("{s:.2}s"),
        s if s < 10.0 => format!("{s:.1}s"),
        s => format!("{s:.0}s"),
    }
}

/// `text` with every control character written out, so that it can't move a terminal's cursor.
#[must_use]
pub fn clean(text: &str) -> String {
    // Bidirectional overrides reorder what a terminal shows without being control characters.
    let harmless = |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c == '\t' {
            out.push(' ');
        } else if harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
        out
    })
}

/// `text` cleaned and cut to a length that fits in a line.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let cut: String = text.chars().take(MOST).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    clean(&cut) + dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(clean("\u{1b}[2Jred\r\n\u{202e}x"), "\\u{1b}[2Jred\\r\\n\\u{202e}x");
        assert_eq!(quoted(&"y".repeat(200)).len(), 83);
    }
}
