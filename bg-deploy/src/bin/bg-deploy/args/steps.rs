//! `--ramp`: the shares of the visitors that a new release gets before it gets all, and how long it is watched with each.

use anyhow::{Context, Result, ensure};
use bg_probe::os::span::Span;
use std::str::FromStr;
use std::time::Duration;

/// The steps, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps(pub(crate) Vec<(u8, Duration)>);

impl FromStr for Steps {
    type Err = anyhow::Error;

    /// Reads `1=30s,10=1m,50=1m`.
    fn from_str(text: &str) -> Result<Steps> {
        let step = |part: &str| -> Result<(u8, Duration)> {
            let (share, time) = part.split_once('=').context("a step is a share and a time, as in 10=1m")?;
            let share = share.trim().parse().ok().filter(|share| (1..100).contains(share));
            Ok((share.context("a share is a number from 1 to 99")?, time.trim().parse::<Span>()?.into()))
        };
        let steps: Vec<(u8, Duration)> = text.split(',').map(step).collect::<Result<_>>()?;
        ensure!(steps.is_sorted_by(|one, next| one.0 < next.0), "each share is larger than the one before");
        Ok(Steps(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_goes_up() {
        let steps = |text: &str| text.parse::<Steps>().ok().map(|ramp| ramp.0);
        let seconds = Duration::from_secs;
        assert_eq!(steps("1=30s,10=1m, 50=5"), Some(vec![(1, seconds(30)), (10, seconds(60)), (50, seconds(5))]));
        for text in ["", "10", "10=", "=1m", "0=1m", "100=1m", "10=1m,", "10=1m,10=1m", "10=1m,5=1m", "1.5=1m", "10=x"]
        {
            assert_eq!(steps(text), None, "{text:?}");
        }
    }
}
