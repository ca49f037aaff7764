//! What one process costs: `bg-probe` and a link switch against one `curl -s` of the same URL.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use bg_tests::programs;

use crate::args::Row;
use crate::figure::Figure;
use crate::memory;
use crate::place::{LINK, Place, end, slot_after};

pub(crate) const CURL: &str = "curl -s";
pub(crate) const PROBE: &str = "bg-probe";
pub(crate) const WALL: &str = "wall time";
pub(crate) const PEAK: &str = "peak memory";

const WARM_UP: usize = 20;
/// Of so many runs one is measured for memory, which hardly varies.
const MEMORY_EVERY: usize = 20;

pub(crate) fn measure(times: usize) -> Vec<Figure> {
    let place = Place::with_applications();
    let (mut walls, mut peaks) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    for turn in 0..WARM_UP + times {
        for (at, mut command) in contestants(&place, turn + 1).into_iter().enumerate() {
            let wall = wall(&mut command);
            if turn >= WARM_UP {
                walls[at].push(wall);
            }
        }
    }
    // An even number of switches has been made: the first slot is live, and the next goes to the second.
    for turn in 0..times.div_ceil(MEMORY_EVERY) {
        for (at, command) in contestants(&place, turn + 1).iter().enumerate() {
            peaks[at].push(memory::peak(command));
        }
    }
    let figures = |what, unit, samples: [Vec<f64>; 3]| {
        let named = [CURL, PROBE, LINK].into_iter().zip(samples);
        named.map(move |(who, samples)| Figure::new(Row::Cost, who, what, unit, samples))
    };
    figures(WALL, "ms", walls).chain(figures(PEAK, "KiB", peaks)).chain(sizes()).collect()
}

/// One run of each, the switch being one to the other slot.
fn contestants(place: &Place, switches: usize) -> [Command; 3] {
    let mut curl = Command::new(programs::of_the_system("curl"));
    curl.arg("-s").arg(place.link.front());
    let probe = place.link.command(&place.world, "bg-probe");
    let mut switch = place.link.command(&place.world, "bg-switch");
    switch.args(["--to", slot_after(switches)]);
    [curl, probe, switch]
}

fn wall(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    end(child, "one run");
    began.elapsed().as_secs_f64() * 1e3
}

fn sizes() -> impl Iterator<Item = Figure> {
    ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"].into_iter().map(|name| {
        let size = fs::metadata(programs::ours(name)).expect("a program that is built").len();
        let kib = f64::from(u32::try_from(size / 1024).unwrap_or(u32::MAX));
        Figure::new(Row::Cost, name, "size of the program", "KiB", vec![kib])
    })
}
