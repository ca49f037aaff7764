//! `together.yml`: all hosts at once, and what becomes of them where one of them fails.

use super::control::Control;
use super::lab::{Lab, SOON};
use super::{artifact, set_up, turn, variables};
use bg_tests::{tell, until};

/// The host on which things go wrong.
const ILL: usize = 3;

const PROBE: &str = "setpriv --reuid deploy --regid deploy --init-groups bg-probe --env-file /etc/bg/web.env";

#[test]
fn together_moves_five_hosts_at_once_and_where_one_fails_each_is_whole_and_the_next_run_repairs_it() {
    let Some(_turn) = turn() else { return };
    let lab = Lab::new(5);
    let control = Control::new(&lab, &variables(&lab));
    set_up(&control);
    let play = |version: &str| control.start("together", &["-e", &artifact(&lab, version)]);

    // Before a first deploy nobody is served, and nginx leads to the first slot.
    lab.on(ILL, "touch /etc/broken");
    let played = play("1.0").end().failed();
    assert!(played.said.contains("HOST ") && played.recap("failed")[ILL] == 1, "{}", played.said);
    lab.on(ILL, "rm /etc/broken");
    play("1.0").end().succeeded();
    assert_eq!(lab.versions(), ["1.0"; 5]);
    lab.balance();

    let visitors = lab.visitors();
    play("1.1").end().succeeded();
    assert_eq!(lab.versions(), ["1.1"; 5]);
    let (sent, failed, said) = visitors.counted();
    let mut at = lab.switched_at();
    at.sort_by(f64::total_cmp);
    let between = at[at.len() - 1] - at[0];
    tell(&format!(
        "hosts: together on 5 hosts: {sent} requests, {failed} failed; {between:.2} s between the first and the last switch"
    ));
    assert_eq!(failed, 0, "{said}");
    assert!(between <= 1.0, "{at:?}");

    // One can't start the release: it is abandoned on all.
    lab.on(ILL, "touch /etc/broken");
    let visitors = lab.visitors();
    let played = play("1.2").end().failed();
    assert_eq!(lab.versions(), ["1.1"; 5], "{}", played.said);
    assert_eq!(played.recap("failed"), [0, 0, 0, 1, 0], "{}", played.said);
    whole(&lab);
    lab.on(ILL, "rm /etc/broken");
    play("1.2").end().succeeded();
    assert_eq!(lab.versions(), ["1.2"; 5]);
    told("a host can't start the release", visitors.counted(), Some(0));

    // What was prepared is killed on one, while another is still at it: that one stays where it is.
    lab.on(0, "touch /etc/hold");
    let visitors = lab.visitors();
    let playing = play("1.3");
    until(SOON, "the release is prepared", || is_prepared(&lab, ILL));
    lab.on(ILL, "kill -KILL $(grep -o '\"pid\":[0-9]*' /var/lib/bg/web/prepared.json | cut -d: -f2 | head -1)");
    lab.on(0, "rm /etc/hold");
    let played = playing.end().failed();
    assert_eq!(lab.versions(), ["1.3", "1.3", "1.3", "1.2", "1.3"], "{}", played.said);
    assert_eq!(played.recap("failed"), [0, 0, 0, 1, 0], "{}", played.said);
    whole(&lab);
    let played = play("1.3").end().succeeded();
    assert_eq!(lab.versions(), ["1.3"; 5], "{}", played.said);
    told("what is prepared is killed on a host", visitors.counted(), Some(0));

    // One loses its network in the middle of its finish, which goes on to its end all the same.
    let hook = "sh -c \"touch /var/tmp/in; while test -e /etc/hold-hook; do sleep 0.05; done\"";
    lab.on(
        ILL,
        &format!(
            "touch /etc/hold-hook; echo \"BG_DEPLOY_BEFORE_SWITCH='{}'\" >>/etc/bg/web.env",
            hook.replace('"', "\\\"")
        ),
    );
    let visitors = lab.visitors();
    let playing = play("1.4");
    until(SOON, "the finish is in its middle", || lab.try_on(ILL, "test -e /var/tmp/in").status.success());
    lab.plug(ILL, false);
    lab.on(ILL, "rm /etc/hold-hook");
    let played = playing.end().failed();
    assert_eq!(lab.versions(), ["1.4", "1.4", "1.4", "nothing", "1.4"], "{}", played.said);
    assert!(played.said.contains("h4                   unreachable"), "{}", played.said);
    lab.plug(ILL, true);
    until(SOON, "the host is back, with what it was moved to", || lab.versions() == ["1.4"; 5]);
    whole(&lab);
    let played = play("1.4").end().succeeded();
    assert_eq!(lab.versions(), ["1.4"; 5], "{}", played.said);
    told("a host loses its network in the middle", visitors.counted(), None);

    // And back, on all.
    let visitors = lab.visitors();
    let played = control.play("rollback", &["-e", &artifact(&lab, "1.4")]).succeeded();
    assert_eq!(lab.versions(), ["1.3"; 5], "{}", played.said);
    told("rollback on 5 hosts", visitors.counted(), Some(0));
    let played = control.play("rollback", &["-e", &artifact(&lab, "1.4")]).succeeded();
    assert_eq!(played.recap("changed"), [0; 5], "{}", played.said);
}

fn is_prepared(lab: &Lab, host: usize) -> bool {
    lab.try_on(host, &format!("{PROBE} --format table | grep -q prepared")).status.success()
}

/// Says how many visitors there were; where none may have failed, none has.
#[track_caller]
fn told(when: &str, (sent, failed, said): (u64, u64, String), at_most: Option<u64>) {
    tell(&format!("hosts: {when}: {sent} requests, {failed} failed"));
    assert!(at_most.is_none_or(|most| failed <= most), "{when}: {said}");
}

/// No host is half-way: nginx's configuration is whole, the live slot can be told, and nobody holds the lock.
#[track_caller]
fn whole(lab: &Lab) {
    for host in 0..lab.hosts.len() {
        lab.on(
            host,
            &format!("nginx -t -q; {PROBE} -q --slot live >/dev/null; flock --nonblock /var/lib/bg/web/lock true"),
        );
    }
}
