//! `rolling.yml`: one host after the other.

use super::control::Control;
use super::lab::Lab;
use super::{artifact, set_up, turn, variables};
use bg_tests::tell;

#[test]
fn rolling_over_three_hosts_fails_no_request_and_a_second_run_changes_nothing() {
    let Some(_turn) = turn() else { return };
    let lab = Lab::new(3);
    let control = Control::new(&lab, &variables(&lab));
    set_up(&control);
    let second = set_up(&control);
    assert_eq!(second.recap("changed"), [0, 0, 0], "{}", second.said);
    let play = |version: &str| control.play("rolling", &["-e", &artifact(&lab, version)]).succeeded();
    play("1.0");
    lab.balance();
    let visitors = lab.visitors();
    play("1.1");
    assert_eq!(lab.versions(), ["1.1"; 3]);
    let again = play("1.1");
    let (sent, failed, said) = visitors.counted();
    tell(&format!("hosts: rolling over 3 hosts: {sent} requests, {failed} failed"));
    assert_eq!(failed, 0, "{said}");
    assert!(sent > 100, "{said}");
    assert_eq!(again.recap("changed"), [0, 0, 0], "{}", again.said);

    // A check says what a deploy would change, and changes nothing.
    let check =
        |version: &str| control.play("rolling", &["--check", "--diff", "-e", &artifact(&lab, version)]).succeeded();
    let same = check("1.1");
    assert_eq!(same.recap("changed"), [0, 0, 0], "{}", same.said);
    let other = check("1.2");
    assert!(other.recap("changed").iter().all(|changed| *changed > 0), "{}", other.said);
    assert!(other.said.contains("-  \"sha256\": \""), "{}", other.said);
    assert_eq!(lab.versions(), ["1.1"; 3]);

    // The second of three can't start the release: the third is not touched, and the first is taken back if that is wanted.
    lab.on(1, "touch /etc/broken");
    let stopped = control.play("rolling", &["-e", &artifact(&lab, "1.2")]).failed();
    assert_eq!(lab.versions(), ["1.2", "1.1", "1.1"], "{}", stopped.said);
    let words = ["-e", &artifact(&lab, "1.3"), "-e", "bg_take_back=true"];
    let taken_back = control.play("rolling", &words).failed();
    assert_eq!(lab.versions(), ["1.2", "1.1", "1.1"], "{}", taken_back.said);
    lab.on(1, "rm /etc/broken");
    let status = control.play("status", &[]).succeeded();
    assert_eq!(status.said.matches("   set").count(), 3, "{}", status.said);
    play("1.3");
    assert_eq!(lab.versions(), ["1.3"; 3]);
}
