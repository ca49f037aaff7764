//! Fifty sites on one machine, each at an address of its own: the time of `together.yml` grows with their number at most.
//! That of ssh alone is measured beside it: which of the two grows more differs from run to run.

use std::time::{Duration, Instant};

use super::control::{Control, Played};
use super::lab::Lab;
use super::{artifact, turn, variables};
use bg_tests::{programs, tell};

const SITES: usize = 50;
const FEW: usize = 5;

/// By how much a ratio may be off that was measured once, on a machine with other work.
const NOISE: f64 = 1.25;

/// What `$1` sites need on the host: the settings, the folders, the files of nginx, and a first release of each.
const SITES_ON_THE_HOST: &str = r#"
useradd -m deploy
install -d /etc/bg
printf 'variables_hash_max_size 8192;\nserver_names_hash_max_size 4096;\n' >/etc/nginx/conf.d/many.conf
for n in $(seq "$1"); do
    ip addr add 10.99.1.$n/16 dev eth0
    install -d -o deploy -g deploy /var/lib/bg/s$n /var/lib/bg/s$n.incoming
    printf '%s\n' BG_APP=s$n BG_DIR=/var/lib/bg/s$n BG_FRONT=http://127.0.0.1/_bg/slot BG_FRONT_HOST=s$n.example.com \
        BG_SLOTS=set1=$((10000 + n)),set2=$((20000 + n)) BG_UPSTREAM_FILE=/etc/nginx/conf.d/s$n.inc >/etc/bg/s$n.env
    bg-switch --env-file /etc/bg/s$n.env --print-upstream >/etc/nginx/conf.d/s$n.inc
    bg-switch --env-file /etc/bg/s$n.env --print-site --server-name s$n.example.com >/etc/nginx/conf.d/s$n.conf
done
nginx -q
for n in $(seq "$1"); do
    setpriv --reuid deploy --regid deploy --init-groups env HOME=/home/deploy \
        bg-deploy -q --env-file /etc/bg/s$n.env -- fake-app --version-text 1.0 >/dev/null
done
"#;

#[test]
fn together_on_fifty_sites_takes_no_more_than_ten_times_as_long_as_on_five() {
    let Some(_turn) = turn() else { return };
    let lab = Lab::new(1);
    lab.ok("ip addr add 10.99.0.253/16 dev br0");
    let control = Control::new(&lab, &variables(&lab));
    for name in super::PROGRAMS {
        let bin = lab.path("h1/root/usr/local/bin");
        lab.ok(&format!("cp {} {}", lab.path("programs").join(name).display(), bin.display()));
    }
    lab.on(0, &format!("set -- {SITES}\n{SITES_ON_THE_HOST}"));
    let line = |n: usize| format!("s{n} ansible_host=10.99.1.{n} bg_app=s{n}\n");
    control.list(&(1..=SITES).map(line).collect::<String>());

    let together = |sites: usize, version: &str| {
        let limit = (1..=sites).map(|n| format!("s{n}")).collect::<Vec<_>>().join(",");
        let begun = Instant::now();
        let played = control.play("together", &["--limit", &limit, "-e", &artifact(&lab, version)]).succeeded();
        (begun.elapsed(), played)
    };
    let all_changed = |played: &Played| played.recap("changed").iter().all(|changed| *changed > 0);
    // The first one compiles Ansible's modules on the host and makes the connections.
    together(SITES, "1.1");
    let (few, _) = together(FEW, "1.2");
    let (many, played) = together(SITES, "1.3");
    assert!(all_changed(&played), "{}", played.said);
    let at: Vec<f64> = lab.on(0, "stat -c %.9Z /var/lib/bg/s*/live").lines().map(|at| at.parse().unwrap()).collect();
    let between = at.iter().copied().fold(0.0, f64::max) - at.iter().copied().fold(f64::MAX, f64::min);

    let (few_by_ssh, many_by_ssh) = (ssh(&lab, FEW), ssh(&lab, SITES));
    let (grows, ssh_grows) = (ratio(few, many), ratio(few_by_ssh, many_by_ssh));
    tell(&format!(
        "hosts: together on {FEW} sites of one machine {few:.1?}, on {SITES} {many:.1?}: {grows:.1} times; as many calls by \
         ssh alone {few_by_ssh:.1?} and {many_by_ssh:.1?}: {ssh_grows:.1} times; {between:.2} s between the first and the \
         last switch of {SITES}"
    ));
    assert!(grows <= ratio_of_sites() * NOISE, "{grows} and {ssh_grows}");
}

/// How many times as many sites there are.
fn ratio_of_sites() -> f64 {
    f64::from(u16::try_from(SITES / FEW).expect("ten"))
}

fn ratio(few: Duration, many: Duration) -> f64 {
    many.as_secs_f64() / few.as_secs_f64()
}

/// How long it takes to call so many hosts side by side by ssh, ten times one after the other.
#[track_caller]
fn ssh(lab: &Lab, hosts: usize) -> Duration {
    let (ssh, of) = (programs::of_the_system("ssh"), lab.path(""));
    let (ssh, of) = (ssh.display(), of.display());
    let begun = Instant::now();
    lab.ok(&format!(
        "for time in $(seq 10); do
             for n in $(seq {hosts}); do
                 {ssh} -F none -i {of}/key -o UserKnownHostsFile={of}/known_hosts -o BatchMode=yes deploy@10.99.1.$n true </dev/null &
             done
             wait
         done"
    ));
    begun.elapsed()
}
