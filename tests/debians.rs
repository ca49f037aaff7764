//! nginx as four releases of Debian have it: each takes the printed site without a warning, and passes the tests of the
//! link, the site and all that visitors notice.
//!
//! The tests are this same executable once more, with that nginx in place of the system's: its root is made by
//! debootstrap, and it runs there. That takes root and minutes, so only a full run (`BG_TEST_FULL=1`) does it.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, Once, PoisonError};

use bg_tests::{World, debian, is_full, programs, tell};

/// The tests that another nginx must pass.
const TESTS: [&str; 10] = [
    "link::",
    "share::",
    "stand_in::",
    "preview::",
    "assets::",
    "closed::",
    "ready::the_page",
    "visitors::",
    "site::",
    "debians::a_printed_site",
];

/// Has the root see this machine's temporary files, devices and processes, and runs the words.
/// Its mounts are its own business, and all that it started ends with it.
const INSIDE: &str = r#"
root=$1 temporary=$2
shift 2
mkdir -p "$root$temporary"
mount --rbind "$temporary" "$root$temporary"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
exec "$@"
"#;

/// All that a site can be printed with.
const EXTRAS: [&str; 6] =
    ["", "sticky", "preview", "assets=/assets/,/static/", "watch", "sticky,preview,watch,assets=/assets/,/static/"];

#[test]
fn a_printed_site_is_taken_without_a_warning() {
    for form in ["link", "reload"] {
        for extras in EXTRAS {
            let world = World::new();
            let print = |what: &str| {
                let words = [what, "--form", form, "--listen", "127.0.0.1:1", "--with", extras];
                world.run("bg-switch", &words).success().stdout()
            };
            world.nginx.write_upstream(&print("--print-upstream"));
            world.nginx.add_to_http("site", &print("--print-site"));
            let output = nginx(&world, "-t");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let taken = output.status.success() && !said.contains("[warn]");
            assert!(taken, "{form}, --with {extras:?}: {said}");
        }
    }
}

// One test a release, for CI gives each a machine: `tests/run --full debians::nginx_of_bullseye`.

#[test]
fn nginx_of_bullseye_takes_the_printed_site_and_passes_its_tests() {
    passes("bullseye", "1.18.");
}

#[test]
fn nginx_of_bookworm_takes_the_printed_site_and_passes_its_tests() {
    passes("bookworm", "1.22.");
}

#[test]
fn nginx_of_trixie_takes_the_printed_site_and_passes_its_tests() {
    passes("trixie", "1.26.");
}

#[test]
fn nginx_of_sid_takes_the_printed_site_and_passes_its_tests() {
    // The newest, and another one every month.
    passes("sid", "1.");
}

/// The nginx of one release, which keeps a version, passes the tests.
#[track_caller]
fn passes(suite: &str, version: &str) {
    static SAID: Once = Once::new();
    // One after the other, for the tests are many and measure time.
    static ONE: Mutex<()> = Mutex::new(());
    if !is_full() {
        return SAID.call_once(|| tell("debians: not run; tests/run --full runs it"));
    }
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tested = tested(suite, version);
    drop(one);
    tested.unwrap_or_else(|all| panic!("{all}"));
}

/// Runs the tests with the nginx of one release, and says how many there were; else all that they said.
fn tested(suite: &str, version: &str) -> Result<(), String> {
    let root = debian::with_nginx(suite);
    let folder = tempfile::Builder::new().prefix("bg-debian-").tempdir().expect("a temporary folder");
    let program = folder.path().join("nginx");
    fs::copy(programs::ours("other-nginx"), &program).expect("a folder of ours");
    symlink(&root, folder.path().join("root")).expect("a folder of ours");
    let said = Command::new(&program).arg("-v").output().expect("a program of ours");
    let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    let output = run(&root, &program);
    let all = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let result = all.lines().find(|line| line.starts_with("test result:")).unwrap_or("no test was run");
    tell(&format!("debians: {suite}, {said}: {result}"));
    let is_it = said.contains(&format!("nginx/{version}"));
    let is_done = output.status.success() && !result.contains(" 0 passed");
    if is_it && is_done { Ok(()) } else { Err(format!("{suite}, {said}:\n{all}")) }
}

/// These tests once more, in a room of their own.
fn run(root: &Path, nginx: &Path) -> Output {
    let temporary = fs::canonicalize(env::temp_dir()).expect("a temporary folder");
    let mut command = Command::new(programs::of_the_system("unshare"));
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-eu", "-c", INSIDE, "sh"]);
    command.arg(root).arg(temporary).arg(env::current_exe().expect("this executable")).args(TESTS);
    command.env_remove("BG_TEST_FULL").env("BG_TEST_NGINX", nginx).output().expect("unshare, which was found")
}

/// The world's nginx with one more argument.
fn nginx(world: &World, argument: &str) -> Output {
    let line = world.nginx.command_line();
    let mut words = line.split(' ');
    let mut nginx = Command::new(words.next().expect("a program"));
    nginx.args(words).arg(argument).output().expect("nginx, which was found before")
}
