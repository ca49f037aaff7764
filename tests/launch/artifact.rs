//! What is deployed: files that can't run are refused while the old process still does.

use super::{SOON, facts, launch, launch_fake, pid, text};
use bg_tests::{Ran, Run, World, jar, process, programs, sample_jar, until};
use nix::sys::stat::Mode;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};

/// Runs `attempt` beside a slot that is taken, and holds that it was refused with this code and these words
/// before anything was touched.
#[track_caller]
fn refused(code: i32, words: &str, attempt: impl FnOnce(&World) -> Ran) {
    let world = World::new();
    let old = pid(&launch_fake(&world, &[]));
    let before = (world.releases(), world.held("set2"));
    attempt(&world).exit(code).printed_nothing().said(words);
    assert!(process::alive(old) && world.listens("set2"), "the old process was stopped");
    assert_eq!((world.releases(), world.held("set2")), before);
}

/// The same with one artifact, the file of that name in the world's folder.
#[track_caller]
fn artifact_refused(code: i32, words: &str, name: &str, make: impl FnOnce(&World)) {
    refused(code, words, |world| {
        make(world);
        launch(world, &[&world.word(name)])
    });
}

#[test]
fn a_truncated_jar_is_refused() {
    refused(1, "not a whole jar", |world| launch(world, &[jar::truncated().to_str().expect("UTF-8")]));
}

#[test]
fn a_jar_without_a_main_class_is_refused() {
    let jar = jar::without_main_class();
    let jar = jar.to_str().expect("UTF-8");
    refused(1, "no Main-Class", |world| launch(world, &[jar]));
    refused(1, "no Main-Class", |world| launch(world, &[jar, "--", "java", "-Xmx64m", "-jar", "{artifact}"]));
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    artifact_refused(1, "No such file", "app.jar", |_| ());
    artifact_refused(1, "No such file", "app.jar", |world| drop(world.link("/nowhere", "app.jar")));
}

#[test]
fn what_is_neither_file_nor_folder_is_refused() {
    // Nobody will ever write into it: who opens it waits for ever.
    let pipe = |world: &World| nix::unistd::mkfifo(&world.path("app.jar"), Mode::S_IRWXU).expect("a folder of ours");
    artifact_refused(1, "is a named pipe, which can't be deployed. Remove it: rm ", "app.jar", pipe);
}

#[test]
fn what_is_no_jar_needs_a_command() {
    artifact_refused(2, "say how to start it", "app.bin", |world| drop(world.write("app.bin", "x")));
    refused(2, "nothing to launch", |world| launch(world, &[]));
    refused(2, "{artifact} stands in the command", |world| launch(world, &["--", "fake-app", "{artifact}"]));
}

#[test]
fn an_empty_jar_is_refused() {
    artifact_refused(1, "not a whole jar", "app.jar", |world| drop(world.write("app.jar", "")));
}

#[test]
fn a_missing_java_is_refused() {
    refused(1, "java is not on this machine's PATH", |world| {
        let mut command = world.cmd("bg-launch");
        command.args(["--slot", "set2"]).arg(sample_jar("1.1")).env("PATH", programs::folder()).ran()
    });
}

/// A folder as of a JDK, whose java is the one on PATH.
fn java_home(world: &World) -> String {
    let java = programs::of_the_system("java");
    world.script("jdk/bin/java", &format!(r#"exec {} -Dstarted.by="$0" "$@""#, java.display()));
    world.word("jdk")
}

#[test]
fn a_jar_is_started_by_the_java_of_java_home_also_where_that_is_not_set_any_more() {
    let world = World::new();
    let home = java_home(&world);
    let java = format!("-Dstarted.by={home}/bin/java");
    let jar = sample_jar("1.1");
    let mut command = world.cmd("bg-launch");
    command.args(["--slot", "set2"]).arg(&jar).env("JAVA_HOME", &home).ran().success();
    let is_its_java = || process::command_line(world.pid("set2")).contains(&java);
    until(SOON, "it is java", is_its_java);
    assert!(process::environment(world.pid("set2")).contains(&format!("JAVA_HOME={home}")));
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    launch(&world, &["--current"]).success();
    until(SOON, "it is the same java", is_its_java);
}

#[test]
fn a_java_home_without_java_is_refused_by_a_launch_and_its_preflight() {
    refused(1, "which has no bin/java that may be executed", |world| {
        let mut command = world.cmd("bg-launch");
        command.args(["--slot", "set2"]).arg(sample_jar("1.1")).env("JAVA_HOME", world.folder()).ran()
    });
    let world = World::new();
    let mut check = world.cmd("bg-launch");
    let line = format!("fail    JAVA_HOME is {}, which has no bin/java", world.folder().display());
    check.arg("--check").env("JAVA_HOME", world.folder()).ran().exit(1).printed(line).printed("unset it");
    check.env("JAVA_HOME", java_home(&world)).ran().success().printed(format!("({}/bin/java)", world.word("jdk")));
    // Who says how to start it has said by what.
    check.env("JAVA_HOME", "/nowhere").args(["--", "java"]).ran().success();
    check.env("JAVA_HOME", "").ran().success();
}

#[test]
fn a_missing_program_is_refused() {
    refused(1, "no-such-program is not on this machine's PATH", |world| launch(world, &["--", "no-such-program"]));
}

#[test]
fn a_program_that_may_not_be_executed_is_refused() {
    refused(1, "may not be executed: chmod +x it", |world| {
        world.write("server", "#!/bin/sh\n");
        launch(world, &["--", &world.word("server")])
    });
}

#[test]
fn a_missing_folder_to_run_in_is_refused() {
    refused(1, "/nowhere is not a folder", |world| launch(world, &["--workdir", "/nowhere", "--", "fake-app"]));
}

#[test]
fn java_opts_with_an_open_quote_are_refused() {
    refused(2, "JAVA_OPTS", |world| {
        let mut command = world.cmd("bg-launch");
        command.args(["--slot", "set2"]).arg(sample_jar("1.1")).env("JAVA_OPTS", "-Dx='a").ran()
    });
}

#[test]
fn by_products_are_passed_over_and_two_jars_are_one_too_many() {
    let world = World::new();
    let build = world.make_dir("libs");
    for name in ["app-1.1.jar", "app-1.1-plain.jar", "app-1.1-sources.jar", "app-1.1-javadoc.jar"] {
        world.copy(sample_jar("1.1"), build.join(name));
    }
    let line = format!("bg-launch --slot set2 {}/*.jar", build.display());
    let launched = world.run_line(&line).success();
    assert!(text(&facts(&launched), "artifact").ends_with("/app-1.1.jar"));

    world.copy(sample_jar("1.0"), build.join("app-1.0.jar"));
    world.run_line(&line).exit(2).printed_nothing().said("5 artifacts given, 2 left");
}

#[test]
fn a_jar_is_started_by_java_with_its_profile_and_java_opts() {
    let world = World::new().env("JAVA_OPTS", r#"-Dsample.boot=0 "-Dwords=a b" -Dslot={slot}"#);
    let facts = facts(&launch(&world, &[sample_jar("1.1").to_str().expect("UTF-8")]).success());
    until(SOON, "it listens", || world.listens("set2"));
    assert_eq!(world.get_slot("set2", "/profile").expect("it listens").body, "set2");
    assert_eq!(world.get_slot("set2", "/version").expect("it listens").body, "1.1");

    let line = fs::read_to_string(format!("/proc/{}/cmdline", pid(&facts))).expect("it runs");
    let words: Vec<&str> = line.trim_end_matches('\0').split('\0').collect();
    let artifact = text(&facts, "artifact");
    let expected = ["-Dsample.boot=0", "-Dwords=a b", "-Dslot=set2", "-Dspring.profiles.active=set2", "-jar", artifact];
    assert_eq!(words[1..], expected);
}

#[test]
fn the_blanks_of_a_command_are_filled_in() {
    let world = World::new();
    let artifact = world.write("site content.txt", "content");
    let text_of = "{slot} {port} {release} {artifact} {other}";
    let words = [artifact.to_str().expect("UTF-8"), "--", "fake-app", "--version-text", text_of];
    let facts = facts(&launch(&world, &words).success());
    until(SOON, "it listens", || world.listens("set2"));
    let (release, copy) = (text(&facts, "release"), text(&facts, "artifact"));
    let filled = format!("set2 {} {release} {copy} {{other}}", world.port("set2"));
    assert_eq!(world.get_slot("set2", "/version").expect("it listens").body, filled);
    assert_eq!(Path::new(copy), world.dir().join("releases").join(release).join("site content.txt"));
    assert_eq!(fs::read_to_string(copy).expect("the copy"), "content");
}

#[test]
fn a_program_may_be_the_artifact() {
    let world = World::new();
    let program = programs::ours("fake-app");
    let launched =
        world.run_line(format!("umask 077; bg-launch --slot set2 {} -- {{artifact}}", program.display())).success();
    until(SOON, "it listens", || world.listens("set2"));
    let facts = facts(&launched);
    let copy = Path::new(text(&facts, "artifact"));
    assert_eq!(fs::read_link(format!("/proc/{}/exe", pid(&facts))).expect("it runs"), copy);
    assert_eq!(copy.metadata().expect("the copy").permissions().mode() & 0o777, 0o755);
    let folder = copy.parent().expect("a release").metadata().expect("the release");
    assert_eq!(folder.mode() & 0o777, 0o755, "whoever the application becomes must be able to read it");
}

/// Rewrites a file in place for as long as the world needs it: as a build does that writes its jar while a deploy copies it.
struct Build {
    is_over: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Build {
    /// Writes `A`s over all of it, then `B`s, and so on until it is over; and then, to the end, `B`s.
    fn begin(path: &Path) -> Build {
        const MANY: usize = 16 * 1024 * 1024;
        fs::write(path, vec![b'A'; MANY]).expect("a folder of ours");
        let file = fs::OpenOptions::new().write(true).open(path).expect("a file of ours");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let writer = thread::spawn(move || {
            let write = |letter: u8| {
                let chunk = vec![letter; 64 * 1024];
                (0..MANY / chunk.len()).for_each(|at| {
                    file.write_all_at(&chunk, (at * chunk.len()) as u64).expect("a file of ours");
                });
            };
            while !over.load(Relaxed) {
                write(b'A');
                write(b'B');
            }
        });
        Build { is_over, writer: Some(writer) }
    }

    /// Waits for its end.
    fn end(&mut self) {
        self.is_over.store(true, Relaxed);
        if let Some(writer) = self.writer.take() {
            writer.join().expect("it writes and ends");
        }
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_refused() {
    refused(1, "changes while it is copied; deploy again when the build is done", |world| {
        let artifact = world.path("server");
        let _build = Build::begin(&artifact);
        launch(world, &[artifact.to_str().expect("UTF-8"), "--", "fake-app"])
    });
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_copied_as_it_is_when_it_is_done() {
    let world = World::new();
    let artifact = world.path("server");
    let mut build = Build::begin(&artifact);
    let launched = thread::scope(|scope| {
        let launched = scope.spawn(|| launch(&world, &[artifact.to_str().expect("UTF-8"), "--", "fake-app"]));
        let incoming = world.dir().join("releases/.incoming");
        until(SOON, "its copy is begun", || incoming.exists());
        build.end();
        launched.join().expect("it ends")
    });
    let facts = facts(&launched.success());
    let copy = fs::read(text(&facts, "artifact")).expect("the copy");
    assert!(copy == fs::read(&artifact).expect("the artifact"), "the copy is of two builds");
}

#[test]
fn a_jar_whose_class_path_names_files_beside_it_is_refused_with_the_command_that_works() {
    let libs = "lib/boot/a-library-with-a-name-that-is-long-enough-to-be-folded-in-the-manifest-1.0.jar lib/b%20c.jar";
    let jar = jar::with_class_path("libs", libs);
    let beside = |world: &World| {
        let jar = world.copy(&jar, "quarkus-app/quarkus-run.jar");
        for lib in libs.replace("%20", " ").split(".jar").filter(|lib| !lib.is_empty()) {
            world.write(format!("quarkus-app/{}.jar", lib.trim_start()), "");
        }
        jar.display().to_string()
    };
    refused(1, "the Class-Path in its manifest names lib/boot/", |world| launch(world, &[&beside(world)]));

    let world = World::new();
    let jar = beside(&world);
    let check =
        world.run("bg-deploy", &["--check", &jar]).exit(1).printed("and 1 more beside it, which would stay behind");
    let advice =
        check.stdout().split("deploy the folder: ").nth(1).and_then(|rest| rest.lines().next()).map(str::to_owned);
    let advice = advice.expect("a command");
    assert_eq!(advice, format!("bg-deploy {}", world.word("quarkus-app")));
    world.run_line(&advice).success();
    let held =
        world.dir().join("releases").join(world.held("set1").expect("a release")).join("quarkus-app/lib/b c.jar");
    assert!(held.is_file());
    let refused = launch(&world, &[&jar, "--", "java", "-Xmx64m", "-jar", "{artifact}"]).exit(1);
    let folder = world.word("quarkus-app");
    refused
        .said(format!("Deploy the folder: bg-launch --slot set2 {folder} -- java -jar {{artifact}}/quarkus-run.jar"));
    // What is not started by java may find its libraries by other means.
    launch(&world, &[&jar, "--", "fake-app"]).success();
}

#[test]
fn a_class_path_of_which_nothing_is_there_is_no_reason_to_refuse() {
    let world = World::new();
    let jar =
        world.copy(jar::with_class_path("leftovers", ". ./ lib/gone.jar /etc/passwd file:/etc/passwd"), "app.jar");
    launch(&world, &[jar.to_str().expect("UTF-8")]).success();
}
