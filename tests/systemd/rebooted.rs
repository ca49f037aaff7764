//! The machine is rebooted, and loses its power.

use super::{SOON, deploy, machine, units};
use bg_tests::until;

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
