//! What is killed is known, and what crashes comes back.

use super::machine::Machine;
use super::{SOON, deploy, machine, main_pid, units};
use bg_tests::until;
use serde_json::Value;

#[test]
fn what_crashes_is_started_again_by_systemd_and_still_ours() {
    let Some(machine) = machine() else { return };
    deploy(&machine, "--version-text first");
    let again = crash(&machine, "set1");
    let table = machine.ok("bg-probe --format table");
    assert!(table.lines().any(|line| line.starts_with("set1 ") && line.contains(&format!(" {again} "))), "{table}");
    let current = machine.run("bg-launch --slot set1 --current");
    assert!(current.stderr.contains(&format!("runs already in set1 as pid {again}")), "{}", current.stderr);
    let record: Value = serde_json::from_str(&current.stdout).expect("a record");
    assert_eq!(record["launch"]["pid"].to_string(), again);
    assert_eq!(machine.run("bg-launch --live").stderr, "");

    deploy(&machine, "--version-text second");
    // And back to it: what systemd has started is what the slot runs.
    machine.ok("bg-deploy -q --rollback");
    assert_eq!(machine.get("/version"), "first");
    machine.ok("bg-deploy -q --rollback");
    // The next release goes where the first one is, and has to find it.
    let third = machine.run("bg-deploy -- fake-app --version-text third");
    assert!(third.stderr.contains("stopped bg-web-set1.service in set1"), "{}", third.stderr);
    assert_eq!(machine.get("/version"), "third");
    assert!(!machine.ok("ps -e -o pid= 2>/dev/null || ls /proc").lines().any(|pid| pid.trim() == again));
}

#[test]
fn what_systemd_starts_again_is_told_the_same() {
    let Some(machine) = machine() else { return };
    let odd = "a;b $HOME ${PATH} %n \"q\" \\ é";
    machine.write("/srv/odd", odd);
    machine.ok("bg-deploy -q -- fake-app --version-text \"$(cat /srv/odd)\"");
    assert_eq!(machine.get("/version"), odd);
    // As any package may that brings a unit; systemd then reads the commands of transient units anew.
    machine.ok("systemctl daemon-reload");
    crash(&machine, "set1");
    assert_eq!(machine.get("/version"), odd);
}

#[test]
fn a_launch_killed_anywhere_leaves_no_unit_unknown_and_can_be_repeated() {
    let Some(machine) = machine() else { return };
    let mut killed = 0;
    for call in ["/^rename", "/^(clone|vfork)"] {
        let mut nth = 1;
        while !survives(&machine, call, nth) {
            for unit in units(&machine) {
                let running = machine.property(&unit, "Environment");
                let known: Value =
                    serde_json::from_str(&machine.ok("cat /var/lib/bg/web/slots/set2/process.json")).expect("whole");
                let release = known["release"].as_str().expect("a release");
                assert!(running.contains(&format!("BG_RELEASE={release}")), "killed before {call} {nth}: {running}");
            }
            killed += 1;
            nth += 1;
            assert!(nth < 50, "{call} has no end");
        }
        until(SOON, "it listens", || !machine.get_slot("set2", "/version").is_empty());
        machine.ok("bg-launch -q --slot set2 --stop");
        assert!(units(&machine).is_empty());
    }
    assert!(killed > 8, "killed {killed} times only");
}

/// Whether a launch ends well that is killed just before its nth call of this kind, if there is an nth.
fn survives(machine: &Machine, call: &str, nth: usize) -> bool {
    let inject = format!("strace -o /dev/null -e 'trace={call}' -e 'inject={call}:signal=KILL:when={nth}'");
    machine.run(&format!("{inject} bg-launch -q --slot set2 -- fake-app >/dev/null")).code == Some(0)
}

/// Kills the main process of a slot's unit; the one that systemd starts in its place, once it listens.
#[track_caller]
fn crash(machine: &Machine, slot: &str) -> String {
    let before = main_pid(machine, slot);
    machine.ok(&format!("kill -KILL {before}"));
    until(SOON, "systemd starts it again", || !["0", &before].contains(&main_pid(machine, slot).as_str()));
    until(SOON, "it listens", || !machine.get_slot(slot, "/version").is_empty());
    main_pid(machine, slot)
}
