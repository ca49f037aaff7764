//! The Debian package: made by one command, installed in a clean Debian, and used there as its manual and its
//! examples say.
//!
//! That takes root, cargo-deb and minutes, so only a full run (`BG_TEST_FULL=1`) does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bg_tests::{World, debian, is_full, programs, tell};

const MAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/package");

const PROGRAMS: [&str; 5] = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"];

/// What an administrator types there, as the README says it. The ports are free ones of the machine.
const SESSION: &str = r#"
dpkg --install /root/bg.deb
examples=/usr/share/doc/bg/examples
(set -a; . $examples/web.env; bg-launch --print-unit --user web) | diff - $examples/bg-web.service
mkdir -p /etc/bg /var/lib/bg/web
sed -e "s/8081/$FIRST/; s/8082/$SECOND/; s,127.0.0.1/,127.0.0.1:$FRONT/," $examples/web.env >/etc/bg/web.env
set -a; . /etc/bg/web.env; set +a
bg-switch --print-upstream >/etc/nginx/conf.d/service-url.inc
bg-switch --print-site --listen 127.0.0.1:$FRONT --server-name www.example.com >/etc/nginx/conf.d/web.conf
rm -f /etc/nginx/sites-enabled/default
nginx -t
nginx
bg-deploy --check -- /root/fake-app
for version in 1.0 1.1; do
    bg-deploy --env-file /etc/bg/web.env /root/fake-app -- '{artifact}' --version-text $version
    echo "serves $(curl -s -H 'Host: www.example.com' http://127.0.0.1:$FRONT/version)"
done
bg-deploy --env-file /etc/bg/web.env --rollback
echo "serves $(curl -s -H 'Host: www.example.com' http://127.0.0.1:$FRONT/version)"
dpkg --remove bg
test ! -e /usr/bin/bg-deploy
echo "serves $(curl -s -H 'Host: www.example.com' http://127.0.0.1:$FRONT/version)"
"#;

#[test]
fn the_package_installs_and_deploys_in_a_clean_debian() {
    if !is_full() {
        return tell("package: not run; tests/run --full runs it");
    }
    let world = World::new();
    let root = world.path("root");
    debian::install(&root);
    let package = make(world.folder());
    fs::copy(package, root.join("root/bg.deb")).expect("a root of ours");
    fs::copy(programs::ours("fake-app"), root.join("root/fake-app")).expect("a root of ours");

    let mut session = Command::new(programs::of_the_system("unshare"));
    // All that is started in there, nginx too, ends with the session.
    session.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]).arg("--root").arg(&root);
    session.args(["/bin/sh", "-eux", "-c", SESSION]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    session.env("FIRST", world.port("set1").to_string()).env("SECOND", world.port("set2").to_string());
    session.env("FRONT", world.free_port().to_string());
    let said = succeeded(&session.output().expect("unshare, which was found"));
    let serves: Vec<&str> = said.lines().filter(|line| line.starts_with("serves ")).collect();
    assert_eq!(serves, ["serves 1.0", "serves 1.1", "serves 1.0", "serves 1.0"], "{said}");
}

/// Makes the package and looks into it; its path.
fn make(folder: &Path) -> PathBuf {
    let made = succeeded(&Command::new(MAKE).arg(folder.join("made")).output().expect("tests/package"));
    let package = PathBuf::from(made.lines().last().expect("the package's path"));
    let unpacked = folder.join("unpacked");
    let unpack = Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&unpacked).output();
    succeeded(&unpack.expect("dpkg-deb"));
    for program in PROGRAMS {
        let mut man = Command::new(programs::of_the_system("man"));
        man.arg("--warnings").arg("--manpath").arg(unpacked.join("usr/share/man")).arg(program);
        let page = man.env("LC_ALL", "C").env("MANPAGER", "cat").output().expect("man, which was found");
        assert_eq!(String::from_utf8_lossy(&page.stderr), "", "man {program}");
        let page = succeeded(&page);
        for part in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "BG_APP environment variable", "EXAMPLES", "EXIT STATUS", "SEE ALSO"]
        {
            assert!(page.contains(part), "no {part} in the page of {program}:\n{page}");
        }
        let completions = unpacked.join("usr/share/bash-completion/completions").join(program);
        succeeded(&Command::new("bash").arg("-n").arg(completions).output().expect("bash"));
        let shipped = Command::new(unpacked.join("usr/bin").join(program)).args(["--manual", "man"]).output();
        assert_eq!(shipped.expect("a program").status.code(), Some(2), "{program} is not the one for users");
    }
    let notes = unpacked.join("usr/share/doc/bg");
    for file in [
        "copyright",
        "README.md",
        "bg-probe/README.md",
        "bg-launch/README.md",
        "bg-launch/APPLICATION.md",
        "bg-health/README.md",
        "bg-switch/README.md",
        "bg-deploy/README.md",
        "bg-deploy/README.ko.md",
        "tests/README.md",
        "tests/deploy.svg",
        "changelog.Debian.gz",
        "examples/web.env",
        "examples/crontab",
        "examples/codedeploy/appspec.yml",
    ] {
        assert!(notes.join(file).is_file(), "no {file}");
    }
    package
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
    said.into_owned()
}
