//! Which nginx it is: one beside the distribution's own, or one of another name.

use std::fs;
use std::process::Command;

use bg_tests::{World, until};

use super::{SOON, a_busy_port};

/// Starts the nginx anew as one that was built in another folder: a script that says so and calls the real one, whose
/// configuration names no pid file and no log. What it is called by.
fn built_elsewhere(world: &World) -> String {
    let (prefix, nginx) = (world.path("nginx"), world.nginx.command_line());
    let prefix = prefix.display();
    world.make_dir("opt");
    let script = world.script(
        "opt/nginx",
        &format!(
            "[ \"$1\" = -V ] && {{ echo 'configure arguments: --with-cc-opt=\"-O2 -g\" --prefix={prefix} \
             --conf-path=nginx.conf --pid-path=nginx.pid --error-log-path={prefix}/error.log' >&2; exit; }}\n\
             exec {nginx} -g 'pid {prefix}/nginx.pid; error_log {prefix}/error.log info;' \"$@\""
        ),
    );
    world.nginx.stop();
    let conf = fs::read_to_string(world.nginx.conf()).expect("the configuration");
    let own = |line: &&str| !line.starts_with("pid ") && !line.starts_with("error_log ");
    let conf = conf.lines().filter(own).collect::<Vec<_>>().join("\n");
    world.write(world.nginx.conf(), conf);
    assert!(Command::new(&script).status().expect("our script").success());
    until(SOON, "it runs", || !world.nginx.workers().is_empty());
    script
}

#[test]
fn an_nginx_is_found_where_it_was_built_to_be() {
    let world = World::new().both_running().env("BG_FRONT", "-");
    let nginx = built_elsewhere(&world);
    world.run("bg-switch", &["--to", "set2", "--nginx", &nginx]).success().printed("\"evidence\":\"workers\"");
    assert_eq!(world.live().as_deref(), Some("set2"));
    let _busy = a_busy_port(&world);
    let flags = ["--to", "set1", "--nginx", &nginx, "--verify-timeout", "5s"];
    world.run("bg-switch", &flags).exit(5).said("nginx's error log: [emerg] bind() to ");
}

#[test]
fn a_pid_file_that_is_given_counts_whatever_the_program_is_called() {
    for name in ["openresty", "angie", "web-server"] {
        let world = World::new().both_running().env("BG_FRONT", "-");
        let nginx = world.script(name, &format!("exec {} \"$@\"", world.nginx.command_line()));
        let pid_file = world.nginx.pid_file().display().to_string();
        let world = world.env("BG_SWITCH_PID_FILE", &pid_file).env("BG_NGINX", &nginx);
        world.switch("set2").success().printed("\"evidence\":\"workers\"");
        let run = world.run("bg-switch", &["--check"]).success();
        run.printed(format!("nginx runs as pid {}", world.nginx.master().expect("it runs")));
    }
}
