//! What is asked of the answers that visitors get.

use anyhow::{Context, Result};
use clap::ValueEnum;
use std::str::FromStr;
use std::time::Duration;

/// The limits of a watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How large a part of the answers may be 5xx.
    pub(crate) errors: Option<f64>,
    /// Within what time 95 of 100 answers have to begin.
    pub(crate) p95: Option<Duration>,
    /// How many answers it takes to judge.
    pub(crate) requests: u64,
    pub(crate) quiet: Quiet,
}

/// What a watch is to decide that has seen too few answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quiet {
    /// Keep the release where it is
    Keep,
    /// Go back, as from a bad one
    Back,
}

/// A part of a hundred, as people write it: `1%`, `0.5%`, `1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percent(pub(crate) f64);

impl FromStr for Percent {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Percent> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        let percent = number.parse().ok().filter(|percent: &f64| (0.0..=100.0).contains(percent));
        Ok(Percent(percent.context("a share of the answers is written as 1%, 0.5%, from 0% to 100%")? / 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_number_up_to_100() {
        for (text, part) in [("1%", 0.01), ("0.5%", 0.005), ("1", 0.01), ("0%", 0.0), ("100 %", 1.0)] {
            assert_eq!(text.parse::<Percent>().unwrap(), Percent(part), "{text}");
        }
        for bad in ["", "%", "-1%", "101%", "NaN", "inf", "1%%", "one"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad:?}");
        }
    }
}
