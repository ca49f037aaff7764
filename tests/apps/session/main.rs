//! A picture of a terminal session, from what script(1) has recorded: `session TIMING OUTPUT >session.svg`.
//!
//! Each line appears when it was written, with pauses cut short; a viewer that does not animate shows all of it. Of what a
//! terminal is told, line ends and the colours of our own messages are understood.
#![forbid(unsafe_code)]

use std::env::args;
use std::fs;
use std::io::{Write as _, stdout};

/// The width of a character and the height of a line, in pixels.
const CHARACTER: f64 = 7.83;
const LINE: f64 = 18.0;
const EDGE: f64 = 16.0;

/// How wide the terminal was, as tests/picture has it.
const COLUMNS: usize = 114;

/// The longest that nothing new appears, in seconds.
const PAUSE: f64 = 1.2;

/// Its own ground, so that it reads on a light page as on a dark one.
const STYLE: &str = "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d7dee8;\
white-space:pre}.b{font-weight:700;fill:#fff}.e{font-weight:700;fill:#ff8f8f}.w{font-weight:700;fill:#f2cc60}\
.t{fill:#8fb8ff}.c{fill:#9be29b}@media (prefers-reduced-motion:no-preference){g{animation:a .01s both}\
.p{animation:p 1s}}.p{opacity:0}@keyframes a{from{opacity:0}to{opacity:1}}@keyframes p{from{opacity:1}to{opacity:1}}";

/// A row of the screen: what stood in it, one text after the other, each since when, in seconds.
#[derive(Default)]
struct Row(Vec<(f64, String)>);

fn main() {
    let [timing, output] = [1, 2].map(|at| args().nth(at).expect("session TIMING OUTPUT"));
    let timing = fs::read_to_string(timing).expect("the timing of script(1)");
    let output = fs::read_to_string(output).expect("the output of script(1)");
    stdout().write_all(drawn(&rows(&timing, &output)).as_bytes()).expect("somewhere to print to");
}

/// The rows of a session: what was written, cut by the sizes in the timing (`DELAY BYTES`).
fn rows(timing: &str, output: &str) -> Vec<Row> {
    let body =
        output.split_once('\n').filter(|(first, _)| first.starts_with("Script started")).map_or(output, |(_, b)| b);
    let (mut rows, mut now, mut at) = (vec![Row::default()], 0.0, 0);
    for (delay, bytes) in timing.lines().filter_map(|line| line.split_once(' ')) {
        now += delay.parse::<f64>().expect("seconds").min(PAUSE);
        let end = (at + bytes.trim().parse::<usize>().expect("bytes")).min(body.len());
        for part in body.get(at..end).unwrap_or_default().replace("\r\n", "\n").split_inclusive(['\n', '\r']) {
            let row = rows.last_mut().expect("a row");
            row.write(now, part.trim_end_matches(['\r', '\n']));
            if part.ends_with('\n') {
                rows.push(Row::default());
            } else if part.ends_with('\r') {
                row.0.push((now, String::new()));
            }
        }
        at = end;
    }
    rows.iter().flat_map(Row::wrapped).collect()
}

impl Row {
    fn write(&mut self, now: f64, text: &str) {
        let text = text.replace("\u{1b}[2K", "");
        match self.0.last_mut() {
            Some((_, last)) => last.push_str(&text),
            None => self.0.push((now, text)),
        }
    }

    /// The row and those that a terminal breaks it into; a text that is there for the first time counts.
    fn wrapped(&self) -> Vec<Row> {
        let mut texts: Vec<(f64, String)> = self.0.iter().filter(|(_, text)| !text.is_empty()).cloned().collect();
        texts.dedup_by(|next, before| plain(&next.1) == plain(&before.1));
        let Some((at, last)) = texts.last().filter(|(_, last)| plain(last).chars().count() > COLUMNS).cloned() else {
            return vec![Row(texts)];
        };
        // A long line has one colour, or one at its beginning: it is broken behind that.
        let hidden = last.chars().count() - plain(&last).chars().count();
        let characters: Vec<char> = last.chars().collect();
        let (first, rest) = characters.split_at(COLUMNS + hidden);
        let parts = std::iter::once(first).chain(rest.chunks(COLUMNS));
        parts.map(|part| Row(vec![(at, part.iter().collect())])).collect()
    }
}

/// A text without its colours.
fn plain(text: &str) -> String {
    spans(text).into_iter().map(|(_, text)| text).collect()
}

fn drawn(rows: &[Row]) -> String {
    let end = rows.iter().rposition(|row| !row.0.is_empty()).map_or(0, |last| last + 1);
    let rows = &rows[rows.iter().position(|row| !row.0.is_empty()).unwrap_or(0)..end];
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let (width, height) = (number(COLUMNS) * CHARACTER + 2.0 * EDGE, number(rows.len()) * LINE + 2.0 * EDGE);
    let text: String = rows.iter().zip(1..).map(|(row, line)| texts(row, line)).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"a terminal session: two deploys and a rollback\">\n\
         <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#161b24\" stroke=\"#3b4454\"/>\n{text}</svg>\n"
    )
}

/// The texts of a row: the last one stays, and one before it is seen until the next.
fn texts(row: &Row, line: u32) -> String {
    let y = EDGE + f64::from(line) * LINE - 5.0;
    let text = |(number, (at, text)): (usize, &(f64, String))| {
        let spans: String = spans(text).iter().map(|(class, text)| span(class, text)).collect();
        let style = match row.0.get(number + 1) {
            Some((until, _)) => {
                format!("class=\"p\" style=\"animation-duration:{:.2}s;animation-delay:{at:.2}s\"", until - at)
            }
            None => format!("style=\"animation-delay:{at:.2}s\""),
        };
        format!("<g {style}><text x=\"{EDGE}\" y=\"{y}\">{spans}</text></g>\n")
    };
    row.0.iter().enumerate().map(text).collect()
}

fn span(class: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if class.is_empty() { text } else { format!("<tspan class=\"{class}\">{text}</tspan>") }
}

/// The parts of a line by their colour: `console_codes(4)`, as far as our messages have them.
fn spans(line: &str) -> Vec<(&'static str, String)> {
    if line.starts_with("$ ") || line.starts_with("== ") {
        return vec![(if line.starts_with('$') { "c" } else { "t" }, line.to_owned())];
    }
    let mut class = "";
    let parts = line.split("\u{1b}[").enumerate().map(|(number, part)| {
        let Some((code, text)) = part.split_once('m').filter(|_| number > 0) else { return (class, part.to_owned()) };
        class = match code {
            "1" => "b",
            "1;31" => "e",
            "1;33" => "w",
            _ => "",
        };
        (class, text.to_owned())
    });
    parts.filter(|(_, text)| !text.is_empty()).collect()
}
