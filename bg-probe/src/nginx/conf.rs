//! As much of nginx's configuration language as is needed to read a few directives for certain.
//!
//! A pattern over lines takes a comment for a directive, and misses one that is quoted or broken over two
//! lines. nginx's grammar is small: words, quotes, `;`, `{`, `}` and `#` (`ngx_conf_file.c`).

use anyhow::{Result, bail, ensure};
use std::ops::Range;

/// One word, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// Where it stands in the file, quotes included.
    pub span: Range<usize>,
}

/// One directive: its words, and the directives of its block if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directive {
    /// Its name and arguments.
    pub words: Vec<Word>,
    /// What stands between its braces.
    pub block: Option<Vec<Directive>>,
    /// Where it stands in the file, from its first word to its `;` or `}`.
    pub span: Range<usize>,
}

impl Directive {
    fn new(words: Vec<Word>, block: Option<Vec<Directive>>, end: usize) -> Directive {
        let start = words.first().map_or(end, |word| word.span.start);
        Directive { words, block, span: start..end }
    }

    /// The words as text.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }
}

/// A word as it stands in a configuration: in quotes where it needs them.
#[must_use]
pub fn spelled(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !"\"';{}\\#".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

enum Token {
    Word(Word),
    End,
    Open,
    Close,
}

/// Deeper than any configuration; a file of braces must not take the stack.
const DEEPEST: usize = 32;

/// Reads a configuration file, or a part that is included by one.
///
/// # Errors
/// When a quote, a brace or a `;` is missing.
pub fn parse(text: &str) -> Result<Vec<Directive>> {
    let mut open: Vec<(Vec<Word>, Vec<Directive>)> = Vec::new();
    let mut block: Vec<Directive> = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while let Some((token, next)) = token(text, at)? {
        match token {
            Token::Word(word) => words.push(word),
            Token::End => {
                ensure!(!words.is_empty(), "unexpected \";\"");
                block.push(Directive::new(std::mem::take(&mut words), None, next));
            }
            Token::Open => {
                ensure!(!words.is_empty() && open.len() < DEEPEST, "unexpected \"{{\"");
                open.push((std::mem::take(&mut words), std::mem::take(&mut block)));
            }
            Token::Close => {
                let Some((head, outer)) = open.pop().filter(|_| words.is_empty()) else { bail!("unexpected \"}}\"") };
                let inner = std::mem::replace(&mut block, outer);
                block.push(Directive::new(head, Some(inner), next));
            }
        }
        at = next;
    }
    ensure!(words.is_empty(), "a \";\" is missing at the end");
    ensure!(open.is_empty(), "a \"}}\" is missing at the end");
    Ok(block)
}

/// The token that begins at or after `at`, and where the next may begin.
fn token(text: &str, mut at: usize) -> Result<Option<(Token, usize)>> {
    let bytes = text.as_bytes();
    loop {
        match bytes.get(at) {
            None => return Ok(None),
            Some(c) if c.is_ascii_whitespace() => at += 1,
            Some(b'#') => at = text[at..].find('\n').map_or(text.len(), |end| at + end),
            Some(b';') => return Ok(Some((Token::End, at + 1))),
            Some(b'{') => return Ok(Some((Token::Open, at + 1))),
            Some(b'}') => return Ok(Some((Token::Close, at + 1))),
            Some(quote @ (b'"' | b'\'')) => {
                let quote = char::from(*quote);
                return quoted(text, at, quote).map(|word| Some((Token::Word(word.clone()), word.span.end)));
            }
            Some(_) => {
                let word = bare(text, at);
                return Ok(Some((Token::Word(word.clone()), word.span.end)));
            }
        }
    }
}

fn quoted(text: &str, start: usize, quote: char) -> Result<Word> {
    let mut said = String::new();
    let mut chars = text[start + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '\\' => unescape(&mut said, chars.next().map(|(_, next)| next)),
            c if c == quote => return Ok(Word { text: said, span: start..start + 1 + offset + 1 }),
            c => said.push(c),
        }
    }
    bail!("a {quote} is missing")
}

fn bare(text: &str, start: usize) -> Word {
    let mut said = String::new();
    let mut end = text.len();
    let mut chars = text[start..].char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            // `${name}` is a variable: its brace opens no block.
            '{' if said.ends_with('$') => said.push(c),
            c if c.is_ascii_whitespace() || c == ';' || c == '{' => {
                end = start + offset;
                break;
            }
            '\\' => unescape(&mut said, chars.next().map(|(_, next)| next)),
            c => said.push(c),
        }
    }
    Word { text: said, span: start..end }
}

/// Adds what a backslash and the character after it stand for.
fn unescape(said: &mut String, next: Option<char>) {
    match next {
        Some(c @ ('"' | '\'' | '\\')) => said.push(c),
        Some('t') => said.push('\t'),
        Some('r') => said.push('\r'),
        Some('n') => said.push('\n'),
        // It stays where it means nothing to nginx, as in a regular expression.
        other => said.extend(['\\'].into_iter().chain(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        parse(text).unwrap().iter().map(|d| d.words.iter().map(|w| w.text.clone()).collect()).collect()
    }

    #[test]
    fn comments_quotes_and_line_breaks() {
        let text = "# set $a b;\nset\n  $service_url \"http://127.0.0.1:8081\"; # ; {\npid '/run/a b';";
        assert_eq!(texts(text), [vec!["set", "$service_url", "http://127.0.0.1:8081"], vec!["pid", "/run/a b"]]);
    }

    #[test]
    fn spans_cover_a_word_with_its_quotes() {
        let text = "set $x 'é y';";
        let parsed = parse(text).unwrap();
        assert_eq!(&text[parsed[0].words[2].span.clone()], "'é y'");
    }

    #[test]
    fn a_backslash_is_read_as_nginx_reads_it() {
        assert_eq!(texts(r#"a "q\"q" b\ b\;b '\d\\';"#), [vec!["a", "q\"q", r"b\ b\;b", r"\d\"]]);
    }

    #[test]
    fn spans_cover_a_directive_with_its_end() {
        let text = "# a\n set $x y ; if (x) { set $x z; }\n#b";
        let spans: Vec<&str> = parse(text).unwrap().iter().map(|found| &text[found.span.clone()]).collect();
        assert_eq!(spans, ["set $x y ;", "if (x) { set $x z; }"]);
    }

    #[test]
    fn blocks_nest() {
        let parsed = parse("a { b c; d { e; } } f ${x}y;").unwrap();
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].block.as_ref().unwrap()[1].block.as_ref().unwrap()[0].texts(), ["e"]);
        assert_eq!(parsed[1].texts(), ["f", "${x}y"]);
    }

    #[test]
    fn what_nginx_would_refuse_is_an_error() {
        let deep = "a {".repeat(100_000);
        for bad in ["set $x y", "a {", "}", ";", "{", "a \"b", "a b }", deep.as_str()] {
            assert!(parse(bad).is_err(), "{}", &bad[..bad.len().min(20)]);
        }
    }
}
