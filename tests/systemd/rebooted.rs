//! The machine is rebooted, and loses its power.

use super::machine::Machine;
use super::{SOON, deploy, machine, units};
use bg_tests::until;
use serde_json::Value;

#[test]
fn after_a_reboot_the_live_slot_alone_is_started() {
    let Some(mut machine) = machine() else { return };
    machine.ok("bg-launch --print-unit --user www-data >/etc/systemd/system/bg-web.service
                systemd-analyze verify /etc/systemd/system/bg-web.service
                systemctl enable bg-web.service");
    deploy(&machine, "--version-text first");
    deploy(&machine, "--version-text second");
    deploy(&machine, "--version-text third");

    machine.shut_down();
    machine.start();
    until(SOON, "it serves", || machine.get("/version") == "third");
    assert_eq!(units(&machine), ["bg-web-set1.service"]);
    assert_eq!(machine.ok("stat -c %U /proc/$(systemctl show -P MainPID bg-web-set1)"), "www-data");

    // The other slot holds its release still; to go back starts it.
    machine.ok("bg-deploy -q --rollback");
    assert_eq!(machine.get("/version"), "second");
    machine.lose_power();
    machine.start();
    until(SOON, "it serves", || machine.get("/version") == "second");
    assert_eq!(units(&machine), ["bg-web-set2.service"]);
    assert_eq!(machine.property("bg-web", "Result"), "success");
}

#[test]
fn after_a_reboot_a_job_and_the_companion_are_those_of_the_live_release_alone() {
    let Some(mut machine) = machine() else { return };
    machine.ok("bg-launch --print-unit >/etc/systemd/system/bg-web.service; systemctl enable bg-web.service");
    let line = "BG_LAUNCH_COMPANION='fake-app --work /var/tmp/work' bg-deploy -q -- fake-app --job /var/tmp/jobs";
    let release = |record: &str| {
        let record: Value = serde_json::from_str(record).expect("a record");
        record["launch"]["release"].as_str().expect("a release").to_owned()
    };
    let [first, second] = [(); 2].map(|()| release(&machine.ok(line)));
    assert_eq!(units(&machine), ["bg-web-companion.service", "bg-web-set1.service", "bg-web-set2.service"]);
    // From now on each line is of this release.
    let alone = |machine: &Machine, release: &str| {
        for file in ["/var/tmp/work", "/var/tmp/jobs"] {
            machine.ok(&format!("rm -f {file}"));
            let lines = || machine.run(&format!("cat {file}")).stdout;
            until(SOON, &format!("{file} is written"), || lines().lines().count() > 20);
            assert!(lines().lines().all(|line| line == release), "{file}: not {release} alone: {}", lines());
        }
    };
    alone(&machine, &second);
    machine.shut_down();
    machine.start();
    until(SOON, "the companion runs", || machine.property("bg-web-companion", "ActiveState") == "active");
    alone(&machine, &second);
    assert_eq!(units(&machine), ["bg-web-companion.service", "bg-web-set2.service"]);
    machine.ok("bg-deploy -q --rollback");
    alone(&machine, &first);
    machine.lose_power();
    machine.start();
    until(SOON, "the companion runs", || machine.property("bg-web-companion", "ActiveState") == "active");
    alone(&machine, &first);
}
