//! What all five programs read alike: durations, empty variables, settings of a later stage, unknown names, passwords; and
//! what `-h` and `--help` print of them.

use bg_tests::{Ran, Run, World, pages, process};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn a_bare_number_is_seconds_in_all_five_programs() {
    let world = World::new();
    for (program, words) in [
        ("bg-probe", &["--timeout", "5"][..]),
        ("bg-launch", &["--slot=idle", "--stop", "--drain=5", "--stop-timeout=5", "--wait=5"]),
        ("bg-switch", &["--print-upstream", "--verify-timeout=5", "--wait=5"]),
        ("bg-deploy", &["--dry-run", "--watch=5", "--hook-timeout=5", "--stop-old=after=5", "--wait=5", "--", "true"]),
    ] {
        world.run(program, words).success();
    }
    let world = world.env("BG_HEALTH_TIMEOUT", "0").env("BG_HEALTH_CHECK_TIMEOUT", "1").env("BG_HEALTH_INTERVAL", "1");
    world.run("bg-health", &["--slot", "idle"]).exit(4).said("was not healthy within 0.00s");
}

#[test]
fn a_wrong_duration_is_refused_with_its_flag_or_variable_and_the_form() {
    let world = World::new();
    let form = "500ms, 30s, 2m, or a bare number of seconds";
    let refused = world.run("bg-health", &["--slot", "idle", "--timeout", "soon"]).exit(2).said(form);
    refused.said("'--timeout <DURATION>'").never_said("BG_HEALTH_TIMEOUT");
    for wrong in ["soon", "-5", "1.5", "5 5"] {
        let mut health = world.cmd("bg-health");
        health.env("BG_HEALTH_TIMEOUT", wrong).args(["--slot", "idle"]);
        health.ran().exit(2).said(form).said(format!("'{wrong}' for 'BG_HEALTH_TIMEOUT'"));
    }
    world.run("bg-deploy", &["--stop-old", "after=soon", "--dry-run", "--", "true"]).exit(2).said(form);
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let world = World::new();
    let empty = [
        "BG_SLOT_URL",
        "BG_FRONT_HOST",
        "BG_WAIT",
        "BG_SHARED_DIR",
        "BG_PROBE_SLOT",
        "BG_PROBE_TIMEOUT",
        "BG_LAUNCH_USER",
        "BG_LAUNCH_VIA",
        "BG_LAUNCH_DRAIN",
        "BG_LAUNCH_ADOPT",
        "BG_LAUNCH_WORKDIR",
        "BG_LAUNCH_COMMAND",
        "BG_HEALTH_PATH",
        "BG_HEALTH_EXPECT",
        "BG_HEALTH_EXPECT_STATUS",
        "BG_HEALTH_TIMEOUT",
        "BG_HEALTH_WARMUP",
        "BG_SWITCH_PID_FILE",
        "BG_SWITCH_VERIFY_TIMEOUT",
        "BG_DEPLOY_WATCH",
        "BG_DEPLOY_STOP_OLD",
        "BG_DEPLOY_ENV_FILE",
        "BG_DEPLOY_ON_SUCCESS",
    ];
    let world = empty.into_iter().fold(world, |world, name| world.env(name, ""));
    world.deploy(&[]).success();
    world.run("bg-health", &["--slot", "live", "--once"]).success();
    // A user with no name is no default, so what is typed counts.
    world.run("bg-launch", &["--slot", "idle", "--user", "", "--", "true"]).exit(2);
    world.run("bg-deploy", &[]).exit(2).said("nothing to deploy");
    world.run("bg-health", &["--help"]).success().printed("[env: BG_HEALTH_PATH=");
}

/// A world whose slots both hold a running release; what a deploy may not have touched.
fn both_deployed() -> (World, [u32; 2]) {
    let world = World::new().serving();
    world.deploy(&[]).success();
    let running = [world.pid("set1"), world.pid("set2")];
    (world, running)
}

#[test]
fn a_setting_that_a_later_stage_cant_read_ends_a_deploy_before_anything_is_touched() {
    let (world, running) = both_deployed();
    let before = world.history().len();
    for (name, value) in [
        ("BG_SWITCH_VERIFY_TIMEOUT", "soon"),
        ("BG_HEALTH_PATH", "nope"),
        ("BG_LAUNCH_KEEP", "many"),
        ("BG_PROBE_BY", "nobody"),
    ] {
        let deploy = world.cmd("bg-deploy").env(name, value).args(["--", "fake-app"]).ran().exit(2);
        deploy.said(name).said("nothing was touched").never_said(" line ").printed_nothing();
        world.cmd("bg-deploy").env(name, value).arg("--rollback").ran().exit(2).said(name);
        // The stage's own words are the finding.
        let check = world.cmd("bg-deploy").env(name, value).arg("--check").ran().exit(1).never_printed("EOF");
        check.printed(format!(" can't be called like this: invalid value '{value}' for '{name}': ")).said_nothing();
    }
    let deploy = world.cmd("bg-deploy").env("BG_NGINX", "sudo 'nginx").arg("--rollback").ran().exit(2);
    deploy.said("'BG_NGINX': missing closing quote");
    let typed = world.run("bg-deploy", &["--health-timeout", "soon", "--rollback"]).exit(2);
    typed.said("'--health-timeout <DURATION>'").said("bg-health can't be called like this");
    assert_eq!(world.history().len(), before);
    // Also where the value can be read, and makes no sense here.
    let ports = ["--health-port", "blue=9081,green=9082"];
    world
        .run("bg-deploy", &[&ports[..], &["--rollback"]].concat())
        .exit(2)
        .said("--health-port: \"set1\" is not a slot");
    let deploy = world.cmd("bg-deploy").env("BG_HEALTH_PORT", ports[1]).arg("--rollback").ran().exit(2);
    deploy.said("BG_HEALTH_PORT: \"set1\" is not a slot");
    assert!(running.into_iter().all(process::alive));
    // What a stage is told for a call of its own does not reach a deploy.
    world.cmd("bg-deploy").env("BG_HEALTH_SLOT", "a b").arg("--rollback").ran().success();
}

#[test]
fn a_wrong_setting_of_an_env_file_is_named_with_its_file_and_line() {
    let (world, running) = both_deployed();
    let file = world.word("web.env");
    world.write(&file, "# web\nBG_HEALTH_PATH=/health\nA='b' BG_HEALTH_SUCCESSES=none\n");
    let deploy = world.run("bg-deploy", &["--env-file", &file, "--", "fake-app"]).exit(2);
    deploy.said(format!("'none' for 'BG_HEALTH_SUCCESSES (line 3 of {file})'"));
    world.write(&file, "BG_HEALTH_PATH=/health\nBG_WAIT=long\n");
    let deploy = world.run("bg-deploy", &["--env-file", &file, "--", "fake-app"]).exit(2);
    deploy.said(format!("'long' for 'BG_WAIT (line 2 of {file})'"));
    assert!(running.into_iter().all(process::alive));
}

/// The variables that `--help` of all five programs names.
fn of_the_help(world: &World) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for program in pages::PROGRAMS {
        let help = world.cmd(program).arg("--help").ran().success().stdout();
        // A line may break behind `[env:`.
        let words: Vec<&str> = help.split_ascii_whitespace().collect();
        let names = words.windows(2).filter(|pair| pair[0].ends_with("[env:")).map(|pair| pair[1]);
        let name = |word: &str| word.split(['=', ']']).next().unwrap_or_default().to_owned();
        found.extend(names.map(name));
    }
    found
}

/// The variables of ours that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    words.filter(|word| word.starts_with("BG_") && !word.ends_with('_')).map(str::to_owned).collect()
}

#[test]
fn the_known_variables_are_those_of_the_five_helps() {
    let world = World::new();
    let source = pages::read(Path::new("bg-probe/src/cli/variables.rs"));
    let (_, list) = source.split_once("const KNOWN").expect("the list");
    let known = named(list.split("];").next().unwrap_or_default());
    // These have no flag.
    let flagless = ["BG_SHARED_DIR", "BG_LAUNCH_COMMAND", "BG_LAUNCH_COMPANION"].map(str::to_owned);
    assert_eq!(known, of_the_help(&world).into_iter().chain(flagless).collect());
    // An application is given the first three, a hook the next two; the last is README's own typing error.
    let others = ["BG_SLOT", "BG_RELEASE", "BG_LIVE", "BG_PREVIEW_COOKIE", "BG_PREVIEW_URL", "BG_HEALTH_PAHT"];
    let others = others.map(str::to_owned);
    let known: BTreeSet<String> = known.into_iter().chain(others).collect();
    let application = pages::read(Path::new("bg-launch/APPLICATION.md"));
    for text in pages::PROGRAMS.into_iter().map(pages::of).chain([pages::readme(), pages::korean(), application]) {
        let strange: Vec<String> = named(&text).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(strange.is_empty(), "no program knows {strange:?}, which a page names");
    }
}

#[test]
fn every_check_and_a_deploy_warn_of_a_variable_that_no_program_knows() {
    let world = World::new()
        .serving()
        .env("BG_HEALTH_PAHT", "/health")
        .env("BG_AP", "web")
        .env("bg_dir", "/srv")
        .env("BG_COLOUR", "red")
        .env("BG_SLOT", "set1")
        .env("bg_color", "red");
    let lines = [
        "warn    no program knows the variable BG_HEALTH_PAHT: write BG_HEALTH_PATH if that is meant, or unset it\n",
        "warn    no program knows the variable BG_AP: write BG_APP if that is meant, or unset it\n",
        "warn    no program knows the variable bg_dir: write BG_DIR if that is meant, or unset it\n",
        "warn    no program knows the variable BG_COLOUR: find its name in --help, or unset it\n",
    ];
    for program in pages::PROGRAMS {
        let text = world.run(program, &["--check"]).success().stdout();
        for line in lines {
            assert_eq!(text.matches(line).count(), 1, "{program}: {line:?} in\n{text}");
        }
        assert!(!text.contains("variable BG_SLOT") && !text.contains("bg_color"), "{text}");
    }
    let file = world.word("web.env");
    world.write(&file, "BG_HEALTH_TIMOUT=5s\n");
    let deploy = world.run("bg-deploy", &["--env-file", &file, "--", "fake-app"]).success();
    let named =
        format!("warning: no program knows the variable BG_HEALTH_TIMOUT (line 1 of {file}): write BG_HEALTH_TIMEOUT");
    assert_eq!(deploy.said(named).stderr().matches("no program knows").count(), 5);
}

/// A site of nginx that asks for a password before it names the slot; its front without one, and with it.
fn locked(world: &World) -> (String, String) {
    let port = world.free_port();
    let users = world.write("users", "operator:{PLAIN}s3cret\n");
    let (users, upstream) = (users.display(), world.nginx.upstream_file().display().to_string());
    world.nginx.add_to_http(
        "locked",
        &format!(
            "server {{
                listen 127.0.0.1:{port};
                server_name web.example;
                auth_basic operators;
                auth_basic_user_file {users};
                include {upstream};
                location / {{ proxy_pass $service_url; }}
            }}\n"
        ),
    );
    world.nginx.reload();
    let at = format!("127.0.0.1:{port}/profile");
    (format!("http://{at}"), format!("http://operator:s3cret@{at}"))
}

/// No line for people has the password.
#[track_caller]
fn keeps_it(ran: Ran) -> Ran {
    ran.never_said("s3cret").never_printed("s3cret")
}

#[test]
fn a_password_in_the_front_is_sent_and_not_shown() {
    let world = World::new();
    let (bare, front) = locked(&world);
    let hook = world.script("hook", &format!("cat >>'{}'", world.word("records")));
    let world = world.env("BG_FRONT", &front).env("BG_DEPLOY_BEFORE_SWITCH", &hook).env("BG_DEPLOY_ON_SUCCESS", &hook);
    for _ in 0..2 {
        let masked = front.replace("s3cret", "***");
        let deploy = world.deploy(&[]).success().said(format!("times at {masked}")).never_said("s3cret");
        // A stage behind a pipe has to ask the front, too.
        assert_eq!(deploy.record()["front"], front);
        assert_eq!(deploy.record()["probe"]["by"], if world.history().len() == 1 { "ports" } else { "front" });
        assert_eq!(world.history().pop().expect("a deploy")["front"], masked);
    }
    assert!(!world.read("records").contains("s3cret") && world.read("records").contains("operator:***@127.0.0.1"));
    assert!(!world.read(world.history_file()).contains("s3cret"));
    world.run_line("bg-probe --front-host web.example | bg-health").success().printed("\"by\":\"front\"");

    for program in pages::PROGRAMS {
        keeps_it(world.run(program, &["--check"]));
        keeps_it(world.run(program, &["--check", "--json"]));
        keeps_it(world.run(program, &["--help"]));
    }
    for wrong in [
        front.replace("s3cret", "wr0ng"),
        front.replace("127.0.0.1:", "127.0.0.1:9"),
        front.replace("s3cret", "wr0ng s3cret/#"),
    ] {
        let probe = world.run("bg-probe", &["-v", "--front", &wrong]);
        keeps_it(probe.never_said("wr0ng"));
    }
    world.cmd("bg-probe").env("BG_FRONT", bare).args(["-v", "--slot", "live"]).ran().success().said("401");
}

#[test]
fn a_password_that_was_typed_is_not_in_the_way_back() {
    let world = World::new();
    let (_, front) = locked(&world);
    let deploy = || world.cmd("bg-deploy").args(["--front", &front, "--", "fake-app"]).ran().success();
    deploy();
    deploy().said("--front http://operator:***@127.0.0.1").never_said("s3cret");
}

#[test]
fn a_short_help_has_each_flag_in_one_line_and_a_long_one_has_all() {
    let world = World::new();
    for program in pages::PROGRAMS {
        let [short, long] = ["-h", "--help"].map(|flag| world.run(program, &[flag]).success().said_nothing().stdout());
        let flags = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --"));
            lines.filter_map(|line| line.split_once("--")).map(|(_, flag)| word(flag)).collect()
        };
        assert_eq!(flags(&short), flags(&long), "{program}");
        // What is no flag is a heading, the usage, or where to find the rest.
        for line in short.lines().filter(|line| line.starts_with(' ')) {
            assert!(line.chars().count() <= 160, "{program}: {line}");
            let begins = line.trim_start();
            assert!(
                begins.starts_with('-') || begins.starts_with('['),
                "{program} -h goes on in a second line: {line}"
            );
        }
        assert!(!short.contains("Examples:") && !short.contains("[env:") && !short.contains("Exit codes:"), "{short}");
        assert!(
            short.ends_with(&format!("\n{program} --help prints defaults, variables, examples and exit codes\n")),
            "{short}"
        );
        for part in ["Examples:", "Exit codes:", "[env:", "[default:"] {
            assert!(long.contains(part), "{program} --help has no {part}");
        }
        assert!(!long.contains("read-settings") && !short.contains("read-settings"));
        // The letter counts where both are typed, also among others.
        assert_eq!(world.run(program, &["-qh"]).success().stdout(), short);
        assert_eq!(world.run(program, &["--help", "--nonsense"]).success().stdout(), long);
    }
}

/// A text up to the first space.
fn word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}
