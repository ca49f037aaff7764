//! What is printed: one table a row, and one of the targets.

use crate::args::Row;
use crate::figure::Figure;
use crate::target::Target;

/// The figures of one row.
pub(crate) fn figures(row: Row, figures: &[Figure]) -> String {
    let line = |figure: &Figure| {
        let spread = match figure.samples.len() {
            1 => String::new(),
            _ => format!("{} .. {}", number(figure.low()), number(figure.high())),
        };
        let median = format!("{} {}", number(figure.median()), figure.unit);
        [figure.who.clone(), figure.what.to_owned(), median, spread, figure.samples.len().to_string()]
    };
    let head = [row.name().as_str(), "", "median", "9 of 10 within", "n"].map(str::to_owned);
    aligned(&head, figures.iter().map(line))
}

/// What must be reached, and whether it is.
pub(crate) fn targets(targets: &[Target]) -> String {
    let line = |target: &Target| {
        let reached = if target.reached() { "yes" } else { "NO" };
        [target.what.clone(), target.limit.to_string(), number(target.measured), reached.to_owned()]
    };
    aligned(&["what it must reach", "limit", "measured", "reached"].map(str::to_owned), targets.iter().map(line))
}

/// The contestants as columns.
pub(crate) fn side_by_side(of: &str, columns: [&str; 3], lines: Vec<(String, [Option<String>; 3])>) -> String {
    let [first, second, third] = columns;
    let line = |(what, cells): (String, [Option<String>; 3])| {
        let [first, second, third] = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
        [what, first, second, third]
    };
    aligned(&[of, first, second, third].map(str::to_owned), lines.into_iter().map(line))
}

/// Three digits that count, and no more.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Columns as wide as what is in them, a rule under the head.
fn aligned<const N: usize>(head: &[String; N], lines: impl Iterator<Item = [String; N]>) -> String {
    let lines: Vec<[String; N]> = [head.clone()].into_iter().chain(lines).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let one = |line: &[String; N]| {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut text: Vec<String> = lines.iter().map(one).collect();
    text.insert(1, "-".repeat(widths.iter().sum::<usize>() + 2 * (N - 1)));
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let said = [0.0, 0.012_345, 1.234_5, 12.345, 123.45, 12_345.6].map(number);
        assert_eq!(said, ["0", "0.012", "1.23", "12.3", "123", "12346"]);
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let cells = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(aligned(&cells("a", "b"), [cells("long", "")].into_iter()), "a     b\n-------\nlong");
    }
}
