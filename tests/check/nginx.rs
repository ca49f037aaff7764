//! What a switch needs: an nginx that runs, its configuration, the upstream file wired in, the link within reach.

use std::time::Duration;

use bg_tests::{World, until};

use super::{check, ordinary, says};

#[test]
fn a_missing_nginx_fails() {
    let world = World::new().env("BG_NGINX", "no-such-nginx");
    says(&world, "bg-switch", 1, "fail    no-such-nginx: not on this machine's PATH");
}

#[test]
fn nginx_tests_and_prints_its_configuration_in_one_call_of_a_preflight() {
    for world in [World::new(), World::new().link_form()] {
        let asked = world.folder().join("asked");
        let lines = format!("echo \"$*\" >>{}\nexec {} \"$@\"", asked.display(), world.nginx.command_line());
        world.make_dir("counted");
        // Only an nginx that is called so is taken for one of this machine.
        let nginx = world.script("counted/nginx", &lines);
        let world = world.env("BG_NGINX", &nginx);
        says(&world, "bg-switch", 0, "nginx -t accepts the configuration");
        let asked = world.read(asked);
        // What prints a configuration has tested it.
        for (question, times) in [("-t", 0), ("-T", 1), ("-v", 1), ("-V", 1)] {
            assert_eq!(asked.lines().filter(|line| *line == question).count(), times, "{question} in\n{asked}");
        }
    }
}

#[test]
fn a_broken_configuration_fails() {
    let world = World::new();
    world.nginx.add_to_http("broken", "nonsense;");
    says(&world, "bg-switch", 1, "fail    nginx -t refused the configuration: [emerg] unknown directive \"nonsense\"");
}

#[test]
fn a_file_that_is_not_wired_in_fails() {
    let world = World::new();
    let other = world.write("other.inc", "set $service_url http://127.0.0.1:1;\n");
    let world = world.env("BG_UPSTREAM_FILE", other.to_str().unwrap());
    says(&world, "bg-switch", 1, &format!("nginx does not include {}: put `include", other.display()));
}

#[test]
fn a_missing_proxy_pass_fails() {
    let world = World::new();
    let text = world.read(world.nginx.conf());
    world.write(world.nginx.conf(), text.replace("proxy_pass $service_url;", "proxy_pass http://127.0.0.1:1;"));
    says(&world, "bg-switch", 1, "no proxy_pass names $service_url: put `proxy_pass $service_url;` into the location");
}

#[test]
fn a_name_that_nginx_can_not_look_up_fails() {
    let world = World::new();
    world.nginx.write_upstream(&format!("set $service_url http://localhost:{};\n", world.port("set1")));
    says(&world, "bg-switch", 1, "names localhost, which nginx can't find without a resolver: write 127.0.0.1");
    world.nginx.write_upstream("set $service_url http://web_set1;\n");
    says(&world, "bg-switch", 1, "names web_set1, which nginx can't find without a resolver: add the upstream groups");
    world.nginx.add_to_http("resolver", "resolver 127.0.0.1;");
    says(&world, "bg-switch", 0, "every address in the upstream file can be found");
}

#[test]
fn a_link_that_the_workers_can_not_reach_fails() {
    let world = World::new().link_form();
    world.make_dir(world.dir());
    world.chmod(world.dir(), 0o700);
    says(&world, "bg-switch", 1, &format!("(mode 700): let them in: chmod a+x {}", world.dir().display()));
}

#[test]
fn another_folders_link_fails() {
    let world = World::new().link_form();
    let world = world.env("BG_DIR", "/nowhere");
    says(&world, "bg-switch", 1, "but this deploy's link is /nowhere/live");
}

#[test]
fn a_file_that_is_newer_than_the_workers_and_a_cache_are_warnings() {
    let world = World::new().link_form();
    world.nginx.add_to_http("cache", "open_file_cache max=10;");
    let text = world.nginx.read_upstream();
    until(Duration::from_secs(5), "the file is newer than the workers", || {
        world.nginx.write_upstream(&text);
        check(&world, "bg-switch", &[]).0.contains("was changed after nginx last read its configuration: reload nginx")
    });
    says(&world, "bg-switch", 0, "warn    open_file_cache is on: nginx remembers");
}

#[test]
fn a_ban_on_symlinks_and_a_cache_count_where_the_file_is_included() {
    let world = World::new().link_form();
    world.nginx.add_to_http("ban", "disable_symlinks on;\nopen_file_cache max=10;\n");
    let banned = "fail    nginx does not follow the link, and serves the first slot: disable_symlinks on is set: put";
    says(&world, "bg-switch", 1, banned);
    let conf = world.read(world.nginx.conf());
    let listen = "        listen 127.0.0.1";
    let off = format!("        disable_symlinks off;\n        open_file_cache off;\n{listen}");
    world.write(world.nginx.conf(), conf.replace(listen, &off));
    let seen = check(&world, "bg-switch", &[]);
    assert!(seen.1 == 0 && !seen.0.contains("symlinks") && !seen.0.contains("open_file_cache"), "{}", seen.0);
    // The reload form looks at no link.
    world.write(world.nginx.conf(), conf);
    world.nginx.write_upstream(&world.upstream_line("set1"));
    assert_eq!(check(&world, "bg-switch", &[]).1, 0);
}

/// "Welcome to nginx!" after a deploy that said live.
#[test]
fn a_site_without_a_name_behind_the_distributions_is_a_warning() {
    let world = World::new();
    let listen = world.nginx.front_url("").replace("http://", "");
    let other = |listen: &str| world.nginx.add_to_http("default", &format!("server {{ listen {listen}; }}\n"));
    let file = world.nginx.conf().with_file_name("http.d/default.conf").display().to_string();
    let upstream = world.nginx.upstream_file().display().to_string();
    let warning = |why: &str| {
        format!(
            "warn    the server in {file} answers visitors on {listen}, {why}; the one that includes {upstream} has no \
             name: give the site the name that visitors ask for, as in `server_name www.example.com;`, or remove it with \
             sudo rm {file}; then reload nginx"
        )
    };
    other(&listen);
    says(&world, "bg-switch", 0, &warning("where it comes first"));
    other(&format!("{listen} default_server"));
    says(&world, "bg-switch", 0, &warning("for it says default_server"));

    let conf = world.read(world.nginx.conf());
    let ours = format!("        listen {listen};\n");
    world.write(world.nginx.conf(), conf.replace(&ours, &format!("{ours}        server_name www.example.com;\n")));
    assert!(!check(&world, "bg-switch", &[]).0.contains("visitors"));
    world.write(world.nginx.conf(), conf.replace(&ours, &ours.replace(';', " default_server;")));
    other(&listen);
    assert!(!check(&world, "bg-switch", &[]).0.contains("visitors"));
}

#[test]
fn a_user_whose_switch_takes_no_root_is_not_warned_of_what_does() {
    let world = World::new().link_form();
    // The folder is root's here, which is what fails.
    let seen = ordinary(&world, "bg-switch");
    assert!(seen.contains("ok      nginx -t and -T take root here and were not asked"), "{seen}");
    assert!(!seen.contains("warn"), "{seen}");
}

/// As certbot leaves it: root alone may read the key.
#[test]
fn a_user_who_may_not_read_the_key_of_a_certificate_is_not_told_to_fix_it() {
    let world = World::new().link_form();
    let (certificate, key) = world.self_signed("www.example.com");
    let (port, certificate, shown) = (world.free_port(), certificate.display(), key.display());
    let lines = format!("listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {shown};");
    world.nginx.add_to_http("secure", &format!("server {{ {lines} }}\n"));
    world.chmod(&key, 0o600);
    let seen = ordinary(&world, "bg-switch");
    assert!(seen.contains("ok      nginx -t and -T take root here and were not asked"), "{seen}");
    assert!(!seen.contains("warn"), "{seen}");
}

#[test]
fn a_user_who_may_not_write_or_reload_is_told_so() {
    let world = World::new();
    let seen = ordinary(&world, "bg-switch");
    assert!(seen.contains("service-url.inc can't be replaced:") && seen.contains("convert link"), "{seen}");
    assert!(seen.contains("fail    this user may not tell nginx to reload: let --nginx be 'sudo -n nginx'"), "{seen}");
}

#[test]
fn a_switch_that_nothing_could_prove_fails() {
    let world = World::new().env("BG_FRONT", "-");
    says(&world, "bg-switch", 0, "nginx may be told to reload");
    // As in a container: its workers can't be seen.
    let nginx = world.script("ngx", &format!("exec {} \"$@\"", world.nginx.command_line()));
    let world = world.env("BG_NGINX", &nginx);
    says(&world, "bg-switch", 1, "fail    nothing could prove the switch");
}
