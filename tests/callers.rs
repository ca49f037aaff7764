//! Where a deploy is called from: each file under bg-deploy/package/examples, its own lines run by a runner that does
//! what runners do. The step neither hangs nor takes the application with it.

/// The files, as the runner of their kind reads them.
mod example;
/// The runner: it waits for the end of the output, then kills the process group and all that bears its marks.
mod runner;
/// An ssh server of one's own, for the steps that come from outside.
mod sshd;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use bg_tests::{World, pages, until};
use nix::unistd::geteuid;
use runner::{Runner, SOON};
use sshd::Sshd;

/// A user who has no name and owns nothing.
const ORDINARY: u32 = 12345;

#[track_caller]
fn serves(world: &World, version: &str) {
    assert_eq!(world.get("/version").body, version);
    assert!(world.live().is_some());
}

#[test]
fn a_step_of_a_self_hosted_github_runner() {
    let world = World::new();
    let runner = Runner::new(&world);
    for version in ["1.0", "1.1"] {
        runner.check_out(version);
        for step in example::runs(&runner.example("github-runner.yml")) {
            runner.step(&step).end().succeeded();
            runner.clean_up();
        }
        serves(&world, version);
    }
}

#[test]
fn a_jenkins_pipeline() {
    let world = World::new();
    let runner = Runner::new(&world);
    runner.check_out("1.1");
    let steps = example::between(&runner.example("Jenkinsfile"), "sh '", "'");
    assert_eq!(steps.len(), 2);
    for step in steps {
        runner.step(&step).end().succeeded();
    }
    runner.clean_up();
    serves(&world, "1.1");
}

#[test]
fn a_makefile() {
    let world = World::new();
    let runner = Runner::new(&world);
    world.write(runner.workspace().join("Makefile"), runner.example("Makefile"));
    for version in ["1.0", "1.1"] {
        runner.check_out(version);
        runner.step("make deploy").end().succeeded();
    }
    runner.step("make check").end().succeeded();
    let table = runner.step("make status").end().succeeded();
    assert!(table.contains("RELEASE") && table.contains("app.jar"), "{table}");
    serves(&world, "1.1");
    runner.step("make rollback").end().succeeded();
    runner.clean_up();
    serves(&world, "1.0");
}

/// Whoever takes what is posted: the address, and one body after the other.
pub(crate) fn listener() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/web", listener.local_addr().expect("its address"));
    let (sender, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("somebody has called"));
            let header = |stream: &mut BufReader<TcpStream>| {
                let mut line = String::new();
                stream.read_line(&mut line).expect("a line");
                line.trim_end().to_ascii_lowercase()
            };
            let headers: Vec<String> =
                std::iter::from_fn(|| Some(header(&mut stream)).filter(|line| !line.is_empty())).collect();
            let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.expect("a length")];
            stream.read_exact(&mut body).expect("the body");
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("it listens");
            if sender.send(String::from_utf8(body).expect("UTF-8")).is_err() {
                return;
            }
        }
    });
    (url, bodies)
}

#[test]
fn the_lines_of_a_crontab() {
    let (world, site) = super::share::shared_site(World::new());
    let (url, told) = listener();
    // No mailer is here, and no system's log: what comes to it stands in a file.
    let log = world.path("log");
    world.script("bin/logger", &format!("printf '%s\\n' \"$*\" >>'{}'", log.display()));
    let runner = Runner::new(&world).with_path(&world.path("bin")).set("TELL", &url);
    runner.check_out("1.1");
    runner.step("bg-deploy --env-file /etc/bg/web.env build/libs/app.jar").end().succeeded();
    let lines = example::cron(&runner.example("crontab"));
    let readme = pages::readme();
    let (_, block) = readme.split_once("In the crontab of the user who deploys:\n\n```\n").expect("the recipe");
    let readme = example::cron(block.split("```").next().unwrap_or_default());
    let settings = world.word("web.env");
    let readme = readme.iter().map(|line| line.replace("/etc/bg/web.env", &settings));
    assert_eq!(readme.collect::<Vec<_>>(), lines[..4], "README has the lines of the example");
    let [after_boot, watchdog, monitor, visitors, nightly] = lines.try_into().expect("five lines");
    let visitors = visitors.replace("http://127.0.0.1/", &format!("{site}/"));
    assert_eq!(after_boot, watchdog);
    let silent = |line: &str| assert_eq!(runner.cron(line).end().succeeded(), "", "cron would mail this");

    silent(&watchdog);
    silent(&monitor);
    silent(&visitors);
    silent(&nightly);
    assert!(!log.exists());
    bg_tests::process::signal(world.pid("set1"), nix::sys::signal::Signal::SIGKILL);
    until(SOON, "the application is gone", || !world.listens("set1"));

    let mail = runner.cron(&visitors).end().succeeded();
    assert_eq!(mail, "visitors of web: curl: (22) The requested URL returned error: 503\n");
    assert_eq!(told.recv_timeout(SOON).expect("it was posted"), mail.trim_end());
    world.remove(&log);
    let mail = runner.cron(&monitor).end().succeeded();
    let says = |settings: &str| {
        format!(
            "bg-health: no slot of web is live: nothing runs, and nginx is set to serve set1. Start it again: bg-launch \
             --env-file {settings} --live\n"
        )
    };
    assert_eq!(mail, says(&settings));
    assert!(pages::readme().contains(&format!("\n{}", says("/etc/bg/web.env"))), "README has it so");
    assert_eq!(told.recv_timeout(SOON).expect("it was posted"), mail.trim_end());
    assert_eq!(world.read(&log), format!("-t bg {mail}"));
    let mail = runner.cron(&watchdog).end().succeeded();
    assert!(mail.contains("launch  release ") && world.read(&log).ends_with(&format!("-t bg {mail}")), "{mail}");
    runner.clean_up();
    until(SOON, "the release is back", || world.live().is_some());
    silent(&monitor);
    silent(&visitors);
    serves(&world, "1.1");

    // The release is healthy, and no visitor reaches it.
    world.nginx.stop();
    silent(&monitor);
    let mail = runner.cron(&visitors).end().succeeded();
    assert!(mail.starts_with("visitors of web: curl: (7) ") && mail.lines().count() == 1, "{mail}");
    assert_eq!(told.recv_timeout(SOON).expect("it was posted"), mail.trim_end());
}

#[test]
fn a_step_that_comes_by_ssh_from_github() {
    let world = World::new();
    let runner = Runner::new(&world);
    let sshd = Sshd::start(&runner);
    let runner = sshd.seen_from(runner).set("GITHUB_SHA", "1a2b3c4d");
    runner.check_out("1.1");
    for step in example::runs(&runner.example("github-ssh.yml")) {
        runner.step(&step).end().succeeded();
    }
    runner.clean_up();
    serves(&world, "1.1");
    assert!(sshd.nothing_is_left("app-"), "the copied jar stays on the server");
}

#[test]
fn a_matrix_of_servers_one_after_the_other_from_github() {
    let world = World::new();
    let runner = Runner::new(&world);
    let sshd = Sshd::start(&runner);
    let runner = sshd.seen_from(runner).set("GITHUB_SHA", "1a2b3c4d");
    runner.check_out("1.1");
    let text = runner.example("github-hosts.yml");
    assert!(text.contains("max-parallel: 1\n      fail-fast: true\n"), "{text}");
    let [_build, deploy] = example::runs(&text).try_into().expect("two steps");
    // A second run of the job finds nothing to do.
    for launched in [1, 1] {
        runner.step(&deploy).end().succeeded();
        runner.clean_up();
        serves(&world, "1.1");
        assert_eq!(fs::read_dir(world.dir().join("releases")).expect("a folder").count(), launched);
    }
    assert!(sshd.nothing_is_left("app-"), "the copied jar stays on the server");
}

#[test]
fn two_steps_with_an_approval_between_them_from_github() {
    let world = World::new();
    let runner = Runner::new(&world);
    let sshd = Sshd::start(&runner);
    let runner = sshd.seen_from(runner).set("GITHUB_SHA", "1a2b3c4d");
    let server = runner.variable("SERVER");
    let runner = runner.set("SERVERS", &server);
    let [_build, prepare, finish, abandon] =
        example::runs(&runner.example("github-approval.yml")).try_into().expect("four steps");
    runner.check_out("1.0");
    for step in [&prepare, &finish] {
        runner.step(step).end().succeeded();
        runner.clean_up();
    }
    serves(&world, "1.0");

    // Approved, and then not.
    runner.check_out("1.1");
    runner.step(&prepare).end().succeeded();
    runner.clean_up();
    serves(&world, "1.0");
    runner.step(&finish).end().succeeded();
    serves(&world, "1.1");
    runner.check_out("1.2");
    runner.step(&prepare).end().succeeded();
    runner.step(&abandon).end().succeeded();
    serves(&world, "1.1");
    assert_ne!(runner.step(&finish).end().code, 0, "nothing is prepared any more");
    serves(&world, "1.1");
    assert!(sshd.nothing_is_left("app-"), "the copied jar stays on the server");
}

#[test]
fn a_shell_step_that_comes_by_ssh() {
    let world = World::new();
    let runner = Runner::new(&world);
    let sshd = Sshd::start(&runner);
    let runner = sshd.seen_from(runner);
    runner.check_out("1.1");
    world.write(runner.workspace().join("deploy-by-ssh.sh"), runner.example("deploy-by-ssh.sh"));
    let script = example::after(&runner.example("travis.yml"), "  script: ");
    runner.step(&script).end().succeeded();
    runner.clean_up();
    serves(&world, "1.1");

    // A deploy that fails fails the step, with its own code.
    world.write(runner.workspace().join("build/libs/app.jar"), "no jar");
    let failed = runner.step(&script).end();
    assert_eq!(failed.code, 1, "{}", failed.output);
    assert!(failed.output.contains("not a whole jar"), "{}", failed.output);
    assert!(sshd.nothing_is_left("incoming-"), "the copied jar stays on the server");
    serves(&world, "1.1");
}

/// An instance of a deployment group, with a folder that belongs to the user who deploys.
#[track_caller]
fn instance(world: World) -> World {
    assert!(geteuid().is_root(), "this test needs root: CodeDeploy's agent is root, and runs hooks as others");
    let world = world.link_form();
    world.make_dir(world.dir());
    chown(world.dir(), Some(ORDINARY), Some(ORDINARY)).unwrap();
    world
}

/// Does on an instance what CodeDeploy's agent does, until a hook fails: its event, and what it said.
#[track_caller]
fn deployment(world: &World, version: &str) -> Result<(), (String, String)> {
    let before = world.get("/version");
    let agent = Runner::new(world);
    agent.check_out(version);
    let appspec = agent.example("codedeploy/appspec.yml");
    let hooks = example::hooks(&appspec);
    let names: Vec<&str> = hooks.iter().map(|hook| hook.event.as_str()).collect();
    assert_eq!(names, ["BeforeInstall", "ApplicationStart", "ValidateService"]);
    for hook in hooks {
        let script = agent.workspace().join("hook.sh");
        world.write(&script, agent.example(&hook.location));
        let step = format!("sh {}", script.display());
        let ended = match hook.runas.as_deref() {
            None => agent.step(&step).end(),
            Some("deploy") => agent.step_as(ORDINARY, &step).end(),
            Some(other) => panic!("who is {other}?"),
        };
        agent.clean_up();
        if ended.code != 0 {
            return Err((hook.event, ended.output));
        }
        let served = world.get("/version");
        // In a first deploy nginx leads to the first slot already.
        let is_same = before.status != 200 || served.body == before.body;
        assert!(hook.event == "ValidateService" || is_same, "nginx has moved before the last hook");
        if hook.event == "BeforeInstall" {
            // The agent's own step: it copies, as root.
            let from = agent.workspace().join("build/libs/.");
            let copied = Command::new("cp").arg("-r").arg(from).arg(agent.incoming()).status();
            assert!(copied.expect("cp").success());
        }
    }
    Ok(())
}

#[test]
fn the_hooks_of_a_codedeploy_agent_that_is_root() {
    let world = instance(World::new());
    deployment(&world, "1.1").unwrap_or_else(|failed| panic!("{failed:?}"));
    serves(&world, "1.1");
    for made in ["releases", "slots/set1/process.json", "deploys.jsonl"] {
        assert_eq!(fs::metadata(world.dir().join(made)).expect("a deploy makes it").uid(), ORDINARY, "{made}");
    }
}

#[test]
fn a_deployment_group_of_codedeploy_stops_where_a_hook_fails_and_goes_back() {
    let first = instance(World::new());
    let second = World::new();
    let smoke_test = second.word(second.script("smoke-test", "test ! -e \"$0.fails\""));
    let second = instance(second.env("BG_DEPLOY_BEFORE_SWITCH", &smoke_test));
    for world in [&first, &second] {
        deployment(world, "1.0").unwrap_or_else(|failed| panic!("{failed:?}"));
    }
    // The second one's smoke test has something against the release.
    second.write("smoke-test.fails", "");
    deployment(&first, "1.1").unwrap_or_else(|failed| panic!("{failed:?}"));
    let (event, said) = deployment(&second, "1.1").expect_err("its smoke test fails");
    assert_eq!(event, "ValidateService", "{said}");
    assert!(said.contains("before-switch") && said.contains("abandon"), "{said}");
    serves(&second, "1.0");
    assert!(!second.listens("set2"), "what was prepared still runs: {said}");

    fs::remove_file(second.path("smoke-test.fails")).expect("a file of ours");

    // CodeDeploy goes back by deploying the revision before, on both.
    let launches = || fs::read_dir(second.dir().join("releases")).expect("a folder").count();
    let before = launches();
    for world in [&first, &second] {
        deployment(world, "1.0").unwrap_or_else(|failed| panic!("{failed:?}"));
        serves(world, "1.0");
    }
    assert_eq!(launches(), before, "the second instance launched what was live");
}

#[test]
fn a_step_that_is_cancelled_leaves_what_serves() {
    let world = World::new();
    let runner = Runner::new(&world);
    runner.check_out("1.0");
    let [_, deploy] = example::runs(&runner.example("github-runner.yml")).try_into().expect("two steps");
    runner.step(&deploy).end().succeeded();
    runner.check_out("1.1");

    let step = runner.step(&deploy.replace("bg-deploy", "SAMPLE_BOOT=60000 bg-deploy"));
    until(SOON, "the next release is launched", || world.is_launched("set2"));
    step.cancel();
    serves(&world, "1.0");

    runner.step(&deploy).end().succeeded();
    serves(&world, "1.1");
}

#[test]
fn a_runner_that_closes_its_pipes_gets_its_deploy_all_the_same() {
    let world = World::new();
    let runner = Runner::new(&world);
    runner.check_out("1.1");
    let [_, deploy] = example::runs(&runner.example("github-runner.yml")).try_into().expect("two steps");
    assert_eq!(runner.step(&deploy).end_unheard(), 0);
    runner.clean_up();
    serves(&world, "1.1");
}
