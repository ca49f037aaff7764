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

pub(crate) const AT_ONCE: &str = "whole deploy of 1 KiB, up at once";

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
    let at_once = Figure::new(Row::Deploy, LINK, AT_ONCE, "ms", at_once(times * MORE));
    [figures(WAIT, waits), figures(BEYOND, beyonds), vec![at_once]].concat()
}

/// Nothing to copy and no boot to wait for: what is left is the programs', and the end of the idle release.
fn at_once(times: usize) -> Vec<f64> {
    let mut deployer = Deployer::link().of_bytes(1 << 10);
    let mut once = || {
        deployer.settle();
        milliseconds(deployer.deploy(Duration::ZERO).done)
    };
    (0..times).map(|_| once()).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
