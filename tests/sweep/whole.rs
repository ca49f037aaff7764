//! What must be true at every moment, whatever was killed: the checks, each of which says what it found wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{Nginx, http, process, until};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::scene::{Act, PAGE, SHARE, Scene};

/// How long what a killed program has started may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Everything that is wrong while a run may be half done.
pub(crate) fn half_done(scene: &Scene) -> Vec<String> {
    let mut faults = strays(scene);
    faults.extend(serves(scene, &scene.world.nginx, "nginx"));
    faults.extend(files(scene));
    faults.extend(untold(scene));
    faults.extend(share(scene, if scene.act == Act::Ramp { &[0, SHARE, 100] } else { &[0, SHARE] }));
    faults.extend(door(scene, None));
    faults.extend(heard(scene));
    faults.extend(unfit(scene));
    faults.extend(own(scene, false));
    if let Some(why) = nginx_test(scene) {
        faults.push(why);
        return faults;
    }
    scene.twin.start();
    faults.extend(serves(scene, &scene.twin, "a restarted nginx"));
    scene.twin.stop();
    faults
}

/// What is wrong when a run has said that it failed: nginx serves what it served.
pub(crate) fn stayed(scene: &Scene) -> Option<String> {
    if matches!(scene.act, Act::Share | Act::Ramp) {
        return share(scene, &[0]);
    }
    let (slot, _) = Scene::serving(&scene.world.nginx).ok()?;
    (slot != scene.before.live).then(|| format!("it failed, and yet nginx has moved to {slot}"))
}

/// What would stand in for the slot that serves is what was there before: a release that nobody was ever switched to is not.
fn unfit(scene: &Scene) -> Option<String> {
    if scene.act == Act::Ramp && scene.share() > 0 {
        return None;
    }
    let (live, _) = Scene::serving(&scene.world.nginx).ok()?;
    let before = &scene.before;
    let stands_in = scene.world.dir().join("backed/visitors").join(&live).exists();
    let now = scene.world.get_slot(&before.idle, "/version").ok().map(|answer| answer.body);
    let is_other = live == before.live && now.is_some() && now != before.idle_version;
    (stands_in && is_other).then(|| format!("{now:?} stands in for {live}"))
}

/// Where a site is closed or opened: visitors get the whole page or the application's answer, and the one of these that is
/// expected.
fn door(scene: &Scene, closed: Option<bool>) -> Option<String> {
    if scene.door.is_empty() {
        return None;
    }
    let answer = match http::get(&scene.door) {
        Ok(answer) => answer,
        Err(why) => return Some(format!("a visitor got no answer: {why}")),
    };
    let is_page = answer.status == 503 && (answer.body == PAGE || answer.body.ends_with("</html>\n"));
    let is_answer = answer.status == 200 && answer.body == scene.before.live;
    let is_fine = closed.map_or(is_page || is_answer, |closed| if closed { is_page } else { is_answer });
    (!is_fine).then(|| format!("a visitor got {} {:?}", answer.status, answer.body))
}

/// Who has watched the visitors has ended: nginx says nothing more of them, and does not complain that nobody listens.
fn heard(scene: &Scene) -> Option<String> {
    let visitors = scene.visitors.as_ref()?;
    let complaints =
        || ["[error]", "[crit]", "[alert]"].map(|word| scene.world.nginx.error_log().matches(word).count());
    let (before, sent, speaks) = (complaints(), visitors.sent(), scene.gate().exists());
    until(ENDS_WITHIN, "visitors come", || visitors.sent() > sent + 20);
    let is_fine = !speaks && complaints() == before;
    (!is_fine).then(|| format!("nginx speaks: {speaks}; it says {}", scene.world.nginx.error_log()))
}

/// A drained host says so.
fn drained(scene: &Scene) -> Option<String> {
    match http::get(&scene.door.replace("/profile", "/_bg/ready")) {
        Ok(answer) if (answer.status, answer.body.as_str()) == (503, "drained\n") => None,
        answer => Some(format!("a load balancer got {answer:?}")),
    }
}

/// Where a pass is made, or visitors stay: who has a pass sees its slot, and when all is done there is one; who was in the live
/// slot is answered as the route has it.
fn own(scene: &Scene, is_done: bool) -> Option<String> {
    let seen = |cookie: &str| http::request("GET", &scene.own, &[("Cookie", cookie)], b"");
    let (cookie, fits): (String, Vec<&str>) = match scene.act {
        Act::Pass => {
            let passes = scene.world.dir().join("pass");
            let names = if passes.is_dir() { scene.world.names(passes) } else { Vec::new() };
            let Some(pass) = names.iter().find(|name| !name.starts_with('.')) else {
                return is_done.then(|| "there is no pass".to_owned());
            };
            (format!("bg_web_pass={pass}"), vec![&scene.before.idle])
        }
        Act::Linger => {
            // Where no process can be left behind, all are moved at once, with a warning.
            let route = fs::read_link(scene.world.dir().join("live")).unwrap_or_default();
            let stays = route.to_string_lossy().contains("+keep-") || *scene.before.live == *route.file_name()?;
            (
                format!("bg_web_slot={}", scene.before.live),
                vec![if stays { &scene.before.live } else { &scene.before.idle }],
            )
        }
        _ => return None,
    };
    match seen(&cookie) {
        Ok(answer) if answer.status == 200 && fits.contains(&answer.body.as_str()) => None,
        Ok(answer) => Some(format!("who sends {cookie} got {} {:?}", answer.status, answer.body)),
        Err(why) => Some(format!("who sends {cookie} got no answer: {why}")),
    }
}

/// Where a share of the visitors is moved: how many have it, as one of these.
fn share(scene: &Scene, expected: &[usize]) -> Option<String> {
    let share = matches!(scene.act, Act::Share | Act::Ramp).then(|| scene.share())?;
    (!expected.contains(&share)).then(|| format!("{share} of a hundred visitors have been moved"))
}

/// Everything that is wrong when a run has ended well.
pub(crate) fn done(scene: &Scene) -> Vec<String> {
    let mut faults = [reached(scene), leftovers(scene)].concat();
    faults.extend(is_first_to_go(scene));
    let stands_in = scene.world.dir().join("backed/visitors").join(&scene.before.live);
    if scene.act == Act::Switch && !stands_in.exists() {
        faults.push(format!("{} is live, and was not said to be fit to stand in", scene.before.idle));
    }
    faults
}

/// What serves is not what the kernel ends first when memory runs out, as what is booted is.
fn is_first_to_go(scene: &Scene) -> Option<String> {
    let (slot, _) = Scene::serving(&scene.world.nginx).ok()?;
    let pid = scene.launched(&slot)?.get("pid")?.as_u64()?;
    let place = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok()?;
    (place.trim() == "800").then(|| format!("{slot} serves, and is the first to go"))
}

/// Everything that is wrong when a run has ended well, but for what it could not tidy up and has warned of.
pub(crate) fn reached(scene: &Scene) -> Vec<String> {
    let mut faults = half_done(scene);
    faults.extend(match scene.act {
        Act::Close => door(scene, Some(true)),
        Act::Open => door(scene, Some(false)),
        Act::Drain => door(scene, Some(false)).or_else(|| drained(scene)),
        Act::Pass | Act::Linger => own(scene, true),
        _ => None,
    });
    faults.extend(if scene.act == Act::Share {
        share(scene, &[SHARE]).into_iter().collect()
    } else {
        serves_the_goal(scene)
    });
    if scene.act == Act::Launch {
        faults.extend(runs(scene, &scene.before.idle));
    }
    if scene.act == Act::Companion {
        faults.extend(works(scene));
    }
    faults.extend(waits(scene));
    if scene.now() != scene.form_at_the_end() {
        faults.push(format!("the upstream file is {:?}", scene.world.nginx.read_upstream()));
    }
    faults
}

/// Processes nobody knows of: they would hold the slot's port for ever.
fn strays(scene: &Scene) -> Vec<String> {
    let deadline = Instant::now() + ENDS_WITHIN;
    loop {
        let strays = scene.strays();
        if strays.is_empty() {
            return Vec::new();
        }
        if Instant::now() > deadline {
            for pid in &strays {
                process::signal(*pid, Signal::SIGKILL);
            }
            return vec![format!("left running: {strays:?}")];
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// nginx sends to the slot it sent to, as it was, or to the new one that is healthy.
fn serves(scene: &Scene, nginx: &Nginx, who: &str) -> Option<String> {
    let (slot, version) = match Scene::serving(nginx) {
        Ok(both) => both,
        Err(why) => return Some(format!("{who}: {why}")),
    };
    if !scene.may_serve().contains(&slot.as_str()) {
        return Some(format!("{who} serves {slot}"));
    }
    let expected = if slot == scene.before.live {
        Some(scene.before.version.clone())
    } else {
        scene.launched(&slot).and_then(|launched| Some(launched.get("release")?.as_str()?.to_owned()))
    };
    (expected.as_deref() != Some(version.as_str()))
        .then(|| format!("{who} serves {version} in {slot}, expected {expected:?}"))
}

/// Where a deploy has moved nginx, the last line of the history is of that release.
fn untold(scene: &Scene) -> Option<String> {
    let (slot, _) = Scene::serving(&scene.world.nginx).ok()?;
    let release = scene.launched(&slot)?["release"].clone();
    let last = scene.world.history().pop()?;
    let is_told = last["slot"] == *slot && last["launch"]["release"] == release;
    (matches!(scene.act, Act::Deploy | Act::Ramp | Act::Finish) && slot != scene.before.live && !is_told)
        .then(|| format!("nginx has moved to {release} in {slot}, and the history ends with {last}"))
}

fn nginx_test(scene: &Scene) -> Option<String> {
    let line = scene.world.nginx.command_line();
    let mut words = line.split(' ');
    let output = Command::new(words.next()?).args(words).arg("-t").output().expect("nginx, which was found before");
    (!output.status.success()).then(|| format!("nginx -t: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Every file of ours parses and every link leads to something.
fn files(scene: &Scene) -> Vec<String> {
    // What is open to nginx goes with the process that listens, and may lead nowhere.
    let is_known = |path: &&PathBuf| !path.starts_with(scene.gate().with_file_name("")) || !path.is_symlink();
    let mut faults: Vec<String> =
        walk(&scene.world.dir()).iter().filter(is_known).filter_map(|path| file(path)).collect();
    let upstream = scene.world.nginx.read_upstream();
    if !(upstream.starts_with("set $service_url http://") && upstream.ends_with('\n')) {
        faults.push(format!("the upstream file is {upstream:?}"));
    }
    faults
}

fn file(path: &Path) -> Option<String> {
    if path.is_symlink() {
        return (!path.exists()).then(|| format!("{} leads to nothing", path.display()));
    }
    if is_temporary(path) || path.is_dir() {
        return None;
    }
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let broken = |what: &str| format!("{} {what}: {text:?}", path.display());
    match path.file_name()?.to_str()? {
        "deploys.jsonl" => {
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let parses = whole.lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
            (!parses).then(|| broken("has a line that is no record"))
        }
        "app" => (text != "web\n").then(|| broken("does not say whose folder it is")),
        "app.bin" => (!text.ends_with('\n')).then(|| broken("is not whole")),
        "process.json" => {
            let process: Value = serde_json::from_str(&text).unwrap_or_default();
            let known = ["pid", "start_ticks", "boot_id", "port", "release"].iter().all(|key| !process[key].is_null());
            (!known).then(|| broken("does not say whose process it is"))
        }
        name if Path::new(name).extension().is_some_and(|end| end == "json") => {
            serde_json::from_str::<Value>(&text).is_err().then(|| broken("does not parse"))
        }
        _ => None,
    }
}

fn serves_the_goal(scene: &Scene) -> Vec<String> {
    let live = scene.world.live();
    let Some(live) = live else { return vec!["no slot is live in the end".to_owned()] };
    match scene.goal() {
        Some(goal) if goal == live => Vec::new(),
        Some(goal) => vec![format!("{live} is live in the end, and not {goal}")],
        None => runs(scene, &live),
    }
}

/// What the slot runs is the release that was just deployed.
fn runs(scene: &Scene, slot: &str) -> Vec<String> {
    let deployed = scene.world.read(scene.artifact());
    let Some(launched) = scene.launched(slot) else { return vec![format!("nothing was launched in {slot}")] };
    let release = launched["release"].as_str().unwrap_or_default();
    let mut faults = Vec::new();
    let artifact = fs::read_to_string(scene.world.dir().join("slots").join(slot).join("current/app.bin"));
    if artifact.ok().as_ref() != Some(&deployed) {
        faults.push(format!("{slot} does not hold what was deployed"));
    }
    let deadline = Instant::now() + ENDS_WITHIN;
    // A launch ends when the application begins.
    while Instant::now() < deadline && !scene.world.listens(slot) {
        thread::sleep(Duration::from_millis(2));
    }
    match scene.world.get_slot(slot, "/version") {
        Ok(answer) if answer.body == release => {}
        Ok(answer) => faults.push(format!("{slot} runs {}, but {release} was launched", answer.body)),
        Err(error) => faults.push(format!("{slot} does not answer: {error}")),
    }
    faults
}

/// What is prepared is known and is what was to be prepared, or what was given up is gone and the slot as it was.
fn waits(scene: &Scene) -> Option<String> {
    let (idle, dir) = (&scene.before.idle, scene.world.dir());
    let kept = fs::read_to_string(dir.join("prepared.json")).ok();
    let kept: Option<Value> = kept.and_then(|text| serde_json::from_str(&text).ok());
    match scene.act {
        Act::Prepare => {
            let faults = runs(scene, idle);
            let is_known = kept.is_some_and(|kept| {
                Some(&kept["launch"]["pid"]) == scene.launched(idle).map(|it| it["pid"].clone()).as_ref()
            });
            let unknown = (!is_known).then(|| "nobody knows what is prepared".to_owned());
            faults.into_iter().chain(unknown).reduce(|one, other| format!("{one}; {other}"))
        }
        Act::Abandon if kept.is_some() => Some("what was given up is prepared still".to_owned()),
        Act::Abandon if scene.world.held(idle) != scene.held_before => {
            Some(format!("{idle} holds {:?}, and held {:?}", scene.world.held(idle), scene.held_before))
        }
        Act::Abandon if scene.world.listens(idle) => Some(format!("what was given up runs in {idle}")),
        _ => None,
    }
}

/// The companion is that of the live release, and it runs. That there is but one, [`strays`] tells.
fn works(scene: &Scene) -> Option<String> {
    let Some(launched) = scene.launched("companion") else { return Some("no companion was launched".to_owned()) };
    let pid = launched["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
    if !process::alive(pid) {
        return Some(format!("the companion, pid {pid}, does not run"));
    }
    let held = scene.world.held(&scene.before.live);
    (launched["release"].as_str() != held.as_deref())
        .then(|| format!("the companion is that of {}", launched["release"]))
}

/// What a run that ends well must not leave, nor leave lying from one that was killed.
fn leftovers(scene: &Scene) -> Vec<String> {
    let all: Vec<PathBuf> = scene.folders().iter().flat_map(|folder| walk(folder)).collect();
    let left = all.iter().filter(|path| is_temporary(path) || path.ends_with("switching.json"));
    let mut faults: Vec<String> = left.map(|path| format!("{} is left over", path.display())).collect();
    let releases = walk(&scene.world.dir().join("releases")).iter().filter(|path| path.ends_with("app.bin")).count();
    if releases > 5 {
        faults.push(format!("{releases} releases are kept, 3 were to be"));
    }
    faults
}

/// Whether a path is, or is in, something that has not got its name yet or has lost it.
pub(crate) fn is_temporary(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let hidden_release = |pair: &[&str]| pair[0] == "releases" && pair[1].starts_with('.');
    parts.iter().any(|part| part.ends_with(".bg-new")) || parts.windows(2).any(hidden_release)
}

/// Everything below a folder, links not followed.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            paths.extend(walk(&path));
        }
        paths.push(path);
    }
    paths
}
