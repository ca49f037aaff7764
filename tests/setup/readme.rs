//! From a fresh Debian with nginx to the first release that is served, by the commands of README as they stand there.

use std::fs;
use std::process::Command;

use bg_tests::{World, debian, is_full, pages, programs, tell};

/// The machine: nginx runs with the distribution's own site, and a user will deploy who is not root. What is typed is in
/// `/root/setup`, by sudo, and `/root/deploy`. The network is its own, so the ports are those that README has.
const SESSION: &str = r#"
ip link set lo up
useradd --create-home deploy
nginx
curl -s http://127.0.0.1/ | grep -q 'Welcome to nginx'
now() { date +%s%N; }
began=$(now)
SUDO_USER=deploy sh -eu /root/setup
set_up=$(now)
setpriv --reuid deploy --regid deploy --init-groups env HOME=/home/deploy sh -eu /root/deploy
echo "took $(( (set_up - began) / 1000000 )) ms to set up, $(( ($(now) - set_up) / 1000000 )) ms to deploy"
for host in www.example.com ''; do echo "serves $(curl -s ${host:+-H "Host: $host"} http://127.0.0.1/version | head -c 20)"; done
ls -ld /var/lib/bg/web /etc/bg/web.env | awk '{ print "has", $1, $3, $4 }'
"#;

fn session(setup: &str, deploy: &str) -> String {
    let world = World::new();
    let root = world.path("root");
    debian::install(&root);
    for program in pages::PROGRAMS.iter().copied().chain(["fake-app"]) {
        fs::copy(programs::ours(program), root.join("usr/local/bin").join(program)).expect("room for a program");
    }
    fs::write(root.join("root/setup"), setup).expect("a root of ours");
    fs::write(root.join("root/deploy"), deploy).expect("a root of ours");
    fs::set_permissions(root.join("root"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a root of ours");
    let mut session = Command::new(programs::of_the_system("unshare"));
    session.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--root"]).arg(&root);
    session.args(["/bin/bash", "-eux", "-c", SESSION]).env_clear();
    session.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let output = session.output().expect("unshare, which was found");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}\n{}{}", output.status, said[0], said[1]);
    said[0].clone()
}

#[test]
fn a_fresh_debian_serves_its_first_release_after_the_commands_of_the_readme() {
    if !is_full() {
        return tell("setup: README on a fresh Debian not run; tests/run --full runs it");
    }
    let readme = pages::readme();
    let part = pages::part(&readme, "## Set up nginx");
    let blocks = pages::blocks(part, "sh");
    let lines: Vec<&str> = blocks[0].lines().collect();
    let [setup, deploy] = lines.as_slice() else { panic!("two commands: {lines:?}") };
    // There is no sudo in that machine, and no java.
    let by_root = |line: &str| line.strip_prefix("sudo ").expect("a command by sudo").to_owned();
    let deploy = deploy.replace("app-1.0.jar", "-- fake-app --version-text 1.0");
    let named = session(&by_root(setup), &deploy);
    tell(&format!("setup: {}", named.lines().find(|line| line.starts_with("took ")).expect("a time")));
    let what =
        |said: &str, of: &str| said.lines().filter(|line| line.starts_with(of)).map(str::to_owned).collect::<Vec<_>>();
    // Who asks for no name gets the distribution's own site, as before.
    let serves = what(&named, "serves ");
    assert!(serves[0] == "serves 1.0" && serves[1].starts_with("serves <html>"), "{named}");
    assert_eq!(what(&named, "has "), ["has -rw-r----- root deploy", "has drwxr-xr-x deploy deploy"]);

    // Without a domain.
    let page = pages::of("bg-switch");
    let blocks = pages::blocks(pages::part(&page, "### No domain"), "sh");
    let nameless: Vec<String> = blocks[0].lines().map(by_root).collect();
    let said = session(&nameless.join("\n"), &deploy);
    assert_eq!(what(&said, "serves "), ["serves 1.0", "serves 1.0"], "{said}");

    // The same by hand.
    let blocks = pages::blocks(pages::part(&page, "### The same by hand"), "sh");
    // Whoever types it takes longer than nginx needs to read it.
    let read = "until curl -sf -H 'Host: www.example.com' http://127.0.0.1/_bg/slot; do sleep 0.05; done";
    let said = session(&format!("sudo() {{ \"$@\"; }}\nUSER=deploy\n{}{read}", blocks[0]), &deploy);
    assert_eq!(what(&said, "serves ")[0], "serves 1.0", "{said}");
}
