use super::{refused, two_releases};
use bg_tests::{Run, World, until};
use std::os::unix::process::CommandExt;
use std::time::Duration;

#[test]
fn an_upstream_file_that_is_missing_or_strange_is_refused() {
    let world = two_releases();
    let variable = format!("set $service_port {};\n", world.port("set2"));
    for (said, text) in [
        ("has no line `set $service_url", "upstream web { server 127.0.0.1:8081; }\n"),
        ("has no line `set $service_url", &variable),
        ("sets $service_url 2 times", &world.upstream_line("set2").repeat(2)),
    ] {
        world.nginx.write_upstream(text);
        refused(&world, &["--", "fake-app"], 1, said);
    }
    world.remove(world.nginx.upstream_file());
    refused(&world, &["--", "fake-app"], 1, "service-url.inc is not there");
}

#[test]
fn a_missing_file_is_made_by_the_command_that_is_named() {
    let world = World::new().serving();
    world.remove(world.nginx.upstream_file());
    let refused = refused(&world, &["--", "fake-app"], 1, "make it: bg-switch --to set1");
    assert!(refused.stderr().contains("include "), "{refused}");
    world.run_line("bg-switch --to set1").success();
    world.deploy(&["--version-text", "1.1"]).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_file_that_the_site_does_not_include_is_refused() {
    // It names the slot that serves, as a printed one does, and nobody reads it.
    for front in ["as it is", "-"] {
        let world = two_releases();
        let other = world.write("other.inc", world.upstream_line("set2"));
        let world = world.env("BG_UPSTREAM_FILE", other.to_str().expect("a path"));
        let world = if front == "-" { world.env("BG_FRONT", "-") } else { world };
        refused(&world, &["--", "fake-app"], 1, "nginx does not include ");
    }
}

#[test]
fn a_site_that_names_no_variable_is_refused() {
    let world = two_releases();
    let text = world.read(world.nginx.conf());
    let fixed = format!("proxy_pass http://127.0.0.1:{};", world.port("set2"));
    world.write(world.nginx.conf(), text.replace("proxy_pass $service_url;", &fixed));
    world.nginx.reload();
    refused(&world, &["--", "fake-app"], 1, "no proxy_pass names $service_url");
}

#[test]
fn a_site_that_uses_the_variable_in_another_way_is_deployed_to() {
    let world = two_releases();
    let text = world.read(world.nginx.conf());
    let by_another = "set $target $service_url; proxy_pass $target;";
    world.write(world.nginx.conf(), text.replace("proxy_pass $service_url;", by_another));
    world.nginx.reload();
    world.run("bg-deploy", &["--check", "--", "fake-app"]).success();
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn an_nginx_that_does_not_run_is_refused() {
    for (front, said) in [("as it is", "connection refused"), ("-", "nothing could prove the switch")] {
        let world = two_releases();
        let world = if front == "-" { world.env("BG_FRONT", "-") } else { world };
        world.nginx.stop();
        refused(&world, &["--", "fake-app"], 5, said);
        world.nginx.start();
        world.deploy(&["--version-text", "1.2"]).success();
    }
    let world = World::new();
    world.nginx.stop();
    let run = world.deploy(&[]).exit(5).said("nginx does not run. Nothing was touched. Start it");
    assert!(world.processes().is_empty(), "{run}");
}

#[test]
fn a_first_deploy_goes_through_where_nothing_listens_at_the_front_yet() {
    // The site is written, and its nginx has not read it.
    let world = World::new();
    let late = world.free_port();
    let site = world.read(world.nginx.conf());
    let begin = site.find("server {").expect("a site");
    let server = site[begin..].trim_end().trim_end_matches('}').to_owned();
    let listen = server.lines().find(|line| line.contains("listen ")).expect("it listens").trim().to_owned();
    world.nginx.add_to_http("late", &server.replace(&listen, &format!("listen 127.0.0.1:{late};")));
    let world = world.env("BG_FRONT", &format!("http://127.0.0.1:{late}/profile"));
    world.deploy(&["--version-text", "1.0"]).success().said("live ");
}

#[test]
fn a_configuration_that_was_broken_since_nginx_read_it_is_refused() {
    let world = two_releases();
    // In the same moment: where its clock can't tell whether a file is newer than nginx's workers, the deploy has it tested.
    world.nginx.add_to_http("broken", "this is no directive;\n");
    refused(&world, &["--", "fake-app"], 5, "nginx -t refused the configuration");
}

#[test]
fn without_a_front_nginxs_workers_must_be_seen() {
    let world = two_releases().env("BG_FRONT", "-");
    let pid_file = world.nginx.pid_file();
    let pid = world.read(&pid_file);
    world.remove(&pid_file);
    let said = "nothing could prove the switch";
    refused(&world, &["--", "fake-app"], 5, said).said("pid-file the file that has");
    // Whatever the program is called, an explicit pid file counts.
    let other = world.write("run/web.pid", &pid);
    let web = world.script("bin/web-server", &format!("exec {} \"$@\"", world.nginx.command_line()));
    let words = ["--nginx", &web, "--switch-pid-file", other.to_str().expect("a path"), "--", "fake-app"];
    world.run("bg-deploy", &[&["--check"], &words[..]].concat()).success();
    world.write(&pid_file, &pid);
    world.run("bg-deploy", &words).success();
}

#[test]
fn a_pid_in_an_included_file_is_found() {
    let world = two_releases().env("BG_FRONT", "-");
    let text = world.read(world.nginx.conf());
    let line = text.lines().find(|line| line.starts_with("pid ")).expect("it has one").to_owned();
    let included = world.write("nginx/main.d/pid.conf", &line);
    let folder = included.parent().expect("a folder").display().to_string();
    world.write(world.nginx.conf(), text.replace(&line, &format!("include {folder}/*.conf;")));
    world.run("bg-deploy", &["--check", "--", "fake-app"]).success();
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn a_user_who_may_not_write_the_upstream_file_is_refused() {
    const USER: u32 = 12345;
    let world = World::new().env("BG_FRONT", "-");
    let dir = world.make_dir(world.dir());
    std::os::unix::fs::chown(&dir, Some(USER), Some(USER)).expect("this test needs root");
    let programs = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy", "fake-app"];
    let programs = programs.map(|program| world.copy_of(program));
    let app = programs[5].to_str().expect("a path").to_owned();
    let mut deploy = world.command(&programs[4]);
    let run = deploy.uid(USER).gid(USER).args(["--", &app]).ran().exit(1);
    let run = run.said("service-url.inc can't be replaced").said("nothing was touched");
    assert!(world.processes().is_empty() && world.releases().is_empty(), "{run}");
}

#[test]
fn a_change_of_nginxs_files_is_not_tested_where_nginx_has_read_it() {
    let world = two_releases();
    let asked = world.folder().join("asked");
    // A script may call nginx with any configuration, so the real one is put in its place.
    let line = format!("echo \"$*\" >>{}\nexec {} \"$@\"", asked.display(), world.nginx.command_line());
    let nginx = world.script("bin/nginx", &line);
    let world = world.env("BG_NGINX", &nginx);
    world.deploy(&["--version-text", "1.2"]).success();
    let asked = world.read(asked);
    let count = |question: &str| asked.lines().filter(|line| *line == question).count();
    assert_eq!((count("-t"), count("-T")), (1, 0), "{asked}");
    until(Duration::from_secs(5), "it serves", || world.get("/version").body == "1.2");
}
