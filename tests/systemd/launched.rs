//! Who writes what is in the journal, and what a release can be told.

use super::machine::Machine;
use super::{SOON, deploy, machine, main_pid, units};
use bg_tests::until;

#[test]
fn a_release_runs_as_a_unit_of_its_own() {
    let Some(machine) = machine() else { return };
    let first = deploy(&machine, "--version-text first");
    assert_eq!((first["unit"].as_str(), first["log"].as_str()), (Some("bg-web-set1.service"), None));
    assert_eq!(first["pid"].to_string(), main_pid(&machine, "set1"));
    deploy(&machine, "--version-text second");
    assert_eq!((machine.get("/version").as_str(), machine.get("/_bg/slot").trim()), ("second", "set2"));
    assert_eq!(units(&machine), ["bg-web-set1.service", "bg-web-set2.service"]);

    let group = machine.property("bg-web-set1", "ControlGroup");
    let its_groups = machine.ok(&format!("cat /proc/{}/cgroup", first["pid"]));
    assert!(its_groups.lines().any(|line| line.ends_with(&group)), "{group} in {its_groups}");
    let environ = machine.get_slot("set1", "/env");
    let ours: Vec<&str> = environ.lines().filter_map(|line| line.strip_prefix("BG_")?.split('=').next()).collect();
    let sorted: std::collections::BTreeSet<&str> = ours.iter().copied().collect();
    assert_eq!(sorted.into_iter().collect::<Vec<_>>(), ["APP", "LIVE", "RELEASE", "SLOT"], "and no others: {ours:?}");
    assert!(machine.ok("journalctl -u bg-web-set1").contains("Started fake-app on port"));
    assert_eq!(machine.ok(&format!("readlink /proc/{}/cwd", first["pid"])), "/var/lib/bg/web/slots/set1/work");

    // And back, which starts nothing: the first release runs still.
    machine.ok("bg-deploy -q --rollback");
    assert_eq!(machine.get("/version"), "first");
    assert_eq!(first["pid"].to_string(), main_pid(&machine, "set1"));
    let stopped = machine.run("bg-launch --slot idle --stop");
    assert!(stopped.stderr.contains("stopped bg-web-set2.service in set2"), "{}", stopped.stderr);
    assert_eq!(units(&machine), ["bg-web-set1.service"]);
}

#[test]
fn what_is_booted_beside_a_live_unit_is_the_first_to_go_until_it_is_live() {
    let Some(machine) = machine() else { return };
    deploy(&machine, "");
    let place = |slot: &str| machine.ok(&format!("cat /proc/{}/oom_score_adj", main_pid(&machine, slot)));
    let usual = place("set1");
    machine.ok("bg-launch --slot set2 -- fake-app | bg-health >/dev/null");
    assert_eq!((place("set1"), place("set2")), (usual.clone(), "800".to_owned()));
    machine.ok("bg-switch --to set2 >/dev/null");
    assert_eq!(place("set2"), usual);
    // Nor is it when systemd starts it again.
    let booted = main_pid(&machine, "set2");
    machine.ok(&format!("kill -KILL {booted}"));
    until(SOON, "it runs again", || {
        !matches!(main_pid(&machine, "set2").as_str(), "0" | "") && main_pid(&machine, "set2") != booted
    });
    assert_eq!(place("set2"), usual);
}

#[test]
fn a_launch_by_a_service_that_ends_all_it_has_started_warns_and_one_by_cron_does_not() {
    let Some(machine) = machine() else { return };
    let by = |unit: &str, kill_mode: &str| {
        let launch = "set -a; . /etc/bg/web.env; BG_LAUNCH_VIA=session; exec bg-launch --slot set2 -- fake-app";
        machine.ok(&format!(
            "systemd-run --quiet --wait --pipe --unit={unit} -p KillMode={kill_mode} sh -c '{launch}' 2>&1"
        ))
    };
    let warning = "is ended whenever runner.service is stopped or restarted";
    let said = by("runner", "control-group");
    assert!(said.contains(warning), "{said}");
    // And so it is: the service has ended, as an agent's would when it is restarted.
    until(SOON, "it has ended with the service", || machine.get_slot("set2", "/version").is_empty());
    let said = by("like-cron", "process");
    assert!(!said.contains("is ended whenever"), "{said}");
    until(SOON, "it outlives the service", || !machine.get_slot("set2", "/version").is_empty());
}

#[test]
fn a_stop_later_that_is_left_by_such_a_service_warns_where_the_release_outlives_that() {
    let Some(machine) = machine() else { return };
    machine.ok("bg-launch -q --slot set2 -- fake-app | bg-health -q");
    let stop = "set -a; . /etc/bg/web.env; exec bg-launch --slot set2 --stop --after 1h";
    let by = |kill_mode: &str| {
        let runner = format!("systemd-run --quiet --wait --pipe --unit=runner -p KillMode={kill_mode}");
        machine.ok(&format!("{runner} sh -c '{stop}' 2>&1"))
    };
    let said = by("control-group");
    let warning = "what waits is ended whenever runner.service is stopped or restarted, and pid ";
    assert!(said.contains(warning) && said.contains("bg-launch --slot set2 --stop"), "{said}");
    assert!(!by("process").contains("what waits is ended"));
    // What the warning advises works.
    machine.ok("bg-launch --slot set2 --stop");
    until(SOON, "nothing is left", || units(&machine).is_empty());
}

#[test]
fn one_that_dies_at_once_is_told_with_its_own_journal() {
    let Some(machine) = machine() else { return };
    // The journal of the unit has what another release wrote before.
    deploy(&machine, "");
    deploy(&machine, "");
    let failed = machine.run("bg-deploy -- fake-app --crash-at-boot");
    let said = failed.stderr;
    assert_eq!(failed.code, Some(8), "{said}");
    assert!(said.contains("log       journalctl -u bg-web-set1.service\n"), "{said}");
    assert!(
        said.contains("| Exception in thread \"main\" java.lang.IllegalStateException: Failed to configure"),
        "{said}"
    );
    assert!(!said.contains("Started fake-app"), "another run's: {said}");
    assert_eq!(units(&machine), ["bg-web-set2.service"], "it is not started again and again");
}

#[test]
fn one_that_can_not_be_executed_is_refused_and_not_tried_again() {
    let Some(machine) = machine() else { return };
    machine.write("/srv/run", "neither a program nor a script\n");
    let failed = machine.run("chmod +x /srv/run; bg-deploy -- /srv/run");
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("systemd did not start /srv/run as bg-web-set1.service"), "{}", failed.stderr);
    assert!(units(&machine).is_empty());
    deploy(&machine, "");
}

#[test]
fn one_that_systemd_says_nothing_of_after_its_start_is_stopped_again() {
    let Some(machine) = machine() else { return };
    // Found first on PATH: the first time that it is asked about a unit that runs, it fails.
    let systemctl = "#!/bin/sh
if [ \"$2\" = show ] && [ ! -e /run/failed ] && /usr/bin/systemctl is-active --quiet bg-web-set2; then
    touch /run/failed; echo 'Failed to get properties: Connection timed out' >&2; exit 1
fi
exec /usr/bin/systemctl \"$@\"
";
    machine.write("/usr/local/sbin/systemctl", systemctl);
    let failed = machine.run("chmod +x /usr/local/sbin/systemctl; bg-launch --slot set2 -- fake-app");
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("Connection timed out"), "{}", failed.stderr);
    assert!(units(&machine).is_empty());
    assert_eq!(machine.run("readlink /var/lib/bg/web/slots/set2/current").stdout, "");
}

#[test]
fn limits_and_variables_come_from_drop_ins_and_the_user_from_the_flag() {
    let Some(machine) = machine() else { return };
    machine
        .write("/etc/systemd/system/bg-web-.service.d/web.conf", "[Service]\nLimitNOFILE=4321\nEnvironment=DB=both\n");
    machine.write("/etc/systemd/system/bg-web-set2.service.d/set2.conf", "[Service]\nEnvironment=ONE=set2\n");
    // Where there was no drop-in before, systemd has to look.
    machine.ok("systemctl daemon-reload");
    let launched = machine.run("bg-launch -q --slot set2 --user www-data -- fake-app | bg-health -q");
    assert_eq!(launched.code, Some(0), "{}", launched.stderr);
    let pid = main_pid(&machine, "set2");
    assert!(machine.ok(&format!("grep 'Max open files' /proc/{pid}/limits")).contains("4321"));
    assert_eq!(machine.ok(&format!("stat -c %U /proc/{pid}")), "www-data");
    assert_eq!(machine.ok("stat -c %U /var/lib/bg/web/slots/set2/work"), "www-data");
    let environ = machine.get_slot("set2", "/env");
    for variable in ["DB=both", "ONE=set2", "HOME=/var/www", "USER=www-data"] {
        assert!(environ.lines().any(|line| line == variable), "{variable} in {environ}");
    }
}

/// A settings file with a secret that no shell would leave as it is.
const SECRET: &str = "s3 cret \"$HOME` \\ %n é;";

#[test]
fn the_variables_of_the_settings_file_reach_the_application_and_nobody_else() {
    let Some(mut machine) = machine() else { return };
    let settings = machine.ok("cat /etc/bg/web.env");
    machine.write("/etc/bg/secret.env", &format!("{settings}\nMY_SECRET='{SECRET}'\nPORT=1\n"));
    machine.ok("adduser --system --quiet web");
    machine.ok("env -u LISTEN bg-deploy -q --env-file /etc/bg/secret.env --launch-user web -- fake-app");
    let has = |machine: &Machine, slot: &str, secret: &str| {
        let environ = machine.get_slot(slot, "/env");
        environ.lines().any(|line| line == format!("MY_SECRET={secret}"))
    };
    assert!(has(&machine, "set1", SECRET), "{}", machine.get_slot("set1", "/env"));
    let nobody = "setpriv --reuid nobody --clear-groups";
    let seen = machine.ok(&format!("{nobody} systemctl show bg-web-set1; {nobody} systemctl cat bg-web-set1"));
    assert!(!seen.contains("s3 cret") && seen.contains("/var/lib/bg/web/slots/set1/environment"), "{seen}");
    for file in ["slots/set1/environment", "surroundings/*"] {
        let read = machine.run(&format!("{nobody} cat /var/lib/bg/web/{file}"));
        assert_eq!((read.code, read.stdout.as_str()), (Some(1), ""), "{file}");
    }
    // A restart by systemd, which reads its own files again.
    let first = main_pid(&machine, "set1");
    machine.ok(&format!("systemctl daemon-reload; kill -KILL {first}"));
    let restarted = |machine: &Machine, before: &str| {
        until(SOON, "it runs again", || {
            let now = main_pid(machine, "set1");
            !matches!(now.as_str(), "" | "0") && now != before && !machine.get_slot("set1", "/env").is_empty()
        });
    };
    restarted(&machine, &first);
    assert!(has(&machine, "set1", SECRET));
    // By --live, which has no settings file here, and by the printed unit after a reboot.
    machine.ok("systemctl stop bg-web-set1; bg-launch --live");
    restarted(&machine, "0");
    assert!(has(&machine, "set1", SECRET));
    machine.ok("bg-launch --print-unit --user web >/etc/systemd/system/bg-web.service; systemctl daemon-reload
                systemctl enable bg-web.service");
    machine.shut_down();
    machine.start();
    restarted(&machine, "0");
    assert!(has(&machine, "set1", SECRET));
}

#[test]
fn one_that_takes_no_notice_of_term_is_killed_within_the_time() {
    let Some(machine) = machine() else { return };
    machine.ok("bg-launch -q --slot set2 -- fake-app --ignore-term | bg-health -q");
    let stopped = machine.run("bg-launch --slot set2 --stop --stop-timeout 500ms");
    assert!(
        stopped.stderr.contains("killed bg-web-set2.service, which SIGTERM had not ended within 0.5s"),
        "{}",
        stopped.stderr
    );
    until(SOON, "nothing is left", || units(&machine).is_empty() && machine.get_slot("set2", "/version").is_empty());
}

#[test]
fn a_unit_is_stopped_by_the_signal_it_was_launched_with_and_has_not_failed_then() {
    let Some(machine) = machine() else { return };
    machine.ok("bg-launch -q --slot set2 --stop-signal QUIT -- fake-app --ignore-term | bg-health -q");
    assert_eq!(machine.property("bg-web-set2", "KillSignal"), "3");
    let stopped = machine.run("bg-launch --slot set2 --stop --stop-timeout 20s");
    assert!(stopped.stderr.contains("stopped bg-web-set2.service in set2"), "{}", stopped.stderr);
    until(SOON, "nothing is left", || units(&machine).is_empty() && machine.get_slot("set2", "/version").is_empty());
}

#[test]
fn a_unit_of_another_folder_is_left_alone() {
    let Some(machine) = machine() else { return };
    let app = deploy(&machine, "");
    // The same application's name in another folder, whose slots have other ports.
    let other = "BG_DIR=/var/lib/bg/other BG_SLOTS=set1=1,set2=2 BG_FRONT=- BG_UPSTREAM_FILE=/nowhere/url.inc \
                 bg-launch --slot set1";
    let refused = machine.run(&format!("{other} -- fake-app"));
    assert_eq!(refused.code, Some(7), "{}", refused.stderr);
    let said = "bg-web-set1.service runs already, and was not started for /var/lib/bg/other: nothing was touched";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    let stopped = machine.run(&format!("{other} --stop"));
    assert!(stopped.stderr.contains("nothing runs in set1"), "{}", stopped.stderr);
    assert_eq!(app["pid"].to_string(), main_pid(&machine, "set1"));
}
