use super::{NOBODY, SOON, as_nobody, give_to_nobody, needs_root, nobodys_dir, owners};
use bg_tests::{Run, World, pages, process, until};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;
use std::thread;

/// Everything in the folder is nobody's.
#[track_caller]
fn assert_nobodys(folder: &Path) {
    // The environment of what root has started is root's secret.
    let is_roots = |path: &Path, uid: u32| uid == 0 && path.parent().is_some_and(|up| up.ends_with("surroundings"));
    let others = owners(folder).into_iter().filter(|(path, uid)| *uid != NOBODY && !is_roots(Path::new(path), *uid));
    let others: Vec<_> = others.collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn by_link_an_unprivileged_user_needs_nobody_and_no_nginx_program() {
    needs_root();
    let world = World::new().link_form().env("BG_NGINX", "/nowhere/nginx");
    let dir = nobodys_dir(&world);
    for version in ["1.0", "1.1", "1.2"] {
        as_nobody(&world, "bg-deploy").args(["--", "fake-app", "--version-text", version]).ran().success();
        assert_eq!(world.get("/version").body, version);
    }
    as_nobody(&world, "bg-deploy").arg("--rollback").ran().success();
    assert_eq!(world.get("/version").body, "1.1");
    assert_nobodys(&dir);
}

/// What the line of sudoers on the page of bg-switch lets a user do, by a servant of root's: `-t` and `-s reload`, to the letter. The
/// script to call; it has to be told to end.
struct TwoLines {
    nginx: String,
    ask: std::path::PathBuf,
    servant: thread::JoinHandle<Vec<String>>,
}

impl TwoLines {
    fn of(world: &World) -> TwoLines {
        let folder = world.make_dir("servant");
        let (ask, answer) = (folder.join("ask"), folder.join("answer"));
        for fifo in [&ask, &answer] {
            mkfifo(fifo, Mode::empty()).expect("a folder of ours");
            world.chmod(fifo, 0o666);
        }
        // nginx says everything on stderr; the first line of the answer is the exit status. How it was built it says to
        // anybody.
        let lines = format!(
            "[ \"$*\" = -V ] && exec nginx -V\necho \"$*\" >{0}\n{{ read -r status; cat >&2; }} <{1}\nexit \"$status\"",
            ask.display(),
            answer.display()
        );
        let nginx = world.script("servant/nginx", &lines);
        let line = world.nginx.command_line();
        let asked = ask.clone();
        let servant = thread::spawn(move || serve(&asked, &answer, &line));
        TwoLines { nginx, ask, servant }
    }

    /// What was asked for and refused.
    fn refused(self) -> Vec<String> {
        fs::write(&self.ask, "end\n").expect("the servant waits");
        self.servant.join().expect("no panic")
    }
}

fn serve(ask: &Path, answer: &Path, nginx: &str) -> Vec<String> {
    let mut refused = Vec::new();
    loop {
        let asked = fs::read_to_string(ask).expect("a line");
        let said = match asked.trim_end() {
            "end" => return refused,
            line @ ("-t" | "-s reload") => {
                let output = Command::new("/bin/sh").args(["-c", &format!("{nginx} {line}")]).output().expect("sh(1)");
                let status = output.status.code().expect("no signal");
                format!("{status}\n{}", String::from_utf8_lossy(&output.stderr))
            }
            other => {
                refused.push(other.to_owned());
                "1\na password is required\n".to_owned()
            }
        };
        fs::write(answer, said).expect("who asked listens");
    }
}

#[test]
fn by_reload_an_unprivileged_user_needs_two_command_lines_of_root() {
    needs_root();
    let world = World::new();
    let dir = nobodys_dir(&world);
    // As on the page of bg-switch: a folder and a file of the user's own, which nginx includes.
    let folder = world.make_dir("own");
    let file = world.copy(world.nginx.upstream_file(), "own/service-url.inc");
    give_to_nobody(&folder);
    give_to_nobody(&file);
    world.nginx.write_upstream(&format!("include {};\n", file.display()));
    world.nginx.reload();

    let allowed = TwoLines::of(&world);
    let deploy = |words: &[&str]| {
        let mut deploy = as_nobody(&world, "bg-deploy");
        deploy.args(["--upstream-file", &file.display().to_string(), "--nginx", &allowed.nginx]).args(words);
        deploy.ran()
    };
    for version in ["1.0", "1.1", "1.2"] {
        deploy(&["--", "fake-app", "--version-text", version]).success();
        assert_eq!(world.get("/version").body, version);
    }
    deploy(&["--rollback"]).success();
    assert_eq!(world.get("/version").body, "1.1");
    // What nginx refuses is put back without any further right.
    world.nginx.add_to_http("broken", "this is no directive;\n");
    deploy(&["--", "fake-app"]).exit(5).said("nginx -t refused the configuration");
    assert_eq!(world.get("/version").body, "1.1");
    assert_eq!(allowed.refused(), Vec::<String>::new());
    assert_nobodys(&dir);
    assert_nobodys(&folder);
}

#[test]
fn an_artifact_that_this_user_may_not_read_is_not_to_be_built_again() {
    needs_root();
    let world = World::new().link_form();
    nobodys_dir(&world);
    let artifact = world.write("app.bin", "as it is\n");
    world.chmod(&artifact, 0o600);
    let mut launch = as_nobody(&world, "bg-launch");
    let refused = launch.arg("--check").arg(&artifact).args(["--", "fake-app"]).ran().exit(1);
    refused
        .printed("app.bin: open: Permission denied (os error 13): let this user read it (chmod a+r), or copy it again");
}

#[test]
fn what_root_makes_in_a_users_folder_is_that_users() {
    needs_root();
    let world = World::new();
    let dir = nobodys_dir(&world);
    as_nobody(&world, "bg-launch").args(["--slot", "set1", "--", "fake-app"]).ran().success();
    until(SOON, "it listens", || world.listens("set1"));
    // The way on the page of bg-switch from one form to the other.
    world.run("bg-switch", &["--convert", "link"]).success();
    assert_nobodys(&dir);
    let upstream = fs::metadata(world.nginx.upstream_file()).expect("the upstream file");
    assert_eq!(upstream.uid(), 0, "root's own file stays root's");
    for version in ["1.1", "1.2"] {
        as_nobody(&world, "bg-deploy").args(["--", "fake-app", "--version-text", version]).ran().success();
        assert_eq!(world.get("/version").body, version);
        assert_nobodys(&dir);
    }
    let other = if world.live().as_deref() == Some("set1") { "set2" } else { "set1" };
    world.switch(other).success();
    assert_nobodys(&dir);
    as_nobody(&world, "bg-deploy").arg("--rollback").ran().success();
    world.run("bg-switch", &["--convert", "reload"]).success();
    assert_nobodys(&dir);
}

#[test]
fn root_deploys_in_a_users_folder_with_bg_shared_dir_and_leaves_all_to_the_user() {
    needs_root();
    let world = World::new().link_form();
    let dir = nobodys_dir(&world);
    let shared = |program: &str, words: &[&str]| world.cmd(program).env("BG_SHARED_DIR", "1").args(words).ran();
    shared("bg-deploy", &["--", "fake-app", "--version-text", "1.0"]).success();
    shared("bg-deploy", &["--", "fake-app", "--version-text", "1.1"]).success();
    assert_nobodys(&dir);
    // The release is the user's by now, and can be started again all the same.
    shared("bg-launch", &["--slot", "idle", "--stop"]).success();
    shared("bg-deploy", &["--rollback"]).success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn root_starts_and_stops_nothing_by_what_a_user_may_change() {
    needs_root();
    let world = World::new();
    let dir = nobodys_dir(&world);
    let why = format!("{} belongs to another user (uid {NOBODY}), who could choose what root executes", dir.display());
    world.deploy(&[]).exit(1).said(&why);
    for words in [&["--", "fake-app"][..], &["--current"], &["--stop"]] {
        world.run("bg-launch", &[&["--slot", "set1"], words].concat()).exit(1).said(&why);
    }
    world.run("bg-launch", &["--live"]).exit(1).said(&why);
    assert_eq!(owners(&dir), []);
    // A folder that is not there yet would be made in that user's.
    let inside = world.word(dir.join("deeper/still"));
    world.deploy(&[]).exit(1);
    world.run("bg-deploy", &["--dir", &inside, "--", "fake-app"]).exit(1).said("another user");
    assert!(!Path::new(&inside).exists());
}

#[test]
fn a_folder_of_another_user_is_refused() {
    needs_root();
    let world = World::new();
    world.make_dir(world.dir());
    chown(world.dir(), Some(1), Some(1)).expect("root may");
    for program in ["bg-deploy", "bg-launch", "bg-switch"] {
        let mut command = as_nobody(&world, program);
        match program {
            "bg-switch" => command.args(["--to", "set1"]),
            "bg-launch" => command.args(["--slot", "set1", "--", "fake-app"]),
            _ => command.args(["--", "fake-app"]),
        };
        command.ran().exit(1).said("belongs to another user (uid 1)");
    }
}

#[test]
fn a_folder_that_others_may_write_to_is_refused_without_bg_shared_dir() {
    let world = World::new();
    world.make_dir(world.dir());
    for mode in [0o777, 0o775, 0o1777] {
        world.chmod(world.dir(), mode);
        world.deploy(&[]).exit(1).said("is writable by others, who could then choose what runs");
        assert_eq!(owners(&world.dir()), []);
    }
    world.cmd("bg-deploy").env("BG_SHARED_DIR", "0").args(["--", "fake-app"]).ran().exit(1);
    world.cmd("bg-deploy").env("BG_SHARED_DIR", "1").args(["--", "fake-app"]).ran().success();
}

#[test]
fn files_of_a_group_that_the_user_is_not_in_can_be_replaced() {
    needs_root();
    let world = World::new().link_form();
    let dir = nobodys_dir(&world);
    let deploy = || as_nobody(&world, "bg-deploy").args(["--", "fake-app"]).ran();
    deploy().success();
    for (path, _) in owners(&dir).into_iter().filter(|(path, _)| path.is_file()) {
        chown(path, None, Some(0)).expect("root may");
    }
    deploy().success();
    deploy().success();
    let process = fs::metadata(dir.join("slots/set1/process.json")).expect("process.json");
    assert_eq!((process.uid(), process.gid(), process.mode() & 0o777), (NOBODY, NOBODY, 0o640));
}

#[test]
fn the_application_gets_no_secret_of_ours_and_no_secret_of_its_own_is_told() {
    let world = World::new();
    world.write("web.env", "BG_HEALTH_SUCCESSES=1\nDB_PASSWORD='given to it'\n");
    let mut deploy = world.cmd("bg-deploy");
    deploy.args(["--env-file", &world.word("web.env"), "-v", "--", "fake-app", "--version-text", "hunter2"]);
    let deploy = deploy.env("BG_WAIT", "9s").ran().success();
    let environment = world.get("/env").body;
    let ours: Vec<&str> = environment.lines().filter_map(|line| line.split_once('=')?.0.strip_prefix("BG_")).collect();
    let mut ours = ours;
    ours.sort_unstable();
    assert_eq!(ours, ["APP", "LIVE", "RELEASE", "SLOT"]);
    assert!(environment.contains("DB_PASSWORD=given to it\n"));

    let open = process::open_files(world.pid("set1")).into_iter().map(|file| file.display().to_string());
    let open: Vec<String> = open.collect();
    assert!(!open.is_empty(), "it runs");
    assert!(!open.iter().any(|target| target.ends_with("/lock") || target.starts_with("pipe:")), "{open:?}");

    for told in [deploy.stdout(), deploy.stderr(), world.read(world.history_file())] {
        assert!(!told.contains("hunter2") && !told.contains("given to it"), "{told}");
    }
    for (path, _) in owners(&world.dir()) {
        let secret = ["process.json", ".command.json", "deploys.jsonl", ".log"];
        let name = path.display().to_string();
        let meta = fs::symlink_metadata(&path).expect("it was just there");
        let is_secret = name.contains("/surroundings/") || secret.iter().any(|end| name.ends_with(end));
        if meta.is_file() && is_secret {
            assert_eq!(meta.mode() & 0o007, 0, "others may read {name}");
        }
    }
}

/// The line on the page of bg-launch that gives the folder to root, for this one and without the sudo.
#[track_caller]
fn line_that_gives_it_to_root(dir: &Path) -> String {
    let page = pages::of("bg-launch");
    let line = pages::part(&page, "### systemd")
        .lines()
        .find(|line| line.starts_with("sudo ") && line.contains("chown"))
        .expect("such a line");
    line.trim_start_matches("sudo ").replace("/var/lib/bg/web", &dir.display().to_string())
}

#[test]
fn the_pages_line_gives_root_the_folder_and_leaves_a_running_release_what_it_owns() {
    needs_root();
    let world = World::new().link_form();
    let dir = nobodys_dir(&world);
    for version in ["1.0", "1.1"] {
        as_nobody(&world, "bg-deploy").args(["--", "fake-app", "--version-text", version]).ran().success();
    }
    world.run_line(line_that_gives_it_to_root(&dir)).success();
    let is_a_releases = |path: &Path| {
        let is_log = path.extension().is_some_and(|end| end == "log") && !path.is_symlink();
        path.ends_with("work") || is_log
    };
    for (path, owner) in owners(&dir) {
        assert_eq!(owner, if is_a_releases(&path) { NOBODY } else { 0 }, "{}", path.display());
    }
    // Root goes on from there: back to a release that was launched before, and on to one of its own.
    let deploy = |words: &[&str]| world.run("bg-deploy", words).success();
    deploy(&["--rollback"]);
    assert_eq!(world.get("/version").body, "1.0");
    let fake_app = world.word("programs/fake-app");
    deploy(&["--launch-user", "nobody", "--", &fake_app, "--version-text", "1.2"]);
    assert_eq!(world.get("/version").body, "1.2");
    // And once more, while the application that serves owns its folder.
    world.run_line(line_that_gives_it_to_root(&dir)).success();
    let work = fs::metadata(dir.join("slots/set2/work")).expect("a folder");
    assert_eq!(work.uid(), NOBODY);
    deploy(&["--rollback"]);
}

#[test]
fn a_user_who_may_not_write_roots_folder_is_told_to_deploy_as_root_and_to_take_nothing() {
    needs_root();
    let world = World::new().link_form();
    world.deploy(&[]).success();
    let told = format!("{} is root's, and nobody may not write it", world.dir().display());
    let as_root = format!("sudo -E bg-deploy --slots '{}'", slots(&world));
    let deploy = |words: &[&str]| as_nobody(&world, "bg-deploy").args(["--slots", &slots(&world)]).args(words).ran();
    deploy(&["--rollback"]).exit(1).said(told.clone()).said(format!(". Deploy as root: {as_root} --rollback"));
    let file = world.write("web.env", "BG_HEALTH_SUCCESSES=1\n");
    world.chmod(&file, 0o644);
    let file = file.display().to_string();
    deploy(&["--env-file", &file, "--check"])
        .exit(1)
        .printed(format!(
            "fail    {told}: deploy as root: sudo -E bg-deploy --slots '{}' --env-file {file} --check",
            slots(&world)
        ))
        .never_printed("chown");
}

#[test]
fn root_in_a_users_folder_is_told_how_that_user_deploys() {
    needs_root();
    let world = World::new();
    nobodys_dir(&world);
    let as_nobody = "Deploy as that user: sudo -u nobody -E bg-deploy --rollback";
    world.rollback().exit(1).said(as_nobody);
    let refused = world.run("bg-launch", &["--check"]).exit(1);
    refused.printed("but this is root: deploy as that user: sudo -u nobody -E bg-launch --check");
}

fn slots(world: &World) -> String {
    format!("set1={},set2={}", world.port("set1"), world.port("set2"))
}

#[test]
fn an_unprivileged_users_release_is_the_first_to_go_only_until_it_is_live() {
    needs_root();
    let world = World::new().link_form();
    nobodys_dir(&world);
    as_nobody(&world, "bg-deploy").args(["--", "fake-app"]).ran().success();
    as_nobody(&world, "bg-launch").args(["--slot", "set2", "--", "fake-app"]).ran().success();
    until(SOON, "it listens", || world.listens("set2"));
    let place = |slot: &str| {
        let known = fs::read_to_string(world.dir().join("slots").join(slot).join("process.json")).expect("it is known");
        let known: serde_json::Value = serde_json::from_str(&known).expect("JSON");
        fs::read_to_string(format!("/proc/{}/oom_score_adj", known["pid"])).expect("it runs").trim().to_owned()
    };
    assert_eq!(place("set2"), "800");
    as_nobody(&world, "bg-switch").args(["--to", "set2"]).ran().success();
    assert_eq!(place("set2"), place("set1"));
}
