//! The places in a command that are filled in: `{slot}`, `{port}`, `{artifact}`, `{release}`.
//!
//! Anything else in braces is the command's own, as JSON or a pattern of a log's lines. But for a word that is almost one of
//! these, which nobody would write for another reason: it would go through as text, and a release would fail by it.

/// Their names.
const NAMES: [&str; 4] = ["artifact", "port", "release", "slot"];

/// The letters in which a long name may differ; a short one is too near to other words.
const MOST: usize = 2;

/// The first word in braces that is almost one of the names, and that name. What a shell or a template language fills in,
/// `${port}` and `{{port}}`, is theirs.
#[must_use]
pub fn mistyped(text: &str) -> Option<(&str, &'static str)> {
    let words = text.match_indices('{').filter_map(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + 1..]);
        let (word, rest) = behind.split_once('}')?;
        let is_theirs = before.ends_with(['$', '{']) || rest.starts_with('}');
        (!is_theirs).then_some(word)
    });
    words.into_iter().find_map(|word| Some((word, meant(word)?)))
}

/// The name that was meant by a word, where it is almost that.
fn meant(word: &str) -> Option<&'static str> {
    let is_word = !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphabetic() || c == b'_');
    let small = word.to_ascii_lowercase();
    let is_almost = |name: &str| {
        let is_long = name.len() > 2 * MOST + 1;
        // Two letters in each other's place.
        let is_turned = small.len() == name.len() && letters(&small) == letters(name);
        let distance = strsim::damerau_levenshtein(&small, name);
        distance == 0 || distance == 1 && is_turned || is_long && distance <= MOST
    };
    NAMES.into_iter().find(|name| is_almost(name)).filter(|name| is_word && *name != word)
}

fn letters(word: &str) -> Vec<u8> {
    let mut letters = word.as_bytes().to_vec();
    letters.sort_unstable();
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_almost_a_name_was_meant_for_it_and_no_other() {
        for (text, name) in [
            ("{artefact}", "artifact"),
            ("--jar={Artifact}/a", "artifact"),
            ("{realease}", "release"),
            ("{slot}-{relase}", "release"),
            ("{prot}", "port"),
            ("http://127.0.0.1:{PORT}/", "port"),
        ] {
            assert_eq!(mistyped(text).map(|(_, name)| name), Some(name), "{text}");
        }
        for text in [
            "{artifact}/{release}/{slot}:{port}",
            r#"{"release": "{release}"}"#,
            "{part} {host} {post} {ports} {sort} {spot} {level} {}",
            "${PORT} ${Release} {{artefact}} {{ realease }}",
            "{artefact,release}",
            "{artefact",
        ] {
            assert_eq!(mistyped(text), None, "{text}");
        }
    }
}
