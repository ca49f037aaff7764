//! One deploy under a steady load, by the scripts and by `bg-deploy`: what `--svg` draws.

use std::time::{Duration, Instant};

use bg_tests::until;

use crate::deployer::Deployer;
use crate::load::{Tally, Visitors};

/// How long the visitors are watched; the scripts need 25 s.
pub(crate) const WINDOW: Duration = Duration::from_secs(30);

const BEFORE: Duration = Duration::from_secs(2);
const BOOT: Duration = Duration::from_secs(3);

/// As many visitors as in the other rows, at a pace that the machine has no trouble with.
const CONNECTIONS: usize = 64;
const PAUSE: Duration = Duration::from_millis(20);

/// What one contestant's visitors met, and when what happened, from the beginning of the window.
pub(crate) struct Course {
    pub(crate) name: &'static str,
    pub(crate) tally: Tally,
    pub(crate) begun: Duration,
    pub(crate) up: Duration,
    pub(crate) served: Duration,
}

/// Both courses, the scripts' first.
pub(crate) fn take() -> [Course; 2] {
    [course(Deployer::scripts()), course(Deployer::link())]
}

fn course(mut deployer: Deployer) -> Course {
    let opened = Instant::now();
    let visitors = Visitors::start(&deployer.site().url, CONNECTIONS, PAUSE);
    until(BEFORE * 2, "time passes", || opened.elapsed() >= BEFORE);
    let begun = opened.elapsed();
    let times = deployer.deploy(BOOT);
    until(WINDOW, "the window closes", || opened.elapsed() >= WINDOW);
    let tally = visitors.stop();
    Course { name: deployer.name, tally, begun, up: begun + times.up, served: begun + times.served }
}
