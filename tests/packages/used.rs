//! Each kind of package on a system of its kind: installed, used for deploys behind nginx, upgraded and removed, while
//! what runs goes on running.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bg_tests::{Run as _, World, debian, is_full, programs, tell};

use super::{made, package, script};

/// What an administrator types there, as the README says it, between a few words that each kind has for itself. The ports
/// are free ones of this machine.
const SESSION: &str = r#"
serves() {
    exec 3<>"/dev/tcp/127.0.0.1/$FRONT"
    printf 'GET /version HTTP/1.0\r\nHost: www.example.com\r\n\r\n' >&3
    echo "serves $(tail -n 1 <&3)"
}
put_in
(set -a; . $examples/web.env; bg-launch --print-unit --user web) |
    sed "s,$programs/,/usr/bin/," | diff - $examples/bg-web.service
mkdir -p /etc/bg /var/lib/bg/web
sed -e "s/8081/$FIRST/; s/8082/$SECOND/; s,127.0.0.1/,127.0.0.1:$FRONT/," $examples/web.env >/etc/bg/web.env
set -a; . /etc/bg/web.env; set +a
bg-switch --print-upstream >/etc/nginx/conf.d/service-url.inc
bg-switch --print-site --listen 127.0.0.1:$FRONT --server-name www.example.com >/etc/nginx/conf.d/web.conf
nginx -t
nginx
bg-deploy --check -- /root/fake-app
for version in 1.0 1.1; do
    bg-deploy --env-file /etc/bg/web.env /root/fake-app -- '{artifact}' --version-text $version
    serves
done
upgrade
serves
bg-deploy --env-file /etc/bg/web.env --rollback
serves
take_out
test ! -e $programs/bg-deploy
test ! -e ${examples%/examples}
serves
"#;

/// The .deb on a Debian as it is installed.
const DEB: &str = r"
programs=/usr/bin examples=/usr/share/doc/bg/examples
rm -f /etc/nginx/sites-enabled/default
put_in() { dpkg --install /root/bg_*-1_*.deb; }
upgrade() { dpkg --install /root/bg_*-2_*.deb; }
take_out() { dpkg --remove bg; }
";

/// The .rpm by dnf and rpm, beside an nginx that is set up as that of RHEL and Amazon Linux: sites in conf.d alone, workers
/// that run as nginx, and a default server in nginx.conf. In place of the glibc that these have, a package without files.
const RPM: &str = r"
programs=/usr/bin examples=/usr/share/doc/bg/examples
rm -r /etc/nginx/sites-enabled /etc/nginx/sites-available
useradd --system --shell /sbin/nologin nginx
cat >/etc/nginx/nginx.conf <<END
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    types_hash_max_size 4096;
    include /etc/nginx/mime.types;
    include /etc/nginx/conf.d/*.conf;
    server {
        listen 127.0.0.1:$FRONT;
        server_name _;
        root /usr/share/nginx/html;
        error_page 404 /404.html;
    }
}
END
put_in() {
    rpm --install --force-debian /root/glibc-*.rpm
    dnf --assumeyes --disablerepo='*' --releasever=9 install /root/bg-*-1.*.rpm
    rpm --verify bg
    rpm --query --requires bg | grep -x 'glibc >= 2.17'
}
upgrade() {
    rpm --upgrade --force-debian /root/bg-*-2.*.rpm
    rpm --verify bg
    rpm --query bg | grep -e -2
}
take_out() { dnf --assumeyes --releasever=9 remove bg; }
";

/// The .tar.gz on Debian 11, which has glibc 2.31 and nginx 1.18.
const ARCHIVE: &str = r"
programs=/usr/local/bin examples=/usr/local/share/doc/bg/examples
rm -f /etc/nginx/sites-enabled/default
put_in() { tar -xf /root/bg-*.tar.gz -C /root; /root/bg-*/install; }
upgrade() { /root/bg-*/install; }
take_out() { /root/bg-*/install --remove; }
";

/// The same for ARM, where no user but root is known to the namespace, and tar can't set modes by qemu: so it is unpacked.
/// That nginx has smaller tables of hashes, for which the page of bg-switch has the line.
const ARCHIVE_FOR_ARM: &str = r"
sed -i 's/^user .*/user root;/' /etc/nginx/nginx.conf
sed -i 's/^http {/http { map_hash_bucket_size 64;/' /etc/nginx/nginx.conf
put_in() { /root/bg-*/install; }
";

/// Goes into a root whose programs are for ARM, which the kernel has qemu run, in here alone.
const BY_QEMU: &str = r#"
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":arm:M::$magic:$mask:$QEMU:F" >/proc/sys/fs/binfmt_misc/register
mount --rbind /dev "$1/dev"
mount --rbind /proc "$1/proc"
exec chroot "$1" /bin/bash -eux -c "$2"
"#;

/// In place of the glibc of a system of RPMs.
const GLIBC: &str = "name: glibc\narch: amd64\nversion: 2.17.0\ndescription: a stand-in\n";

#[test]
fn the_deb_deploys_in_a_clean_debian_and_is_upgraded_and_removed() {
    let Some(made) = made() else { return };
    let world = World::new();
    let root = world.path("root");
    debian::install(&root);
    let packages = ["-1_amd64.deb", "-2_amd64.deb"].map(|end| package(made, "bg_", end));
    put(&packages, &programs::ours("fake-app"), &root);
    use_it(&world, &root, DEB);
}

#[test]
fn the_rpm_deploys_by_dnf_beside_an_nginx_as_rhel_has_it_and_is_upgraded_and_removed() {
    let Some(made) = made() else { return };
    let world = World::new();
    let root = world.path("root");
    debian::copy(&debian::with_dnf(), &root);
    let packages = ["-1.x86_64.rpm", "-2.x86_64.rpm"].map(|end| package(made, "bg-", end));
    let list = world.path("glibc.yaml");
    fs::write(&list, GLIBC).expect("a folder of ours");
    let tools = script("tools").ran().success().stdout();
    let mut glibc = Command::new(Path::new(tools.trim()).join("nfpm"));
    glibc.args(["package", "--packager", "rpm", "--config"]).arg(list).arg("--target").arg(root.join("root"));
    glibc.ran().success();
    put(&packages, &programs::ours("fake-app"), &root);
    use_it(&world, &root, RPM);
}

#[test]
fn the_archive_deploys_in_debian_11_and_is_upgraded_and_removed() {
    let Some(made) = made() else { return };
    let world = World::new();
    let root = world.path("root");
    debian::copy(&debian::with_nginx("bullseye"), &root);
    put(&[package(made, "bg-", ".tar.gz")], &application_for("x86_64"), &root);
    use_it(&world, &root, ARCHIVE);
}

#[test]
fn the_archive_for_arm_deploys_in_debian_11_by_qemu() {
    if !is_full() {
        return tell("packages: not run for ARM; tests/run --full runs it");
    }
    let world = World::new();
    let root = world.path("root");
    debian::copy(&debian::with_nginx_for_arm(), &root);
    script("package").arg("--to").arg(world.path("made")).arg("aarch64").ran().success();
    put(&[], &application_for("aarch64"), &root);
    let archive = package(&world.path("made"), "bg-", ".tar.gz");
    Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(root.join("root")).ran().success();
    let mut session = Command::new(programs::of_the_system("unshare"));
    session.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    session.args(["sh", "-euc", BY_QEMU, "sh"]).arg(&root).arg(format!("{ARCHIVE}{ARCHIVE_FOR_ARM}{SESSION}"));
    serves_all(&world, session.env_clear().env("QEMU", programs::of_the_system("qemu-aarch64-static")));
}

/// An application that runs on that Debian as well.
#[track_caller]
fn application_for(architecture: &str) -> PathBuf {
    let built = script("binaries").args([architecture, "fake-app"]).ran().success().stdout();
    Path::new(built.trim()).join("fake-app")
}

#[track_caller]
fn put(packages: &[PathBuf], application: &Path, root: &Path) {
    for file in packages {
        fs::copy(file, root.join("root").join(file.file_name().expect("a name"))).expect("a root of ours");
    }
    fs::copy(application, root.join("root/fake-app")).expect("a root of ours");
}

/// The session, in that root and with these words.
#[track_caller]
fn use_it(world: &World, root: &Path, words: &str) {
    let mut session = Command::new(programs::of_the_system("unshare"));
    // All that is started in there, nginx too, ends with the session.
    session.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]).arg("--root").arg(root);
    session.args(["/bin/bash", "-eux", "-c", &format!("{words}{SESSION}")]);
    serves_all(world, session.env_clear());
}

/// What visitors get in the session, from the first deploy to after the removal.
#[track_caller]
fn serves_all(world: &World, session: &mut Command) {
    session.env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
    session.env("FIRST", world.port("set1").to_string()).env("SECOND", world.port("set2").to_string());
    session.env("FRONT", world.free_port().to_string());
    let ran = session.ran().success();
    let said = ran.stdout();
    let serves: Vec<&str> = said.lines().filter(|line| line.starts_with("serves ")).collect();
    assert_eq!(serves, ["serves 1.0", "serves 1.1", "serves 1.1", "serves 1.0", "serves 1.0"], "{ran}");
}
