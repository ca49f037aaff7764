//! What may surprise somebody later, and can still be prevented when a release is started.

use crate::memory::Room;
use crate::start::agent;
use crate::start::mode::Via;
use crate::start::plan::Plan;
use bg_probe::site::unit::Unit;
use nix::unistd::{User, geteuid};
use std::path::Path;

/// The risks of a start, each as a warning.
pub(crate) fn risks(plan: &Plan) -> Vec<String> {
    let root = "the application runs as root; with --user NAME it runs as another user";
    let root = plan.mode.is_root_by_default().then(|| root.to_owned());
    let end = match plan.mode.via {
        Via::Systemd => logout(plan),
        Via::Session => agent::warning(plan.site, plan.mode.via).map(|(what, remedy)| format!("{what}: {remedy}")),
    };
    // The slot is empty by now.
    let memory = plan.beside().and_then(|live| Room::beside(plan.site, live)?.warning(live));
    root.into_iter().chain(end).chain(memory).collect()
}

/// What of a user's own systemd surprises people: it ends with the user's last session.
fn logout(plan: &Plan) -> Option<String> {
    if !Unit::of(&plan.site.app, &plan.slot.name).is_a_users() {
        return None;
    }
    let name = User::from_uid(geteuid()).ok()??.name;
    let lingers = Path::new("/var/lib/systemd/linger").join(&name).exists();
    (!lingers).then(|| format!("it ends when {name} logs out, unless: loginctl enable-linger {name}"))
}
