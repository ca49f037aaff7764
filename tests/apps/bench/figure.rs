//! What was measured of one contestant: all samples, and what is said of them.

use crate::args::Row;

/// The samples of one contestant in one row.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) row: Row,
    pub(crate) who: String,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) samples: Vec<f64>,
}

impl Figure {
    pub(crate) fn new(row: Row, who: &str, what: &'static str, unit: &'static str, samples: Vec<f64>) -> Self {
        Self { row, who: who.to_owned(), what, unit, samples }
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// Nine of ten samples are at least this.
    pub(crate) fn low(&self) -> f64 {
        self.at(0.1)
    }

    /// Nine of ten samples are at most this.
    pub(crate) fn high(&self) -> f64 {
        self.at(0.9)
    }

    /// The quantile, between two samples in proportion.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index far below 2^52, never negative"
    )]
    fn at(&self, quantile: f64) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let place = quantile * last as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }
}

/// The median of one contestant, if it took part.
pub(crate) fn median(figures: &[Figure], row: Row, who: &str, what: &str) -> Option<f64> {
    let figure = figures.iter().find(|figure| figure.row == row && figure.who == who && figure.what == what);
    figure.map(Figure::median)
}

/// The median of what two contestants differ by, turn by turn: what slows the machine down for a while slows both.
pub(crate) fn turn_by_turn(
    figures: &[Figure],
    (row, what): (Row, &str),
    [who, other]: [&str; 2],
    differ: fn(f64, f64) -> f64,
) -> Option<f64> {
    let of = |who| figures.iter().find(|figure| figure.row == row && figure.who == who && figure.what == what);
    let (one, other) = (of(who)?, of(other)?);
    let samples = one.samples.iter().zip(&other.samples).map(|(one, other)| differ(*one, *other)).collect();
    Some(Figure { samples, ..one.clone() }.median())
}

/// All samples of one contestant in one row together, if it took part.
pub(crate) fn total(figures: &[Figure], row: Row, who: &str) -> Option<f64> {
    let figure = figures.iter().find(|figure| figure.row == row && figure.who == who)?;
    Some(figure.samples.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_nine_of_ten() {
        let figure = Figure::new(Row::Cost, "", "", "", (0..=10).rev().map(f64::from).collect());
        assert_eq!(format!("{} {} {}", figure.low(), figure.median(), figure.high()), "1 5 9");
        let two = Figure { samples: vec![1.0, 2.0], ..figure };
        assert!((two.median() - 1.5).abs() < 1e-9);
    }
}
