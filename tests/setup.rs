//! `bg-switch --setup`: from an nginx to a site in one command, what it leaves alone, and the way back.

/// Killed, or refused a call, at any moment.
mod killed;
/// README's commands on a fresh Debian. In a full run alone.
mod readme;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bg_tests::{Ran, World, http};

const NAME: &str = "www.example.com";

/// A server on which nothing is set up but nginx, and the address that the site is to listen at.
struct Fresh {
    world: World,
    listen: String,
}

impl Fresh {
    fn new() -> Fresh {
        // Set to nothing they count as not set, and are to be found out.
        let empty = ["BG_FRONT", "BG_UPSTREAM_FILE"];
        let world = empty.into_iter().fold(World::new(), |world, name| world.env(name, ""));
        let listen = format!("127.0.0.1:{}", world.free_port());
        Fresh { world, listen }
    }

    fn file(&self) -> String {
        self.world.word("etc/web.env")
    }

    fn setup(&self, flags: &[&str]) -> Ran {
        self.world.run("bg-switch", &[&["--setup", &self.file(), "--listen", &self.listen], flags].concat())
    }

    fn named(&self, flags: &[&str]) -> Ran {
        self.setup(&[&["--server-name", NAME], flags].concat())
    }

    fn undo(&self) -> Ran {
        self.world.run("bg-switch", &["--setup", &self.file(), "--undo"])
    }

    fn site(&self) -> PathBuf {
        self.world.nginx.conf().with_file_name("http.d/web.conf")
    }

    fn upstream(&self) -> PathBuf {
        self.site().with_file_name("web-url.inc")
    }

    fn deploy(&self, version: &str) -> Ran {
        let app = self.world.fake_app(&["--version-text", version]);
        let words = ["--env-file".to_owned(), self.file(), "--".to_owned()].into_iter().chain(app);
        let words: Vec<String> = words.collect();
        self.world.run("bg-deploy", &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn visit(&self) -> String {
        let url = format!("http://{}/version", self.listen);
        http::request("GET", &url, &[("Host", NAME)], b"").expect("an answer").body
    }

    /// Every file and folder that a setup could have made, with mode and text.
    fn all(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let http = self.site().parent().expect("a folder").to_owned();
        let main = self.world.nginx.conf();
        for file in fs::read_dir(main.parent().expect("a folder")).expect("a folder").flatten() {
            if file.file_name().to_string_lossy().contains(".conf") {
                take(&file.path(), &mut found);
            }
        }
        for root in [self.world.path("etc"), self.world.dir(), http] {
            take(&root, &mut found);
        }
        found
    }
}

fn take(path: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let text = if meta.is_file() { fs::read(path).expect("a file of ours") } else { Vec::new() };
    found.insert(path.to_owned(), (meta.permissions().mode() & 0o7777, text));
    if meta.is_dir() {
        fs::read_dir(path).expect("a folder of ours").flatten().for_each(|entry| take(&entry.path(), found));
    }
}

#[test]
fn a_setup_serves_what_is_deployed_and_a_second_one_changes_nothing() {
    let fresh = Fresh::new();
    let front = format!("http://{}/_bg/slot", fresh.listen);
    fresh.named(&[]).success().printed_nothing().said(format!("nginx has the site, seen at {front}"));
    let made = fresh.all();
    assert_eq!(made[&PathBuf::from(fresh.file())].0, 0o640);
    fresh.deploy("1.0").success();
    assert_eq!(fresh.visit(), "1.0");
    let deployed = fresh.all();
    fresh.named(&[]).success().said("web is set up already");
    // The settings file has all of it.
    fresh.world.run("bg-switch", &["--setup", &fresh.file()]).success().said("web is set up already");
    assert_eq!(fresh.all(), deployed);
    let printed = fresh.world.run("bg-switch", &["--env-file", &fresh.file(), "--print-site"]).success().stdout();
    assert_eq!(printed, fresh.world.read(fresh.site()));
}

#[test]
fn what_a_dry_run_prints_does_the_same_when_it_is_run() {
    let fresh = Fresh::new();
    let before = fresh.all();
    let script = fresh.named(&["--dry-run"]).success().stdout();
    assert_eq!(fresh.all(), before);
    fresh.world.run_line(&script).success();
    let by_shell = fresh.all();
    fresh.named(&[]).success().said("web is set up already");
    fresh.deploy("1.0").success();
    assert_eq!(fresh.visit(), "1.0");

    let fresh = Fresh::new();
    let modes = |all: BTreeMap<PathBuf, (u32, Vec<u8>)>, folder: &Path| -> BTreeMap<PathBuf, u32> {
        let below = |path: PathBuf| path.strip_prefix(folder).map(Path::to_owned).unwrap_or_default();
        all.into_iter().map(|(path, (mode, _))| (below(path), mode)).collect()
    };
    let folder = by_shell.keys().next().and_then(|path| path.parent()).expect("a folder").to_owned();
    fresh.named(&[]).success();
    assert_eq!(modes(fresh.all(), fresh.world.folder()), modes(by_shell, &folder));
}

#[test]
fn the_shell_of_a_dry_run_leaves_what_is_there_and_is_taken_back_as_a_setup_is() {
    let fresh = Fresh::new();
    let nothing = fresh.all();
    let script = fresh.named(&["--dry-run"]).success().stdout();
    // A name that is taken: nginx would not start with the site.
    let taken = fresh.site().with_file_name("taken.conf");
    fresh.world.write(&taken, "upstream web_set1 { server 127.0.0.1:9; }\n");
    assert_ne!(fresh.world.run_line(&script).code(), Some(0));
    fresh.world.remove(&taken);
    assert_eq!(fresh.all(), nothing, "what it made is gone again");

    fresh.world.run_line(&script).success();
    assert_eq!(fresh.named(&["--dry-run"]).success().stdout(), "# nothing is missing of web\n");
    let settings = fresh.world.read("etc/web.env");
    fresh.world.write("etc/web.env", settings.clone() + "DB_PASSWORD=x\n");
    let edited = fresh.all();
    fresh.world.run_line(&script).success();
    assert_eq!(fresh.all(), edited);

    // A site of an older version is written anew, while it is as it was, and is there again where nginx refuses the new one.
    fresh.world.write("etc/web.env", settings.clone() + "BG_SWITCH_WITH=sticky\n");
    let older = fresh.all();
    let script = fresh.named(&["--dry-run"]).success().stdout();
    fresh.world.write(&taken, "upstream web_set1 { server 127.0.0.1:9; }\n");
    assert_ne!(fresh.world.run_line(&script).code(), Some(0));
    fresh.world.remove(&taken);
    assert_eq!(fresh.all(), older);
    fresh.world.run_line(&script).success();
    assert!(fresh.world.read(fresh.site()).contains("bg_visitor"));
    assert_eq!(fresh.named(&["--dry-run"]).success().stdout(), "# nothing is missing of web\n");
    let newer = fresh.all();
    fresh.world.run_line(&script).success();
    assert_eq!(fresh.all(), newer);
    fresh.world.write("etc/web.env", settings);
    fresh.undo().success();
    assert_eq!(fresh.all(), nothing);
}

#[test]
fn a_setup_writes_over_nothing_that_it_has_not_written() {
    for path in ["http.d/web.conf", "http.d/web-url.inc"] {
        let fresh = Fresh::new();
        let path = fresh.world.nginx.conf().with_file_name(path);
        fresh.world.write(&path, "# mine\n");
        let before = fresh.all();
        let said = format!("{} is there, and is not as a setup has written it. Nothing was touched", path.display());
        fresh.named(&["--dry-run"]).exit(1).printed_nothing().said(&said);
        let refused = fresh.named(&[]).exit(1).said(&said);
        assert_eq!(fresh.all(), before);
        fresh.world.run_line(refused.advice("move it away: ")).success();
        fresh.named(&[]).success();
    }
}

/// Each advice leaves what nginx serves as it is.
#[test]
fn what_another_setup_has_written_or_nginx_serves_is_not_advised_away() {
    let fresh = Fresh::new();
    fresh.named(&[]).success();
    let served = |fresh: &Fresh| fresh.world.read(fresh.site());
    let (before, other, dir) = (served(&fresh), fresh.world.word("etc/x.env"), fresh.world.word("x"));
    let words = ["--setup", &other, "--app", "web", "--dir", &dir, "--listen", &fresh.listen];
    let words = [&words[..], &["--server-name", "c.example.com"]].concat();
    let record = fresh.world.word("etc/web.setup");
    let refused = fresh.world.run("bg-switch", &words).exit(1).never_said(" mv ");
    let refused = refused.said(format!("is of another setup, whose record is {record}. Nothing was touched"));
    fresh.world.run_line(refused.advice("Give another --app: ")).success();
    assert!(served(&fresh) == before && fresh.world.read("etc/x.env").contains("BG_APP=web2\n"));

    // Changed since by hand.
    fresh.world.write(fresh.site(), before + "# mine\n");
    let print = fresh.named(&[]).exit(1).never_said(" mv ").advice("what this prints: ");
    fresh.world.run_line(print).success().printed("server_name");

    // Of nobody's record.
    let fresh = Fresh::new();
    let own = format!("server {{ listen {}; server_name own.example.com; }}\n", fresh.listen);
    fresh.world.write(fresh.site(), own);
    let refused = fresh.named(&[]).exit(1).said("and nginx reads it. Nothing was touched").never_said(" mv ");
    fresh.world.run_line(refused.advice("Give another --app: ")).success();
}

/// As certbot does, and whoever takes in one of the commented lines.
#[test]
fn a_site_that_was_edited_since_is_neither_written_anew_nor_taken_back() {
    let fresh = Fresh::new();
    fresh.named(&[]).success();
    let edited = fresh.world.read(fresh.site()).replace("#client_max", "client_max");
    fresh.world.write(fresh.site(), edited);
    fresh.world.write("etc/web.env", fresh.world.read("etc/web.env") + "BG_HEALTH_PATH=/ready\n");
    let before = fresh.all();
    fresh.named(&[]).exit(1).said("web.conf is there, and is not as a setup has written it");
    let refused = fresh.undo().exit(1).said("web.conf was changed since a setup wrote it. Nothing was touched");
    assert_eq!(fresh.all(), before);
    fresh.world.run_line(refused.advice("then remove it: ")).success();
    fresh.undo().success().said("web.env, which was changed since");
    assert!(!fresh.upstream().exists());
}

#[test]
fn a_setup_is_taken_back_to_the_last_file_and_not_while_visitors_get_to_a_release() {
    let fresh = Fresh::new();
    let before = fresh.all();
    fresh.named(&[]).success();
    fresh.undo().success();
    assert_eq!(fresh.all(), before);
    let none = format!("there is nothing to take back of web: there is no {}", fresh.file());
    fresh.undo().success().said(none);

    fresh.named(&[]).success();
    fresh.deploy("1.0").success();
    let serving = fresh.all();
    let refused = fresh.undo().exit(1).said("something listens in set1");
    assert_eq!((fresh.all(), fresh.visit()), (serving, "1.0".to_owned()));
    fresh.world.run_line(refused.advice("Turn them away first: ")).success();
    let said = format!("left {}, which has something in it", fresh.world.dir().display());
    fresh.undo().success().said(said);
    assert!(!fresh.site().exists() && !fresh.upstream().exists() && !fresh.world.path("etc").exists());
    assert_eq!(fresh.world.processes().len(), 1, "what runs is left alone");
}

#[test]
fn what_an_undo_leaves_is_named() {
    let fresh = Fresh::new();
    fresh.named(&[]).success();
    let (settings, upstream) = (fresh.world.read("etc/web.env"), fresh.world.read(fresh.upstream()));
    fresh.undo().success().said(format!("removed {}\n", fresh.world.word("etc")));

    fresh.world.write("etc/web.env", &settings);
    fresh.undo().success().said(format!("of web: {} has no record of a setup beside it", fresh.file()));
    fresh.world.write(fresh.upstream(), upstream + "# mine\n");
    fresh.world.write(fresh.world.dir().join("mine"), "");
    fresh.world.write(
        "etc/web.setup",
        r#"{"folders":["ETC"],"settings":null,"upstream":null,"site":null}"#.replace("ETC", &fresh.world.word("etc")),
    );
    let undone = fresh.undo().success();
    for (path, why) in [
        (fresh.file(), "no setup has written"),
        (fresh.upstream().display().to_string(), "no setup has written"),
        (fresh.world.dir().display().to_string(), "was there before"),
        (fresh.world.word("etc"), "has something in it"),
    ] {
        assert!(undone.stderr().contains(&format!("left {path}, which {why}\n")), "{path}: {undone}");
    }
}

#[test]
fn a_server_of_ones_own_gets_two_lines_by_file_and_line_and_is_not_edited() {
    let fresh = Fresh::new();
    let own = format!(
        "# mine\nserver {{\n    listen {};\n    server_name {NAME};\n    location / {{\n        proxy_pass \
         http://127.0.0.1:9;\n    }}\n}}\n",
        fresh.listen
    );
    fresh.world.nginx.add_to_http("own", &own);
    fresh.world.nginx.reload();
    let file = fresh.site().with_file_name("own.conf");
    let to_do = fresh.named(&[]).success().stdout();
    assert_eq!(fresh.world.read(&file), own);
    let upstream = fresh.upstream().display().to_string();
    let include =
        format!("\n{}:2, below its first line, before the first deploy:\n    include {upstream};\n", file.display());
    let pass = format!(
        "\n{}:6, in place of proxy_pass http://127.0.0.1:9; after that deploy:\n    proxy_pass $service_url;\n",
        file.display()
    );
    assert!(to_do.contains(&include) && to_do.contains(&pass), "{to_do}");
    assert!(!fresh.site().exists());

    let mut lines: Vec<String> = own.lines().map(str::to_owned).collect();
    let mut edit = |at: usize, line: String, is_new: bool| {
        if is_new {
            lines.insert(at, line);
        } else {
            lines[at] = line;
        }
        fresh.world.nginx.add_to_http("own", &(lines.join("\n") + "\n"));
        fresh.world.nginx.reload();
    };
    edit(2, format!("include {upstream};"), true);
    fresh.deploy("1.0").success();
    edit(6, "proxy_pass $service_url;".to_owned(), false);
    assert_eq!(fresh.visit(), "1.0");
    fresh.deploy("1.1").success();
    assert_eq!(fresh.visit(), "1.1");
    fresh.named(&[]).success().printed("needs no change");
    let needed = format!("{} includes {upstream}. Nothing was touched", file.display());
    // Such a server has no door, and what it says of the file is what counts, whatever runs.
    fresh.world.run("bg-switch", &["--env-file", &fresh.file(), "--close"]).exit(1);
    fresh.undo().exit(1).said(needed);
    edit(2, String::new(), false);
    edit(6, "proxy_pass http://127.0.0.1:9;".to_owned(), false);
    fresh.undo().success().said(format!("removed {upstream}"));
    assert!(!fresh.world.path(fresh.file()).exists());
}

/// The site of the two scripts, from which one moves over.
#[test]
fn a_server_that_includes_an_upstream_file_already_keeps_it() {
    let fresh = Fresh::new().with(|world| {
        let line = world.upstream_line("set1");
        world.write("nginx/scripts.inc", line);
        let include = world.word("nginx/scripts.inc");
        let site = format!("server {{ listen 127.0.0.1:{}; server_name {NAME}; include {include}; location / {{ proxy_pass $service_url; }} }}\n", world.free_port());
        world.nginx.add_to_http("scripts", &site);
    });
    fresh
        .named(&[])
        .success()
        .printed(format!("needs no change: it includes {}", fresh.world.word("nginx/scripts.inc")));
    let settings = fresh.world.read("etc/web.env");
    let file = fresh.world.word("nginx/scripts.inc");
    assert!(settings.contains(&format!("BG_UPSTREAM_FILE={file}\n")), "{settings}");
    assert!(settings.contains("BG_FRONT=http://127.0.0.1/profile\n"), "{settings}");
    assert!(!fresh.upstream().exists());
    // Another application may not have it.
    let other = fresh.world.word("etc/shop.env");
    let words = ["--setup", &other, "--app", "shop", "--slots", "a=1,b=2", "--server-name", NAME];
    fresh.world.run("bg-switch", &words).exit(1).said("is another application's");
}

#[test]
fn a_second_application_gets_ports_and_files_of_its_own() {
    let fresh = Fresh::new();
    fresh.named(&[]).success();
    // Of a third one, which does not run.
    fresh.world.write("etc/other.env", "BG_APP=other\nBG_SLOTS=set1=8081,set2=8084\n");
    let (file, dir) = (fresh.world.word("etc/shop.env"), fresh.world.word("shop"));
    let mut setup = fresh.world.cmd("bg-switch");
    setup.args(["--setup", &file, "--app", "shop", "--dir", &dir, "--server-name", "shop.example.com"]);
    bg_tests::Run::ran(setup.env("BG_SLOTS", "").args(["--listen", &fresh.listen])).success();
    let text = fresh.world.read("etc/shop.env");
    assert!(!text.contains("web-url.inc") && text.contains("shop-url.inc"), "{text}");
    let slots = text.lines().find_map(|line| line.strip_prefix("BG_SLOTS=")).expect("slots");
    let ports: Vec<u16> = ["set1", "set2"].map(|slot| fresh.world.port(slot)).into_iter().chain([8081, 8084]).collect();
    assert!(!ports.iter().any(|port| slots.contains(&port.to_string())), "{slots}");
    for name in [NAME, "shop.example.com"] {
        let url = format!("http://{}/_bg/slot", fresh.listen);
        assert_eq!(http::request("GET", &url, &[("Host", name)], b"").expect("an answer").status, 200);
    }
}

#[test]
fn a_site_without_a_name_is_the_default_one_or_is_refused_with_what_to_do() {
    let fresh = Fresh::new();
    let before = fresh.all();
    let other = format!("server {{ listen {} default_server; }}\n", fresh.listen);
    fresh.world.nginx.add_to_http("default", &other);
    let refused = fresh.setup(&[]).exit(1).said("for it says default_server. Nothing was touched");
    let command = refused.advice("Give the name that visitors type: ");
    assert!(command.contains("bg-switch --server-name www.example.com --setup"), "{command}");
    fresh.world.remove(fresh.site().with_file_name("default.conf"));
    assert_eq!(fresh.all(), before);
    fresh.setup(&[]).success();
    assert!(fresh.world.read(fresh.site()).contains(" default_server;\n"));
    fresh.setup(&[]).success().said("set up already");
}

#[test]
fn whatever_nginx_refuses_is_put_back_and_what_nobody_sees_as_well() {
    let fresh = Fresh::new();
    // A name that is taken: nginx would not start with the site.
    fresh.world.nginx.add_to_http("taken", "upstream web_set1 { server 127.0.0.1:9; }\n");
    let before = fresh.all();
    fresh.named(&[]).exit(5).said("duplicate upstream \"web_set1\"").said("All is as it was");
    assert_eq!(fresh.all(), before);
    fresh.world.remove(fresh.site().with_file_name("taken.conf"));

    let before = fresh.all();
    let nobody = format!("http://127.0.0.1:{}/_bg/slot", fresh.world.free_port());
    fresh
        .named(&["--front", &nobody, "--verify-timeout", "300ms"])
        .exit(5)
        .said("named no slot within")
        .said("All is as it was");
    assert_eq!(fresh.all(), before);

    fresh.world.nginx.add_to_http("broken", "server {\n");
    let before = fresh.all();
    fresh.named(&[]).exit(5).said("does not accept its configuration as it is, and nothing was touched");
    assert_eq!(fresh.all(), before);
    fresh.world.remove(fresh.site().with_file_name("broken.conf"));
    fresh.world.nginx.stop();
    fresh.named(&[]).exit(1).said("nginx does not run. Nothing was touched. Start it: ");
    fresh.world.nginx.start();
    fresh.named(&[]).success();
}

#[test]
fn a_setting_that_was_changed_is_in_the_site_after_the_next_setup() {
    let fresh = Fresh::new();
    fresh.named(&[]).success();
    fresh.deploy("1.0").success();
    let old = fresh.world.read(fresh.site());
    fresh.world.write("etc/web.env", fresh.world.read("etc/web.env") + "BG_SWITCH_WITH=sticky\n");
    let said = format!("made {}", fresh.site().display());
    fresh.world.run("bg-switch", &["--setup", &fresh.file()]).success().said(said);
    assert!(fresh.world.read(fresh.site()) != old && fresh.visit() == "1.0");
    let url = format!("http://{}/", fresh.listen);
    let answer = http::request("GET", &url, &[("Host", NAME)], b"").expect("an answer");
    assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.contains("bg_visitor")), "{answer:?}");
}

#[test]
fn what_was_typed_and_stands_otherwise_in_the_settings_file_is_refused() {
    let fresh = Fresh::new();
    fresh.named(&[]).success();
    let before = fresh.all();
    for flags in [["--slots", "a=1,b=2"], ["--app", "shop"], ["--server-name", "other.example"]] {
        let name = format!("another value was given as {}. Nothing was touched", flags[0]);
        fresh.setup(&flags).exit(2).said(name);
    }
    assert_eq!(fresh.all(), before);
    // What has no line there gets one.
    let refused = fresh.setup(&["--with", "sticky"]).exit(2);
    let refused = refused.said("web.env has no BG_SWITCH_WITH, and --with gives one. Nothing was touched");
    assert_eq!(fresh.all(), before);
    let add = refused.advice("Add it, and run this again: ");
    assert_eq!(add, format!("echo 'BG_SWITCH_WITH=sticky' >>{}", fresh.file()));
    fresh.world.run_line(add).success();
    fresh.setup(&["--with", "sticky"]).success();
    fresh.setup(&["--with", "watch"]).exit(2).said("web.env has BG_SWITCH_WITH=sticky, and another value was given");
    fresh.world.run("bg-switch", &["--undo"]).exit(2);
    fresh.world.run("bg-switch", &["--setup", "--to", "set1"]).exit(2);
}

#[test]
fn who_forgot_sudo_is_told_the_command_with_it() {
    use std::os::unix::process::CommandExt;
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it runs programs as another user");
    let mut fresh = Fresh::new();
    fresh.world = fresh.world.with_sudo();
    let program = fresh.world.copy(bg_tests::programs::ours("bg-switch"), "programs/bg-switch");
    let file = fresh.file();
    let set_up = ["--setup", &file, "--listen", &fresh.listen, "--server-name", NAME, "--owner", "root"];
    let as_nobody = |words: &[&str]| {
        let mut command = fresh.world.command(&program);
        let ran =
            bg_tests::Run::ran(command.args(words).uid(65534).gid(65534)).exit(1).said("bg-switch: nobody may not ");
        let line = ran.advice("Run it as root: ");
        assert!(line.starts_with("sudo ") && line.contains(&format!("bg-switch {}", words[..2].join(" "))), "{line}");
        line
    };
    let line = as_nobody(&set_up);
    fresh.world.run_line(line).success();
    // Once all users may read the settings, and once none.
    for mode in [0o644, 0o600] {
        fresh.world.chmod("etc/web.env", mode);
        as_nobody(&set_up);
        as_nobody(&["--setup", &file, "--undo"]);
    }
    fresh.world.run_line(as_nobody(&["--setup", &file, "--undo"])).success();
    assert!(!fresh.site().exists());
}

#[test]
fn what_can_not_be_is_named_as_it_was_given() {
    let fresh = Fresh::new();
    for flags in [&["--setup", &fresh.file()][..], &["--print-site"]] {
        let ran = fresh.world.run("bg-switch", &[flags, &["--listen", "99999"]].concat());
        ran.exit(2).said("--listen '99999' has no port that there is. Give one from 1 to 65535");
    }
    let missing = fresh.named(&["--nginx", "/nonexistent"]).exit(1);
    missing.said("there is no program /nonexistent. Nothing was touched. Install nginx, or correct --nginx");
    for path in ["etc", "state"] {
        fresh.world.write(path, "");
        let file = fresh.world.word(path);
        let refused =
            fresh.named(&[]).exit(1).said(format!("{file} is not a folder, and one is needed there. Nothing"));
        fresh.world.run_line(refused.advice("move it away: ")).success();
    }
    fresh.named(&[]).success();
}

impl Fresh {
    /// After something was done to its nginx.
    fn with(self, change: impl FnOnce(&World)) -> Fresh {
        change(&self.world);
        self.world.nginx.reload();
        self
    }
}
