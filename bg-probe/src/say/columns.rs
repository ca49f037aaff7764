//! Rows in columns, and long lines, as wide as stdout is: a terminal breaks lines anywhere, and a pipe is given all.

use super::terminal::width_of_stdout;
use std::fmt::Write as _;

/// The most that a cell makes the cells above and below it wide.
const WIDEST: usize = 200;

/// What stands below the row that it belongs to begins with so many spaces.
const INDENT: usize = 2;

/// Rows of the same number of cells in columns. On a terminal that is too narrow for them, the columns from `fold` on stand on a
/// second line under each row, and what is too wide even so is cut.
#[must_use]
pub fn table(rows: &[Vec<String>], fold: usize) -> String {
    laid_out(rows, fold, width_of_stdout())
}

/// `text` behind a label of its own width; on a terminal that is too narrow, in lines that are broken between words.
#[must_use]
pub fn paragraph(label: &str, text: &str) -> String {
    wrapped(label, text, width_of_stdout())
}

/// A line, cut where it is longer than a terminal is wide.
#[must_use]
pub fn cut(text: &str) -> String {
    let width = width_of_stdout().unwrap_or(usize::MAX);
    line(&[text.to_owned()], &[width.min(text.chars().count())], true).trim_end().to_owned()
}

/// Whether stdout has room for a line of so many characters.
#[must_use]
pub fn fits(length: usize) -> bool {
    width_of_stdout().is_none_or(|width| length <= width)
}

fn laid_out(rows: &[Vec<String>], fold: usize, room: Option<usize>) -> String {
    let whole = widths(rows);
    let needs = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    let Some(room) = room.filter(|room| needs(&whole) > *room) else {
        return rows.iter().fold(String::new(), |text, row| text + &line(row, &whole, false));
    };
    let (mut above, mut below) = (whole[..fold].to_vec(), whole[fold..].to_vec());
    for (widths, room) in [(&mut above, room), (&mut below, room.saturating_sub(INDENT))] {
        while needs(widths) > room
            && let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > 1)
        {
            *widest -= 1;
        }
    }
    rows.iter().fold(String::new(), |mut text, row| {
        // Writing to a String can't fail.
        let _ = write!(text, "{}{:INDENT$}{}", line(&row[..fold], &above, true), "", line(&row[fold..], &below, true));
        text
    })
}

/// How wide each column is. A cell that is wider than any table should be pushes only what is beside it.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |row: &Vec<String>, column: usize| row[column].chars().count().min(WIDEST);
    (0..columns).map(|column| rows.iter().map(|row| width(row, column)).max().unwrap_or(0)).collect()
}

fn line(cells: &[String], widths: &[usize], is_cut: bool) -> String {
    let shown = |cell: &String, width: usize| match cell.char_indices().nth(width.saturating_sub(1)) {
        Some((end, _)) if is_cut && cell.chars().count() > width => format!("{}…", &cell[..end]),
        _ => cell.clone(),
    };
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{:<width$}", shown(cell, *width)));
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}

fn wrapped(label: &str, text: &str, room: Option<usize>) -> String {
    let indent = label.chars().count();
    let Some(room) = room.filter(|room| indent + text.chars().count() > *room) else {
        return format!("{label}{text}\n");
    };
    let mut lines = vec![label.to_owned()];
    for word in text.split(' ') {
        let (used, length) = (lines.last().map_or(0, |line| line.chars().count()), word.chars().count());
        if used > indent && used + 1 + length > room {
            lines.push(" ".repeat(indent));
        }
        if let Some(line) = lines.last_mut() {
            let gap = if line.chars().count() > indent { " " } else { "" };
            let _ = write!(line, "{gap}{word}");
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        [["SLOT", "PID", "RELEASE"], ["set1", "7", "20261121T211357Z-a931713a app-1.0.jar"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn a_pipe_and_a_wide_terminal_have_it_all_on_one_line() {
        let whole = "SLOT  PID  RELEASE\nset1  7    20261121T211357Z-a931713a app-1.0.jar\n";
        assert_eq!(laid_out(&rows(), 2, None), whole);
        assert_eq!(laid_out(&rows(), 2, Some(48)), whole);
    }

    #[test]
    fn a_narrow_terminal_has_a_second_line_and_what_is_too_wide_for_that_is_cut() {
        let folded = "SLOT  PID\n  RELEASE\nset1  7\n  20261121T211357Z-a931713a app-1.0.jar\n";
        assert_eq!(laid_out(&rows(), 2, Some(47)), folded);
        let cut = "SLOT  PID\n  RELEASE\nset1  7\n  20261121T21135…\n";
        assert_eq!(laid_out(&rows(), 2, Some(17)), cut);
    }

    #[test]
    fn a_long_line_is_broken_between_words() {
        assert_eq!(wrapped("ok      ", "one two three", None), "ok      one two three\n");
        assert_eq!(wrapped("ok      ", "one two three", Some(16)), "ok      one two\n        three\n");
        assert_eq!(wrapped("ok      ", "onetwothreefour", Some(16)), "ok      onetwothreefour\n");
    }
}
