//! Slots on ports that the kernel gives to outgoing connections.

use bg_tests::{Ran, Run, World, programs};

/// Runs a line where there is no network but its own, in which every outgoing connection is given set2's port.
#[track_caller]
fn alone(world: &World, line: &str) -> Ran {
    let port = world.port("set2");
    let line = format!(
        "ip link set lo up; sysctl -qw net.ipv4.tcp_max_tw_buckets=0 net.ipv4.ip_local_port_range='{port} {port}'; {line}"
    );
    let mut unshare = world.command(&programs::of_the_system("unshare"));
    unshare.args(["--net", "sh", "-c", &line]).ran()
}

#[test]
fn a_connection_to_itself_is_no_listener_and_no_answer() {
    let world = World::new();
    let asked = alone(&world, "for i in 1 2 3 4 5; do bg-health --slot set2 --once; done; bg-probe --check --front -");
    let said = asked.stderr();
    assert_eq!(said.matches("bg-health: set2 is not healthy: connection refused").count(), 5, "{said}");
    let checked = alone(&world, "bg-probe --check --front - 2>&1");
    checked.printed(format!("set2 on {}: nothing listens", world.port("set2")));
}

#[test]
fn check_warns_of_ports_that_outgoing_connections_are_given_and_its_line_reserves_them() {
    let world = World::new();
    let port = world.port("set2");
    let checked = alone(&world, "bg-launch --check --front - -- sleep 1 2>&1");
    let said = checked.stdout();
    assert!(
        said.contains(&format!("the kernel gives {port} to outgoing connections too ({port} to {port})")),
        "{said}"
    );
    let advice = said.lines().find_map(|line| Some(line.split_once("echo 'net.ipv4")?.1)).expect("a line to copy");
    let (advice, _) = advice.split_once(';').expect("another way, too");
    // In the test's own folder, without sudo.
    let conf = world.path("60-bg-web.conf").display().to_string();
    let advice =
        format!("echo 'net.ipv4{}", advice.replace("sudo ", "").replace("/etc/sysctl.d/60-bg-web.conf", &conf));
    let again = alone(&world, &format!("{advice} >&2; bg-launch --check --front - -- sleep 1 2>&1"));
    again.said(format!("ip_local_reserved_ports = {port}")).never_printed("the kernel gives");
}
