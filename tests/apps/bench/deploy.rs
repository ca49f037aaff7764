//! How long a deploy takes beyond what the application itself needs to boot.

use std::time::Duration;

use crate::args::Row;
use crate::deployer::Deployer;
use crate::figure::Figure;

pub(crate) const SCRIPTS: &str = "deploy.sh, switch.sh";
pub(crate) const RELOAD: &str = "bg-deploy, reload form";
pub(crate) const LINK: &str = "bg-deploy, link form";
pub(crate) const WAIT: &str = "first UP to first request served";
pub(crate) const BEYOND: &str = "whole deploy beyond the boot";

/// What the application needs by itself.
const BOOT: Duration = Duration::from_secs(3);
/// One deploy by the scripts takes as long as many of ours.
const MORE: usize = 3;

pub(crate) fn measure(times: usize) -> Vec<Figure> {
    let mut contestants = [(Deployer::scripts(), 1), (Deployer::reload(), MORE), (Deployer::link(), MORE)];
    let (mut waits, mut beyonds) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    for _ in 0..times {
        for (at, (deployer, repeat)) in contestants.iter_mut().enumerate() {
            for _ in 0..*repeat {
                let times = deployer.deploy(BOOT);
                waits[at].push(milliseconds(times.served.saturating_sub(times.up)));
                beyonds[at].push(milliseconds(times.done.saturating_sub(BOOT)));
            }
        }
    }
    let figures = |what, samples: [Vec<f64>; 3]| {
        let named = contestants.iter().zip(samples);
        named
            .map(|((deployer, _), samples)| Figure::new(Row::Deploy, deployer.name, what, "ms", samples))
            .collect::<Vec<_>>()
    };
    [figures(WAIT, waits), figures(BEYOND, beyonds)].concat()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
