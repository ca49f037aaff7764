//! A user's own systemd.

use super::{SOON, machine};
use bg_tests::until;

#[test]
fn who_is_not_root_has_units_of_their_own() {
    let Some(machine) = machine() else { return };
    machine.ok("useradd --create-home app
                chown -R app: /var/lib/bg 2>/dev/null || install -d -o app /var/lib/bg");
    let as_app = |line: &str| machine.run(&format!("runuser -u app -- env -u XDG_RUNTIME_DIR {line}"));
    let unasked = as_app("bg-deploy -q -- fake-app");
    assert_eq!(unasked.code, Some(1), "there is no systemd of app's yet: {}", unasked.stderr);

    machine.ok("loginctl enable-linger app");
    until(SOON, "app's systemd runs", || {
        as_app("sh -c 'XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user is-system-running'").stdout.trim()
            == "running"
    });
    let deployed = as_app("bg-deploy -- fake-app --version-text first");
    assert_eq!(deployed.code, Some(0), "{}", deployed.stderr);
    assert!(deployed.stdout.contains(r#""unit":"user@1000.service/bg-web-set1.service""#), "{}", deployed.stdout);
    assert!(!deployed.stderr.contains("warning"), "{}", deployed.stderr);
    assert_eq!(machine.get("/version"), "first");

    // Whoever asks, it is the same process, also after a crash.
    let pid = || machine.ok("systemctl --user --machine=1000@.host show -P MainPID bg-web-set1");
    let before = pid();
    machine.ok(&format!("kill -KILL {before}"));
    until(SOON, "it is back", || machine.get("/version") == "first");
    let line = machine.ok("bg-probe --format table | grep ^set1");
    assert!(pid() != before && line.contains(&format!(" {} ", pid())), "{line}");

    let died = as_app("bg-deploy -- fake-app --crash-at-boot");
    assert_eq!(died.code, Some(8), "{}", died.stderr);
    assert!(died.stderr.contains("journalctl --user-unit bg-web-set2.service"), "{}", died.stderr);
    assert!(died.stderr.contains("Failed to configure a DataSource"), "{}", died.stderr);
    machine.ok("loginctl disable-linger app");
    assert!(as_app("bg-launch --slot set2 -- fake-app").stderr.contains("loginctl enable-linger app"));
}
