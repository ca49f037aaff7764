//! Whether the kernel gives the slots' ports to outgoing connections.

use bg_probe::cli::preflight::Finding;
use bg_probe::os::port::{GivenAway, given_away};
use bg_probe::site::settings::Site;

/// What may happen then, and the line that keeps it from happening; `None` where the ports are nobody else's.
pub(crate) fn finding(site: &Site) -> Option<Finding> {
    let GivenAway { ports, range: (first, last), to_reserve } =
        given_away(&site.slots.both().each_ref().map(|s| s.port))?;
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let detail = format!(
        "the kernel gives {} to outgoing connections too ({first} to {last}): one may have the port when the release needs it",
        ports.join(" and ")
    );
    let file = format!("/etc/sysctl.d/60-bg-{}.conf", site.app);
    let line =
        format!("echo 'net.ipv4.ip_local_reserved_ports = {to_reserve}' | sudo tee {file} && sudo sysctl -p {file}");
    Some(Finding::warn("ports", detail, format!("keep them for the release: {line}; or choose --slots below {first}")))
}
