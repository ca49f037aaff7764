//! What visitors lose when the live process is killed and nobody acts, and how many requests meet a bad release.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bg_tests::{process, until};
use nix::sys::signal::Signal;

use crate::args::Row;
use crate::figure::Figure;
use crate::load::{Tally, Visitors};
use crate::place::{Place, SLOTS, Site, end};
use crate::watch;

pub(crate) const SCRIPTS: &str = "the two scripts";
pub(crate) const FORMER: &str = "printed site of before shares";
pub(crate) const PRINTED: &str = "printed site";

pub(crate) const SENT: &str = "requests in 2.5 s with a kill -9";
pub(crate) const GETS: &str = "GETs lost of those";
pub(crate) const POSTS: &str = "POSTs lost of those";
pub(crate) const ASKED: &str = "requests in 12 s about a bad release";
pub(crate) const MET: &str = "requests answered by it with 500";

/// Visitors with a connection each, who do not pause when the process is killed.
pub(crate) const CONNECTIONS: u8 = 64;
/// One of each hundredth, who pause when a bad release comes.
const EVERYBODY: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Until the process is killed, and from then on.
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_secs(2);
/// The bad release is good for so long, and is looked at for so long.
const GOOD: &str = "5000";
const WINDOW: Duration = Duration::from_secs(12);

/// One site, in a place of its own.
struct Contestant {
    name: &'static str,
    place: Place,
    how: How,
}

enum How {
    /// Processes started by hand, and `tee; nginx -s reload`.
    Scripts([u32; 2]),
    /// `bg-deploy` with these flags on the site of before shares.
    Former(&'static [&'static str]),
    /// The same on the printed site.
    Printed(&'static [&'static str]),
}

pub(crate) fn measure(times: usize) -> Vec<Figure> {
    let mut contestants = [
        Contestant::scripts(),
        Contestant::new(FORMER, How::Former(&["--watch", "10s"])),
        Contestant::new(PRINTED, How::Printed(&["--ramp", "10=10s"])),
    ];
    let whats = [SENT, GETS, POSTS, ASKED, MET];
    let mut samples = vec![[const { Vec::new() }; 5]; contestants.len()];
    for _ in 0..times {
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            let killed = contestant.killed();
            let bad = contestant.bad_release();
            let gets = killed.failures() - killed.failed_posts;
            let counts = [killed.requests(), gets, killed.failed_posts, bad.requests(), bad.failures()];
            for (samples, count) in samples.iter_mut().zip(counts) {
                samples.push(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            }
        }
    }
    let named = contestants.iter().zip(samples);
    let figures = named.flat_map(|(contestant, samples)| {
        whats
            .into_iter()
            .zip(samples)
            .map(|(what, samples)| Figure::new(Row::Visitors, contestant.name, what, "", samples))
    });
    figures.collect()
}

impl Contestant {
    fn new(name: &'static str, how: How) -> Self {
        Self { name, place: Place::new(), how }
    }

    fn scripts() -> Self {
        let place = Place::new();
        let pids = SLOTS.map(|slot| place.world.start_fake(slot, &[]));
        Self { name: SCRIPTS, place, how: How::Scripts(pids) }
    }

    fn site(&self) -> &Site {
        match self.how {
            How::Scripts(_) => &self.place.scripts,
            How::Former(_) => &self.place.former,
            How::Printed(_) => &self.place.link,
        }
    }

    /// Kills the live process under load, lets nobody act, and has it started again after that.
    fn killed(&mut self) -> Tally {
        if !matches!(self.how, How::Scripts(_)) {
            // Two healthy releases, one after the other: the first may stand in for the second.
            (0..2).for_each(|_| end(self.deploy(&[], &[]).spawn().expect("bg-deploy"), "a deploy"));
        }
        let live = self.live();
        let visitors = Visitors::start(&self.site().url, CONNECTIONS.into(), Duration::ZERO);
        pass(BEFORE);
        let pid = match self.how {
            How::Scripts(pids) => pids[live],
            _ => self.site().pid(SLOTS[live]),
        };
        kill(pid);
        pass(AFTER);
        let tally = visitors.stop();
        match &mut self.how {
            How::Scripts(pids) => pids[live] = self.place.world.start_fake(SLOTS[live], &[]),
            _ => end(self.ours("bg-launch").arg("--live").spawn().expect("bg-launch"), "bg-launch --live"),
        }
        watch::first(&self.site().front(), SLOTS[live], watch::CALMLY, Duration::from_secs(30));
        tally
    }

    /// Deploys what is good for a while and then answers everything with 500.
    fn bad_release(&mut self) -> Tally {
        let live = self.live();
        let visitors = Visitors::start(&self.site().url, EVERYBODY, PAUSE);
        let began = Instant::now();
        let bad = ["--fail-after-ms", GOOD];
        match self.how {
            How::Scripts(pids) => self.replaced(1 - live, pids, &bad),
            How::Former(flags) | How::Printed(flags) => {
                let status = self.deploy(flags, &bad).status().expect("bg-deploy");
                assert_eq!(status.code(), Some(9), "{}: it goes bad while it is watched, and not before", self.name);
            }
        }
        until(WINDOW * 2, "time passes", || began.elapsed() >= WINDOW);
        let tally = visitors.stop();
        if let How::Scripts(pids) = self.how {
            // Somebody has noticed.
            self.place.bare().go_and_see(SLOTS[live]);
            self.replaced(1 - live, pids, &[]);
            self.place.bare().go_and_see(SLOTS[live]);
        }
        tally
    }

    /// The scripts' way: another process in a slot, and nginx is moved to it.
    fn replaced(&mut self, slot: usize, mut pids: [u32; 2], flags: &[&str]) {
        kill(pids[slot]);
        pids[slot] = self.place.world.start_fake(SLOTS[slot], flags);
        self.how = How::Scripts(pids);
        self.place.bare().go_and_see(SLOTS[slot]);
    }

    fn live(&self) -> usize {
        let is_live = |slot: &str| watch::answers(&self.site().front(), slot);
        usize::from(!is_live(SLOTS[0]))
    }

    fn deploy(&self, flags: &[&str], application: &[&str]) -> Command {
        let mut command = self.ours("bg-deploy");
        command.args(flags).arg("--").args(self.place.world.fake_app(application));
        command
    }

    fn ours(&self, program: &str) -> Command {
        let mut command = self.site().command(&self.place.world, program);
        command.env("BG_FRONT", format!("{}/_bg/slot", self.site().url)).arg("-q").stderr(Stdio::inherit());
        command
    }
}

fn kill(pid: u32) {
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
}

fn pass(time: Duration) {
    let began = Instant::now();
    until(time * 2, "time passes", || began.elapsed() >= time);
}
