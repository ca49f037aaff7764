//! The role: a check of it, a first run, a second one, and a setting that is changed.

use super::control::Control;
use super::lab::{Lab, SOON};
use super::{set_up, turn, variables};
use bg_tests::until;

#[test]
fn the_role_sets_a_fresh_host_up_once_and_a_check_tells_what_it_would_do() {
    let Some(_turn) = turn() else { return };
    let lab = Lab::new(1);
    let control = Control::new(&lab, &variables(&lab));
    let play = |words: &[&str]| control.play("setup", &[&["-e", "ansible_user=root"], words].concat()).succeeded();

    let check = play(&["--check", "--diff"]);
    assert!(check.recap("changed")[0] >= 4, "{}", check.said);
    lab.on(0, "! test -e /etc/bg; ! test -e /usr/local/bin/bg-deploy; ! id deploy 2>/dev/null");

    lab.on(0, "sed -i 's,error_log .*,error_log /var/log/nginx/error.log notice;,' /etc/nginx/nginx.conf");
    set_up(&control);
    lab.on(
        0,
        "nginx -t -q; grep -q ready /etc/nginx/conf.d/web.conf; test $(stat -c %a%U%G /etc/bg/web.env) = 640rootdeploy",
    );
    assert_eq!(play(&[]).recap("changed"), [0]);

    // The site is told of by its lines, and nginx reads it once.
    let other = ["-e", r#"{"bg_site_flags": ["--ready-from", "10.99.0.0/24", "--listen", "8080"]}"#];
    let check = play(&[&other[..], &["--check", "--diff"]].concat());
    assert!(check.said.contains("+    listen 8080;") && check.recap("changed") == [2], "{}", check.said);
    let reloads = || lab.on(0, "grep -c 'signal 1 (SIGHUP)' /var/log/nginx/error.log || true").parse::<u32>();
    let before = reloads().expect("a number");
    assert_eq!(play(&other).recap("changed"), [2]);
    until(SOON, "nginx has read it", || reloads().is_ok_and(|now| now > before));
    assert_eq!(reloads(), Ok(before + 1));
}
