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

/// `text` with the password of every URL in it masked: `http://operator:***@127.0.0.1/profile` (the userinfo of RFC 3986,
/// 3.2.1). A record stays JSON.
#[must_use]
pub fn masked(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "/?#\\\"'<>".contains(c);
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let authority = &part[..part.find(ends).unwrap_or(part.len())];
        let userinfo =
            authority.rsplit_once('@').and_then(|(userinfo, _)| Some((userinfo, userinfo.split_once(':')?.0)));
        out.push_str("://");
        match userinfo {
            Some((userinfo, user)) => out.extend([user, ":***", &part[userinfo.len()..]]),
            None => out.push_str(part),
        }
    }
    out
}

/// A value that is meant to be one URL, masked even where it is none because of its password: `http://u:a b/c@d/`.
#[must_use]
pub fn masked_value(value: &str) -> String {
    let parts = value.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match parts.and_then(|(scheme, (userinfo, rest))| Some((scheme, userinfo.split_once(':')?.0, rest))) {
        Some((scheme, user, rest)) => format!("{scheme}://{user}:***@{rest}"),
        None => value.to_owned(),
    }
}

/// `text` masked, cleaned and cut to a length that fits in a line.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let text = masked(text);
    let cut: String = text.chars().take(MOST).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    clean(&cut) + dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_masked_and_nothing_else() {
        for (text, shown) in [
            ("at http://u:p@a:1/x:y@z", "at http://u:***@a:1/x:y@z"),
            ("{\"front\":\"https://u:p:@q@[::1]\",\"a\":\"b@c\"}", "{\"front\":\"https://u:***@[::1]\",\"a\":\"b@c\"}"),
            ("http://u:@a http://:p@b", "http://u:***@a http://:***@b"),
            ("http://u@a http://a:80/ x://", "http://u@a http://a:80/ x://"),
            ("a:b@c, http://a 1:2@b", "a:b@c, http://a 1:2@b"),
        ] {
            assert_eq!(masked(text), shown);
        }
        assert_eq!(masked_value("http://u:a b/#c@d/"), "http://u:***@d/");
        let long = format!("http://u:{}@a/", "p".repeat(200));
        assert_eq!(quoted(&long), "http://u:***@a/", "masked before it is cut");
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(clean("\u{1b}[2Jred\r\n\u{202e}x"), "\\u{1b}[2Jred\\r\\n\\u{202e}x");
        assert_eq!(quoted(&"y".repeat(200)).len(), 83);
    }
}
