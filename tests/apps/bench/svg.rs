//! The picture: requests and failures a second over the same time, the scripts above, `bg-deploy` below.

use std::fmt::Write as _;
use std::time::Duration;

use crate::load::BUCKET;
use crate::picture::{Course, WINDOW};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const PANEL: f64 = 190.0;
const BETWEEN: f64 = 92.0;
const TICK: u32 = 5;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:16px;font-weight:600}\
.small{font-size:12px;fill:#666}.failed{fill:#c62828}.failed-text{fill:#c62828;font-weight:600}\
.ok{fill:#bcd3ea;stroke:#2f6fab;stroke-width:1}.grid{stroke:#e4e4e4}.mark{stroke:#555;stroke-dasharray:4 3}\
.waiting{fill:#f3e3b3;opacity:.6}";

/// The whole file.
pub(crate) fn draw(courses: &[Course; 2]) -> String {
    let height = TOP + 2.0 * PANEL + BETWEEN + 56.0;
    let top = ceiling(courses);
    let panels: Vec<String> =
        courses.iter().zip([TOP, TOP + PANEL + BETWEEN]).map(|(course, y)| panel(course, y, top)).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"requests a second during one deploy\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}{}{}</svg>\n",
        text(
            LEFT,
            24.0,
            "title",
            "start",
            "One deploy under load: an application that boots for 3 s, 64 connections, GET and POST"
        ),
        panels.concat(),
        text((LEFT + WIDTH - RIGHT) / 2.0, height - 12.0, "small", "middle", "seconds"),
    )
}

fn panel(course: &Course, y: f64, top: f64) -> String {
    let bottom = y + PANEL;
    let failed = course.tally.failures();
    let (name, wait) = (course.name, course.served.saturating_sub(course.up).as_secs_f64());
    let summary = format!(
        "{} requests, {failed} failed; the new release serves {wait:.2} s after it is up",
        course.tally.requests()
    );
    let (up, served) = (x(course.up), x(course.served));
    let waiting =
        format!("<rect class=\"waiting\" x=\"{up:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"{PANEL}\"/>\n", served - up);
    [
        text(LEFT, y - 24.0, "", "start", name),
        text(WIDTH - RIGHT, y - 24.0, if failed > 0 { "failed-text" } else { "" }, "end", &summary),
        grid(y, top),
        area(&course.tally.ok, bottom, top),
        waiting,
        bars(&course.tally.failed, bottom, top),
        mark(course.begun, y, "end", "deploy begins"),
        mark(course.up, y, "end", "up"),
        mark(course.served, y, "start", "serves"),
    ]
    .concat()
}

fn grid(y: f64, top: f64) -> String {
    let bottom = y + PANEL;
    let mut lines = String::new();
    for part in 0..=2 {
        let rate = top * f64::from(part) / 2.0;
        let at = bottom - PANEL * f64::from(part) / 2.0;
        let _ =
            writeln!(lines, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\"/>", WIDTH - RIGHT);
        lines += &text(LEFT - 8.0, at + 4.0, "small", "end", &format!("{rate:.0}/s"));
    }
    for second in (0..=u32::try_from(WINDOW.as_secs()).unwrap_or_default()).step_by(TICK as usize) {
        let at = x(Duration::from_secs(second.into()));
        lines += &text(at, bottom + 18.0, "small", "middle", &second.to_string());
    }
    lines
}

/// The requests that were answered, as an area.
fn area(counts: &[u64], bottom: f64, top: f64) -> String {
    let mut path = format!("M{LEFT} {bottom}");
    for (at, rate) in rates(counts) {
        let _ = write!(path, "L{:.1} {:.1}", at, bottom - PANEL * rate / top);
    }
    let end = rates(counts).last().map_or(LEFT, |(at, _)| at);
    format!("<path class=\"ok\" d=\"{path}L{end:.1} {bottom}Z\"/>\n")
}

/// The requests that failed, as bars on the same scale, each with its count.
fn bars(counts: &[u64], bottom: f64, top: f64) -> String {
    let mut bars = String::new();
    for ((at, rate), count) in rates(counts).zip(counts).filter(|(_, count)| **count > 0) {
        let height = (PANEL * rate / top).max(3.0);
        let _ = writeln!(
            bars,
            "<rect class=\"failed\" x=\"{:.1}\" y=\"{:.1}\" width=\"4\" height=\"{height:.1}\"/>",
            at - 2.0,
            bottom - height
        );
        bars += &text(at, bottom - height - 5.0, "failed-text", "end", &count.to_string());
    }
    bars
}

fn mark(at: Duration, y: f64, anchor: &str, label: &str) -> String {
    let at = x(at);
    let shift = if anchor == "end" { -3.0 } else { 3.0 };
    let line =
        format!("<line class=\"mark\" x1=\"{at:.1}\" y1=\"{}\" x2=\"{at:.1}\" y2=\"{}\"/>\n", y - 14.0, y + PANEL);
    line + &text(at + shift, y - 5.0, "small", anchor, label)
}

fn text(x: f64, y: f64, class: &str, anchor: &str, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n")
}

/// Where a moment is.
fn x(at: Duration) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * at.as_secs_f64() / WINDOW.as_secs_f64()
}

/// The middle of each bucket within the window, and its requests a second. The last one is not whole.
fn rates(counts: &[u64]) -> impl Iterator<Item = (f64, f64)> {
    let buckets = usize::try_from(WINDOW.as_millis() / BUCKET.as_millis()).unwrap_or_default();
    counts.iter().take(buckets).zip(0_u32..).map(|(count, at)| {
        let count = f64::from(u32::try_from(*count).unwrap_or(u32::MAX));
        (x(BUCKET * at + BUCKET / 2), count / BUCKET.as_secs_f64())
    })
}

/// A round number that no rate exceeds.
fn ceiling(courses: &[Course; 2]) -> f64 {
    let highest = courses.iter().flat_map(|course| rates(&course.tally.ok)).map(|(_, rate)| rate).fold(1.0, f64::max);
    (highest / 1000.0).ceil() * 1000.0
}
