//! Nothing was given to a program, and `/etc/bg` has files of settings: then a failure begins with the command that was meant.

use bg_tests::{Ran, World, programs};
use std::fs;
use std::path::Path;

/// Runs a shell line with none of our variables set, on a machine whose `/etc/bg` has these files and where nothing was
/// ever deployed.
#[track_caller]
fn on_a_machine(world: &World, files: &[&str], line: &str) -> Ran {
    let etc = world.make_dir("etc");
    for name in ["passwd", "group", "nsswitch.conf", "hosts"] {
        if let Ok(text) = fs::read(format!("/etc/{name}")) {
            world.write(etc.join(name), text);
        }
    }
    let _ = fs::remove_dir_all(etc.join("bg"));
    for name in files {
        world.write(etc.join("bg").join(name), "BG_APP=web\n");
    }
    let (state, script) = (world.make_dir("lib"), world.script("line", line));
    let unset = "unset BG_APP BG_SLOTS BG_FRONT BG_DIR BG_UPSTREAM_FILE BG_NGINX";
    let ip = programs::of_the_system("ip").display().to_string();
    let mounts = format!(
        "{ip} link set lo up && mount --bind {} /etc && mount --bind {} /var/lib",
        etc.display(),
        state.display()
    );
    let unshare = if nix::unistd::geteuid().is_root() { "unshare -mn" } else { "unshare -rmn" };
    world.run_line(format!("{unset}; {unshare} sh -c '{mounts} && exec {script}'"))
}

#[test]
fn a_run_without_settings_begins_with_the_command_that_has_them() {
    let world = World::new();
    let begins = |files: &[&str], line: &str, first: &str| {
        let ran = on_a_machine(&world, files, line);
        assert!(ran.stderr().starts_with(first) && ran.code() != Some(0), "{first:?}? {ran}");
    };
    let one: &[&str] = &["web.env", "README", "other.env.bak"];
    let of = |tool: &str| format!("{tool}: no settings were given, and /etc/bg has some: ");
    begins(
        one,
        "bg-deploy --rollback -q",
        &(of("bg-probe")
            + "bg-deploy --env-file /etc/bg/web.env --rollback -q\nbg-probe: /etc/nginx/conf.d/service-url.inc"),
    );
    begins(one, "bg-deploy no.jar", &(of("bg-probe") + "bg-deploy --env-file /etc/bg/web.env no.jar\n"));
    begins(one, "bg-probe --slot live", &(of("bg-probe") + "bg-probe --env-file /etc/bg/web.env --slot live\n"));
    begins(
        one,
        "bg-launch --slot idle no.jar",
        &(of("bg-launch") + "bg-launch --env-file /etc/bg/web.env --slot idle"),
    );
    begins(one, "bg-health --slot set1 --once", &(of("bg-health") + "bg-health --env-file /etc/bg/web.env --slot"));
    begins(one, "bg-switch --to set1", &(of("bg-switch") + "bg-switch --env-file /etc/bg/web.env --to set1\n"));
    if nix::unistd::geteuid().is_root() {
        let probe = world.word("programs/bg-probe");
        world.copy(programs::ours("bg-probe"), Path::new(&probe));
        let as_nobody = "chmod 600 /etc/bg/web.env && exec setpriv --reuid 65534 --regid 65534 --clear-groups";
        let first = of("bg-probe") + "sudo bg-probe --env-file /etc/bg/web.env --slot live\n";
        begins(one, &format!("{as_nobody} env HOME=/tmp {probe} --slot live"), &first);
    }
    let two = "bg-probe --env-file /etc/bg/shop.env --slot live; or: bg-probe --env-file /etc/bg/web.env --slot live\n";
    begins(&["web.env", "shop.env"], "bg-probe --slot live", &(of("bg-probe") + two));
}

#[test]
fn a_check_without_settings_begins_with_the_command_that_has_them() {
    let world = World::new();
    let first = "warn    no settings were given, and /etc/bg has some: ";
    for program in ["bg-deploy", "bg-probe", "bg-launch", "bg-switch"] {
        let check = on_a_machine(&world, &["web.env"], &format!("{program} --check"));
        let line = format!("{first}{program} --env-file /etc/bg/web.env --check\n");
        assert!(check.stdout().starts_with(&line), "{check}");
        assert_eq!(check.stdout().matches("no settings").count(), 1, "{check}");
    }
}

/// In cron it would be silent for ever.
#[test]
fn a_run_without_settings_that_finds_nothing_to_do_or_to_tell_warns_with_the_command_that_has_them() {
    let world = World::new();
    let upstream = "mkdir -p /etc/nginx/conf.d && echo 'set $service_url http://127.0.0.1:8081;' >/etc/nginx/conf.d/service-url.inc";
    for line in [
        "bg-launch --live",
        "bg-launch --print-unit",
        "bg-probe --history",
        "bg-probe --format table",
        "bg-probe --format openmetrics",
        "bg-switch --open",
        "bg-switch --drain off",
        "bg-switch --preview off",
        "bg-switch --share 0",
        "bg-switch --print-site",
        "bg-switch --print-upstream",
    ] {
        let (program, words) = line.split_once(' ').expect("a program and its words");
        let warning = format!(
            "{program}: warning: no settings were given, and /etc/bg has some: {program} --env-file /etc/bg/web.env {words}\n"
        );
        let ran = on_a_machine(&world, &["web.env"], &format!("{upstream}; exec {line}")).success();
        assert_eq!(ran.stderr().matches(&warning).count(), 1, "{ran}");
        on_a_machine(&world, &[], &format!("{upstream}; exec {line}")).success().never_said("no settings");
        on_a_machine(&world, &["web.env"], &format!("{upstream}; exec {line} --app app"))
            .success()
            .never_said("no settings");
    }
    // Once a release was deployed without them, they were not forgotten.
    let deployed = "mkdir -p /var/lib/bg/app/releases/1 /var/lib/bg/app/slots/set1; \
                    ln -s ../../releases/1 /var/lib/bg/app/slots/set1/current";
    let line = format!("HOME=/var/lib; {deployed}; exec bg-probe --history");
    on_a_machine(&world, &["web.env"], &line).success().never_said("no settings");
}

#[test]
fn who_gave_a_setting_or_has_no_file_of_settings_hears_nothing_of_them() {
    let world = World::new();
    let never = |files: &[&str], line: &str| {
        let ran = on_a_machine(&world, files, line);
        assert_ne!(ran.code(), Some(0), "{ran}");
        ran.never_said("no settings");
    };
    let one: &[&str] = &["web.env"];
    never(&[], "bg-deploy --rollback");
    never(one, "BG_APP=web bg-deploy --rollback");
    never(one, "bg-deploy --app web --rollback");
    never(one, "bg-deploy --env-file /etc/bg/web.env --rollback");
    never(one, "bg-deploy --slots=set1=8081,set2=8081 --rollback");
    never(one, "bg-probe --timeout soon");
    // A pipe that broke before it.
    never(one, "bg-health </dev/null");
}
