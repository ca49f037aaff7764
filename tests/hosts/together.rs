//! `together.yml`: all hosts at once, and what becomes of them where one of them fails.

use super::control::{Control, Playing};
use super::lab::{Lab, SOON};
use super::{artifact, set_up, turn, variables};
use bg_tests::{tell, until};

/// The host on which things go wrong.
const ILL: usize = 3;

const PROBE: &str = "setpriv --reuid deploy --regid deploy --init-groups bg-probe --env-file /etc/bg/web.env";

/// A hook that waits as long as there is `/etc/hold-hook`, and says that it does.
const WAITING_HOOK: &str = r#"
touch /etc/hold-hook
cat >>/etc/bg/web.env <<'END'
BG_DEPLOY_BEFORE_SWITCH='sh -c "touch /var/tmp/in; while test -e /etc/hold-hook; do sleep 0.05; done"'
END"#;

/// Five hosts, and who controls them.
struct Fleet<'a> {
    lab: &'a Lab,
    control: Control<'a>,
}

/// In one test, for a fleet takes a minute to set up.
#[test]
fn together_moves_five_hosts_at_once_and_where_one_fails_each_is_whole_and_the_next_run_repairs_it() {
    let Some(_turn) = turn() else { return };
    let lab = Lab::new(5);
    let fleet = Fleet { lab: &lab, control: Control::new(&lab, &variables(&lab)) };
    set_up(&fleet.control);
    fleet.first_deploy();
    lab.balance();
    fleet.moves_at_once();
    fleet.one_cannot_start();
    fleet.one_is_killed();
    fleet.one_is_cut_off();
    fleet.goes_back();
}

impl Fleet<'_> {
    fn together(&self, version: &str) -> Playing {
        self.control.start("together", &["-e", &artifact(self.lab, version)])
    }

    /// Does a part under load, and says how many requests there were; none may have failed.
    #[track_caller]
    fn under_load(&self, what: &str, part: impl FnOnce() -> String) {
        let visitors = self.lab.visitors();
        let more = part();
        let (sent, failed, said) = visitors.counted();
        tell(&format!("hosts: {what}: {sent} requests, {failed} failed{more}"));
        assert_eq!(failed, 0, "{what}: {said}");
    }

    /// Before a first deploy nobody is served, and nginx leads to the first slot.
    fn first_deploy(&self) {
        self.lab.on(ILL, "touch /etc/broken");
        let played = self.together("1.0").end().failed();
        assert!(played.said.contains("HOST ") && played.recap("failed")[ILL] == 1, "{}", played.said);
        self.lab.on(ILL, "rm /etc/broken");
        self.together("1.0").end().succeeded();
        assert_eq!(self.lab.versions(), ["1.0"; 5]);
    }

    fn moves_at_once(&self) {
        self.under_load("together on 5 hosts", || {
            self.together("1.1").end().succeeded();
            assert_eq!(self.lab.versions(), ["1.1"; 5]);
            let mut at = self.lab.switched_at();
            at.sort_by(f64::total_cmp);
            let between = at[at.len() - 1] - at[0];
            assert!(between <= 1.0, "{at:?}");
            format!(", {between:.2} s between the first and the last switch")
        });
    }

    /// The release is abandoned on all.
    fn one_cannot_start(&self) {
        self.under_load("a host can't start the release", || {
            self.lab.on(ILL, "touch /etc/broken");
            let played = self.together("1.2").end().failed();
            assert_eq!(self.lab.versions(), ["1.1"; 5], "{}", played.said);
            assert_eq!(played.recap("failed"), [0, 0, 0, 1, 0], "{}", played.said);
            self.are_whole();
            self.lab.on(ILL, "rm /etc/broken");
            self.together("1.2").end().succeeded();
            assert_eq!(self.lab.versions(), ["1.2"; 5]);
            String::new()
        });
    }

    /// What was prepared ends on one host, while another is still at it: that one stays where it is.
    fn one_is_killed(&self) {
        self.under_load("what is prepared is killed on a host", || {
            self.lab.on(0, "touch /etc/hold");
            let playing = self.together("1.3");
            let is_prepared = || self.lab.try_on(ILL, &format!("{PROBE} --format table | grep prepared"));
            until(SOON, "the release is prepared", || is_prepared().status.success());
            let pid = "grep -o '\"pid\":[0-9]*' /var/lib/bg/web/prepared.json | cut -d: -f2 | head -1";
            self.lab.on(ILL, &format!("kill -KILL $({pid})"));
            self.lab.on(0, "rm /etc/hold");
            let played = playing.end().failed();
            assert_eq!(self.lab.versions(), ["1.3", "1.3", "1.3", "1.2", "1.3"], "{}", played.said);
            assert_eq!(played.recap("failed"), [0, 0, 0, 1, 0], "{}", played.said);
            self.are_whole();
            let played = self.together("1.3").end().succeeded();
            assert_eq!(self.lab.versions(), ["1.3"; 5], "{}", played.said);
            String::new()
        });
    }

    /// Its finish goes on to its end all the same.
    fn one_is_cut_off(&self) {
        self.lab.on(ILL, WAITING_HOOK);
        self.under_load("a host loses its network in the middle", || {
            let playing = self.together("1.4");
            until(SOON, "the finish is in its middle", || self.lab.try_on(ILL, "test -e /var/tmp/in").status.success());
            self.lab.plug(ILL, false);
            self.lab.on(ILL, "rm /etc/hold-hook");
            let played = playing.end().failed();
            assert_eq!(self.lab.versions(), ["1.4", "1.4", "1.4", "nothing", "1.4"], "{}", played.said);
            assert!(played.said.contains("h4                   unreachable"), "{}", played.said);
            self.lab.plug(ILL, true);
            until(SOON, "the host is back, with what it was moved to", || self.lab.versions() == ["1.4"; 5]);
            self.are_whole();
            let played = self.together("1.4").end().succeeded();
            assert_eq!(self.lab.versions(), ["1.4"; 5], "{}", played.said);
            assert_eq!(played.recap("changed"), [0; 5], "{}", played.said);
            String::new()
        });
    }

    /// All go back from this release, and a second time there is nothing to go back from.
    fn goes_back(&self) {
        let from = artifact(self.lab, "1.4");
        self.under_load("rollback on 5 hosts", || {
            let played = self.control.play("rollback", &["-e", &from]).succeeded();
            assert_eq!(self.lab.versions(), ["1.3"; 5], "{}", played.said);
            String::new()
        });
        let played = self.control.play("rollback", &["-e", &from]).succeeded();
        assert_eq!(played.recap("changed"), [0; 5], "{}", played.said);
    }

    /// No host is half-way: nginx's files are whole, the live slot can be told, and nobody holds the lock.
    #[track_caller]
    fn are_whole(&self) {
        let lines =
            format!("nginx -t -q\n{PROBE} -q --slot live >/dev/null\nflock --nonblock /var/lib/bg/web/lock true");
        for host in 0..self.lab.hosts.len() {
            self.lab.on(host, &lines);
        }
    }
}
