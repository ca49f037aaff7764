//! The page "Your application": what it tells each kind of application to do is done here, as it stands there, by a real
//! one behind nginx, in two releases and back. The runtimes are installed for the full run alone.

/// The small applications that are told what to do.
mod stacks;

use std::path::{Path, PathBuf};

use bg_tests::{World, http, is_full, pages, sample_jar, tell};
use stacks::{STACKS, Stack, as_debian_has_it};

/// Where the page has its settings and its releases.
const SETTINGS: &str = "/etc/bg/web.env";
const RELEASES: &str = "/srv/web";

fn page() -> String {
    pages::read(Path::new("bg-launch/APPLICATION.md"))
}

/// A server with the printed site alone, and a settings file with these lines; the site's URL.
fn set_up(lines: &str) -> (World, PathBuf, String) {
    let world = World::new();
    let listen = format!("127.0.0.1:{}", world.free_port());
    let print = |flags: &[&str]| world.run("bg-switch", flags).success().stdout();
    world.nginx.add_to_http("site", &print(&["--print-site", "--listen", &listen]));
    world.nginx.write_upstream(&print(&["--print-upstream"]));
    world.nginx.reload();
    let url = format!("http://{listen}");
    let settings = world.write("web.env", format!("BG_FRONT={url}/_bg/slot\n{lines}"));
    (world, settings, url)
}

/// The blocks of a part of the page in one language, as one text.
fn blocks(page: &str, heading: &str, language: &str) -> String {
    pages::blocks(pages::part(page, heading), language).concat()
}

fn text(url: &str, path: &str) -> String {
    http::get(&format!("{url}{path}")).expect("an answer").body.trim().to_owned()
}

#[test]
fn each_kind_of_application_takes_turns_by_the_commands_of_the_page() {
    if !is_full() {
        tell("application: only the full run has the runtimes: tests/run --full application::");
        return;
    }
    for stack in STACKS {
        let page = page();
        let (world, settings, url) = set_up(&blocks(&page, stack.heading, "ini"));
        let deploy = blocks(&page, stack.heading, "sh").replace(SETTINGS, &settings.display().to_string());
        for version in ["1.0", "1.1"] {
            install(&world, &stack, &page, version);
            let line = deploy.replace("/1.1", &format!("/{version}"));
            let line = as_debian_has_it(&line.replace(RELEASES, &world.word("srv")));
            world.run_line(line).success();
            assert_eq!(text(&url, "/version"), version, "{}", stack.heading);
        }
        // The release before answers what it has, and ends.
        let visitor = world.visit(&format!("http://127.0.0.1:{}/slow", world.port("set1")), "set1");
        let stop = format!("set -a; . {}; bg-launch --slot idle --stop --drain 0s", settings.display());
        world.run_line(stop).success();
        assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"), "{}", stack.heading);
        assert!(!world.listens("set1"));
        world.run_line(format!("bg-deploy --env-file {} --rollback", settings.display())).success();
        assert_eq!(text(&url, "/version"), "1.0", "{}", stack.heading);
        tell(&format!("application: {} took turns", stack.heading));
    }
}

/// Puts a release of that version into its folder.
fn install(world: &World, stack: &Stack, page: &str, version: &str) {
    let folder = world.make_dir(format!("srv/{version}"));
    for (name, lines) in stack.files {
        let told = blocks(page, stack.heading, stack.language);
        world.make_dir(folder.join(name).parent().expect("a folder"));
        world.write(folder.join(name), lines.replace("VERSION", version).replace("TOLD", &told));
    }
    if !stack.build.is_empty() {
        world.run_line(format!("cd {} && {}", folder.display(), stack.build)).success();
    }
}

/// A jar of the sample application, for no genuine one of Spring Boot is to be had: what is held here is that it gets what
/// Spring Boot reads.
#[test]
fn a_jar_gets_its_profile_and_the_settings_of_the_file() {
    let page = page();
    let (world, settings, url) = set_up(&blocks(&page, "## Spring Boot", "ini"));
    let file = settings.display();
    let jars = ["1.0", "1.1"].map(|version| sample_jar(version).display().to_string());
    for (jar, slot) in jars.iter().zip(["set1", "set2"]) {
        world.run_line(format!("bg-deploy --env-file {file} {jar}")).success();
        assert_eq!(text(&url, "/profile"), slot);
        holds(&world, slot);
    }
    world.run_line(format!("set -a; . {file}; bg-launch --slot idle --stop")).success();
    world.run_line(format!("bg-deploy --env-file {file} --rollback")).success();
    holds(&world, "set1");
}

/// What the process in a slot was started with.
#[track_caller]
fn holds(world: &World, slot: &str) {
    let launched: serde_json::Value =
        serde_json::from_str(&world.read(world.dir().join("slots").join(slot).join("process.json"))).expect("JSON");
    let of = |name: &str| {
        let bytes = std::fs::read(format!("/proc/{}/{name}", launched["pid"])).expect("it runs");
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let started = format!(
        " -Xmx512m -XX:+ExitOnOutOfMemoryError -Dspring.config.additional-location=file:/etc/bg/real-application.yml \
         -Dspring.profiles.active={slot} -jar "
    );
    assert!(of("cmdline").contains(&started), "{}", of("cmdline"));
    let environment = format!(" {}", of("environ"));
    assert!(environment.contains(&format!(" SERVER_PORT={} ", world.port(slot))), "{environment}");
}
