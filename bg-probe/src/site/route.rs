//! A route: where the visitors go, as a folder of empty files.
//!
//! `live` leads to one of the folders below `routes`, and nginx looks through it on every request for the file of the
//! visitor's kind: `set2.7` is there where those with number 7 go to set2. So whatever is to happen to visitors is one
//! rename of `live`. The folder is complete and synced before that.
//!
//! `set2` sends everybody to set2. `set2+10-1a2b3c4d` sends ten numbers of a hundred there, the first ten in the order
//! that the seed `1a2b3c4d` gives; with more or fewer of the same order nobody moves who need not. `set2+keep-6745a0b1`
//! sends everybody to set2 but those who were in set1 before, until that second of Unix time.

use crate::os::folder::make;
use crate::os::names;
use crate::os::replace;
use crate::site::dir::Dir;
use crate::site::slot::{Name, Slot, Slots};
use crate::site::visitor::{NUMBERS, Visitor, bucket};
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the visitors go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The slot that the first numbers of the order go to.
    to: Slot,
    /// The slot that the others go to.
    beside: Slot,
    /// How many numbers go to the first.
    share: u8,
    /// What the order comes from.
    seed: u32,
    /// Until when those stay who were in the other slot before, in seconds of Unix time; only where all others go to one.
    keep: Option<u64>,
}

/// How many visitors of a hundred go to each slot; none of both is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares([(Slot, u8); 2]);

impl Route {
    /// Everybody goes to `slot`.
    #[must_use]
    pub fn whole(slots: &Slots, slot: &Slot) -> Route {
        Route { to: slot.clone(), beside: slots.other(&slot.name).clone(), share: NUMBERS, seed: 0, keep: None }
    }

    /// Everybody goes to `slot`, but those who were in the other one before: they stay there until so many seconds of Unix
    /// time.
    #[must_use]
    pub fn keeping(slots: &Slots, slot: &Slot, until: u64) -> Route {
        Route { keep: Some(until), ..Route::whole(slots, slot) }
    }

    /// `share` of a hundred go to `slot`, in the order of the share that is out, if one is; else in one that the release
    /// of the slot gives, so that it is not always the same visitors who meet a new release first.
    #[must_use]
    pub fn shared(dir: &Dir, slots: &Slots, slot: &Slot, share: u8) -> Route {
        if share >= NUMBERS {
            return Route::whole(slots, slot);
        }
        match Route::of(dir, slots).filter(Route::is_shared) {
            Some(now) if now.to == *slot => Route { share, ..now },
            Some(now) => Route { share: NUMBERS - share, ..now },
            None => {
                Route { share, seed: seed(&dir.release(&slot.name).unwrap_or_default()), ..Route::whole(slots, slot) }
            }
        }
    }

    /// The route that `live` leads to; `None` where it leads to none of these slots, or is not there.
    #[must_use]
    pub fn of(dir: &Dir, slots: &Slots) -> Option<Route> {
        let target = std::fs::read_link(dir.live()).ok()?;
        Route::parse(target.file_name()?.to_str()?, slots).filter(|route| route.path() == target)
    }

    /// Understands the name of a route's folder.
    fn parse(name: &str, slots: &Slots) -> Option<Route> {
        let Some((slot, share)) = name.split_once('+') else {
            return Some(Route::whole(slots, slots.named(name).ok()?));
        };
        let (share, seed) = share.split_once('-')?;
        if share == "keep" {
            let until = u64::from_str_radix(seed, 16).ok()?;
            return Some(Route::keeping(slots, slots.named(slot).ok()?, until));
        }
        let share = share.parse().ok().filter(|share| (1..NUMBERS).contains(share))?;
        let seed = u32::from_str_radix(seed, 16).ok()?;
        Some(Route { share, seed, ..Route::whole(slots, slots.named(slot).ok()?) })
    }

    /// The path of its folder, as `live` has it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let Route { to, share, seed, .. } = self;
        let whole = Dir::route(&to.name);
        match self.keep {
            Some(until) => whole.with_file_name(format!("{to}+keep-{until:08x}")),
            None if self.is_shared() => whole.with_file_name(format!("{to}+{share}-{seed:08x}")),
            None => whole,
        }
    }

    /// Whether it leads to both slots.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.share < NUMBERS
    }

    /// How many visitors of a hundred go to a slot.
    #[must_use]
    pub fn share_of(&self, slot: &Slot) -> u8 {
        if *slot == self.to { self.share } else { NUMBERS - self.share }
    }

    /// The slot that most visitors go to. Of two halves it is the slot that everybody was in before.
    #[must_use]
    pub fn live(&self) -> &Slot {
        if self.share > NUMBERS / 2 { &self.to } else { &self.beside }
    }

    /// The slot that the share was given to, and the one that it was taken from.
    #[must_use]
    pub fn ends(&self) -> (&Slot, &Slot) {
        (&self.to, &self.beside)
    }

    /// Whether it takes the share back that is out by the route `now`: all go to the slot that it was taken from.
    #[must_use]
    pub fn takes_back(&self, now: &Route) -> bool {
        now.is_shared() && !self.is_shared() && self.keep.is_none() && self.live() == now.ends().1
    }

    /// The slot in which those stay who were there before, and until when, in seconds of Unix time.
    #[must_use]
    pub fn keeps(&self) -> Option<(&Slot, u64)> {
        Some((&self.beside, self.keep?))
    }

    /// The numbers that go to the first slot, and those that go to the other.
    fn numbers(&self) -> (Vec<u8>, Vec<u8>) {
        let order = order(self.seed);
        let (to, beside) = order.split_at(usize::from(self.share));
        (to.to_vec(), beside.to_vec())
    }

    /// A kind of visitor for each slot that it leads to, and where it goes: who can tell this route from any with another
    /// share of the same order.
    #[must_use]
    pub fn sample(&self) -> Vec<(Visitor, Slot)> {
        let (to, beside) = self.numbers();
        // The last one of this share and the first one beyond it.
        let last = to.last().map(|number| (Visitor::Number(*number), self.to.clone()));
        let first = beside.first().map(|number| (Visitor::Number(*number), self.beside.clone()));
        let prober = (Visitor::Prober, self.live().clone());
        // Whoever was in the other slot stays there or does not; in a share each has a number all the same.
        let is_kept = |old: &Slot| if self.keep.is_some() { old.clone() } else { self.to.clone() };
        let old = (!self.is_shared()).then(|| (Visitor::WasIn(self.beside.name.clone()), is_kept(&self.beside)));
        [Some(prober), last, first, old].into_iter().flatten().collect()
    }

    /// A kind of visitor whom it leads to `slot`, for whoever asks whether visitors are served there.
    #[must_use]
    pub fn visitor_of(&self, slot: &Slot) -> Visitor {
        let (to, beside) = self.numbers();
        // Those who stay there as a share grows or shrinks.
        let number = if *slot == self.to { to.first() } else { beside.last() };
        number.copied().map_or(Visitor::Prober, Visitor::Number)
    }

    /// The names of its files.
    fn files(&self, app: &Name) -> Vec<String> {
        let (to, beside) = self.numbers();
        let live = self.live();
        let idle = if *live == self.to { &self.beside } else { &self.to };
        let number = |slot: &Slot, numbers: Vec<u8>| -> Vec<String> {
            numbers.into_iter().map(|number| Visitor::Number(number).file(slot)).collect()
        };
        // What a file looks for that knows nothing of kinds; what a deploy's hooks and scripts may look for; and what a
        // program looks for that takes the variable for a part of the name.
        let mark = mark(live, idle);
        let mut files = vec![live.to_string(), Visitor::Prober.file(live), format!("{live}.{}", bucket(app))];
        files.extend(mark);
        files.extend(self.keeps().map(|(old, _)| Visitor::WasIn(old.name.clone()).file(old)));
        files.push(Visitor::Preview.file(idle));
        files.extend([live, idle].map(|slot| Visitor::Of(slot.name.clone()).file(slot)));
        files.extend(number(&self.to, to));
        files.extend(number(&self.beside, beside));
        files
    }

    /// The file that is there while `slot` is live: what an application looks for that does some things once alone.
    #[must_use]
    pub fn mark(dir: &Dir, slots: &Slots, slot: &Slot) -> PathBuf {
        let mark = mark(slot, slots.other(&slot.name)).unwrap_or_else(|| Visitor::Prober.file(slot));
        dir.live().join(mark)
    }

    /// Has `live` lead to the folder of this route in the reload form, where nginx does not look at it.
    ///
    /// # Errors
    /// When the folder can't be made, or the link not be moved.
    pub fn tell(&self, dir: &Dir, slots: &Slots, app: &Name) -> Result<()> {
        if Route::of(dir, slots).as_ref() == Some(self) && self.is_made(dir, app) {
            return Ok(());
        }
        replace::link(&dir.live(), &self.make(dir, app)?)
    }

    /// Makes its folder, or completes it, and syncs it; the path that `live` is to have.
    ///
    /// # Errors
    /// When that can't be done; `live` must not lead there then.
    pub fn make(&self, dir: &Dir, app: &Name) -> Result<PathBuf> {
        let path = self.path();
        let folder = dir.root().join(&path);
        make(&folder)?;
        names::empty_files(&folder, &self.files(app))?;
        Ok(path)
    }

    /// Whether its folder has all its files.
    #[must_use]
    pub fn is_made(&self, dir: &Dir, app: &Name) -> bool {
        let there = names::names_in(&dir.root().join(self.path()));
        there.is_ok_and(|there| self.files(app).iter().all(|name| there.contains(OsStr::new(name.as_str()))))
    }
}

/// The name of the file that is there while a slot is live; `None` where the other slot is called so, which would look so as
/// well.
fn mark(live: &Slot, idle: &Slot) -> Option<String> {
    Some(format!("is-{live}")).filter(|mark| *mark != idle.name.as_str())
}

/// Removes the folders of shares that `live` does not lead to. A worker of nginx's that is in the middle of a look is so for
/// one `stat(2)`.
///
/// # Errors
/// When one can't be removed.
pub fn prune(dir: &Dir) -> Result<()> {
    let routes = dir.root().join("routes");
    let live = std::fs::read_link(dir.live()).ok();
    let used = live.as_deref().and_then(Path::file_name);
    let names = match names::names_in(&routes) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        names => names.with_context(|| format!("look into {}", routes.display()))?,
    };
    let old = names.into_iter().filter(|name| Some(name.as_os_str()) != used && name.to_string_lossy().contains('+'));
    for folder in old.map(|name| routes.join(name)) {
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

impl Shares {
    /// Those of the numbers that are found behind `live` for `there`; all others go to the other slot. `None` where one
    /// slot has all of them.
    #[must_use]
    pub fn behind(live: &Path, slots: &Slots, there: &Slot) -> Option<Shares> {
        let names = names::names_in(live).ok()?;
        let has = |number: &u8| names.contains(OsStr::new(&Visitor::Number(*number).file(there)));
        let count = u8::try_from((1..=NUMBERS).filter(has).count()).unwrap_or(NUMBERS);
        let of = |slot: &Slot| if slot == there { count } else { NUMBERS - count };
        let shares = Shares(slots.both().each_ref().map(|slot| (slot.clone(), of(slot))));
        shares.0.iter().all(|(_, share)| *share > 0).then_some(shares)
    }

    /// The share of a slot.
    #[must_use]
    pub fn of(&self, slot: &Slot) -> u8 {
        self.0.iter().find(|(one, _)| one == slot).map_or(0, |(_, share)| *share)
    }

    /// Both as an object, as a record has them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.0.iter().map(|(slot, share)| (slot.to_string(), (*share).into())).collect::<Map<_, _>>().into()
    }
}

/// The numbers in the order in which they come into a share.
fn order(seed: u32) -> Vec<u8> {
    let mut numbers: Vec<u8> = (1..=NUMBERS).collect();
    let mut state = u64::from(seed);
    for end in (1..numbers.len()).rev() {
        let chosen = usize::try_from(next(&mut state) % (end as u64 + 1)).unwrap_or_default();
        numbers.swap(end, chosen);
    }
    numbers
}

/// The next random number, by splitmix64: the order must be the same in every version, for the folder's name is all that
/// is kept of it.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The seed of a release, by FNV-1a.
fn seed(release: &str) -> u32 {
    release.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        "set1=8081,set2=8082".parse().unwrap()
    }

    #[test]
    fn the_order_is_a_permutation_that_never_changes() {
        let mut sorted = order(0x1a2b_3c4d);
        assert_eq!(sorted[..8], [28, 81, 58, 18, 91, 9, 48, 20]);
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=100).collect::<Vec<u8>>());
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn a_route_is_known_by_its_name() {
        for name in ["set1", "set2", "set2+10-1a2b3c4d", "set1+99-00000000", "set2+keep-6745a0b1"] {
            assert_eq!(Route::parse(name, &slots()).unwrap().path(), Path::new("routes").join(name));
        }
        for name in [
            "set3",
            "set2+0-1a2b3c4d",
            "set2+100-1a2b3c4d",
            "set2+10",
            "set2+10-x",
            "",
            "+1-1",
            "set2+keep",
            "set2+keep-",
        ] {
            assert_eq!(Route::parse(name, &slots()), None, "{name}");
        }
    }

    #[test]
    fn the_live_slot_is_that_of_most_and_of_halves_the_one_before() {
        for (name, live) in [("set2", "set2"), ("set2+10-1", "set1"), ("set2+50-1", "set1"), ("set2+51-1", "set2")] {
            assert_eq!(Route::parse(name, &slots()).unwrap().live().name.as_str(), live, "{name}");
        }
    }

    #[test]
    fn nobody_moves_back_as_a_share_grows() {
        let numbers = |share| Route::parse(&format!("set2+{share}-1a2b3c4d"), &slots()).unwrap().numbers().0;
        for (less, more) in [(1, 5), (5, 10), (10, 50), (50, 99)] {
            assert!(numbers(less).iter().all(|number| numbers(more).contains(number)), "{less} and {more}");
        }
    }

    #[test]
    fn every_kind_has_one_slot_whatever_the_slots_are_called() {
        for slots in ["set1=1,set2=2", "2=1,7=2", "is-a=1,a=2", "preview=1,only-preview=2"] {
            let slots: Slots = slots.parse().unwrap();
            let [first, second] = slots.both();
            for share in [1, 50, 100] {
                let route = Route { share, seed: 5, ..Route::whole(&slots, second) };
                let files = route.files(&"web".parse().unwrap());
                let mut unique = files.clone();
                unique.sort();
                unique.dedup();
                assert_eq!(unique.len(), files.len(), "{files:?}");
                let numbers = (1..=100).map(Visitor::Number);
                for kind in numbers.chain([Visitor::Prober, Visitor::Preview]) {
                    let goes_to = [first, second].map(|slot| files.contains(&kind.file(slot)));
                    assert_ne!(goes_to[0], goes_to[1], "{kind}");
                }
                assert_eq!([first, second].map(|slot| files.contains(&slot.to_string())), [share <= 50, share > 50]);
                let mark = |slot: &Slot| Route::mark(&Dir::new("/".into()), &slots, slot).display().to_string();
                let has = |slot: &Slot| files.contains(&mark(slot).replace("/live/", ""));
                assert_eq!([first, second].map(has), [share <= 50, share > 50], "{files:?}");
            }
        }
    }
}
