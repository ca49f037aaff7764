//! A host is taken out of the balancer, loses its power, boots, and is brought back.

use super::control::Control;
use super::lab::{Lab, SOON};
use super::{artifact, set_up, turn, variables};
use bg_tests::{tell, until};

const SWITCH: &str = "setpriv --reuid deploy --regid deploy --init-groups bg-switch --env-file /etc/bg/web.env";

#[test]
fn a_host_that_is_drained_rebooted_and_brought_back_fails_no_request() {
    let Some(_turn) = turn() else { return };
    let mut lab = Lab::new(2);
    let control = Control::new(&lab, &variables(&lab));
    set_up(&control);
    for version in ["1.0", "1.1"] {
        control.play("together", &["-e", &artifact(&lab, version)]).succeeded();
    }
    lab.balance();
    let visitors = lab.visitors();
    lab.on(0, &format!("{SWITCH} --drain on --drain-idle 2s"));
    let status = control.play("status", &[]).succeeded();
    assert_eq!(status.said.matches(" drained").count(), 1, "{}", status.said);
    lab.end(0);
    lab.boot(0);
    until(SOON, "the release that was live is live again", || lab.versions() == ["1.1", "1.1"]);
    lab.on(0, &format!("{SWITCH} --drain off"));
    // The other one is taken out then, so whatever is answered comes from this one.
    lab.is_balanced(0);
    lab.on(1, &format!("{SWITCH} --drain on --drain-idle 2s"));
    lab.end(1);
    lab.boot(1);
    until(SOON, "the release that was live is live again", || lab.versions() == ["1.1", "1.1"]);
    lab.on(1, &format!("{SWITCH} --drain off"));
    let (sent, failed, said) = visitors.counted();
    tell(&format!("hosts: two hosts drained, rebooted and back: {sent} requests, {failed} failed"));
    assert_eq!(failed, 0, "{said}");
    assert!(sent > 500, "{said}");
}
