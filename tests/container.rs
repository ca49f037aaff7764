//! nginx in a container, without the host's network: it has its own files and processes, and knows the host by another
//! name. The container is made of namespaces (`unshare(1)`), and the host's other name is a line of its `/etc/hosts`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bg_tests::{Run, World, http, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// As Docker calls the host in a container.
const HOST: &str = "host.docker.internal";

/// A container with an nginx in it, in the foreground; it ends with this.
struct Container {
    child: Child,
    /// nginx's master, which is the container's first process.
    init: i32,
}

impl Container {
    /// Starts it on an installed configuration.
    #[track_caller]
    fn start(world: &World) -> Container {
        let hosts = world.write("hosts", format!("127.0.0.1 localhost\n127.0.0.3 {HOST}\n"));
        Container::start_after(world, &format!("mount --bind {} /etc/hosts", hosts.display()))
    }

    /// Starts it without the mount of `BG_DIR`.
    #[track_caller]
    fn start_without_the_folder(world: &World) -> Container {
        world.make_dir(world.dir());
        Container::start_after(world, &format!("mount -t tmpfs none {}", world.dir().display()))
    }

    #[track_caller]
    fn start_after(world: &World, mount: &str) -> Container {
        let script = format!("{mount} && exec {}", world.nginx.command_line());
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare, and root");
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let init = || fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse::<i32>().ok();
        until(Duration::from_secs(10), "nginx answers in the container", || {
            init().is_some() && http::get(&world.nginx.front_url("/_bg/slot")).is_ok()
        });
        Container { child, init: init().expect("its first process") }
    }

    /// The site printed for it is installed, and the container started on it without the mount; its world, and how
    /// nginx is called in it.
    #[track_caller]
    fn without_the_folder() -> (World, Container) {
        let world = World::new();
        world.nginx.stop();
        let listen = world.nginx.front_url("").replace("http://", "");
        let print = |flags: &[&str]| world.run("bg-switch", flags).success().stdout();
        world.nginx.add_to_http("site", &print(&["--print-site", "--listen", &listen]));
        world.nginx.write_upstream(&print(&["--print-upstream"]));
        only_the_printed_site(&world);
        let container = Container::start_without_the_folder(&world);
        (world.env("BG_FRONT", &format!("http://{listen}/_bg/slot")), container)
    }

    /// How nginx is called in it, as `docker exec` does.
    fn exec(&self, world: &World) -> String {
        format!("nsenter --target {} --mount --pid {}", self.init, world.nginx.command_line())
    }

    /// Runs a line of shell in it.
    #[track_caller]
    fn shell(&self, line: &str) {
        let target = self.init.to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &target, "--mount", "--pid", "sh", "-c", line]).ran().success();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.init), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

#[test]
fn deploys_and_a_rollback_work_with_an_nginx_that_has_another_name_for_the_host() {
    for form in ["link", "reload"] {
        let world = World::new().env("BG_SLOT_URL", &format!("http://{HOST}:{{port}}"));
        world.nginx.stop();
        let print = |flags: &[&str]| world.run("bg-switch", flags).success().stdout();
        // As in the recipe: both files are there before the container starts.
        let listen = world.nginx.front_url("").replace("http://", "");
        let site = print(&["--print-site", "--listen", &listen, "--front-from", "172.16.0.0/12"]);
        world.nginx.add_to_http("site", &site);
        world.nginx.write_upstream(&print(&["--print-upstream", "--form", form]));
        only_the_printed_site(&world);
        let container = Container::start(&world);
        let nginx = container.exec(&world);
        let world = world.env("BG_NGINX", &nginx).env("BG_FRONT", &format!("http://{listen}/_bg/slot"));
        for (version, slot) in [("1.0", "set1"), ("1.1", "set2")] {
            world.deploy(&["--address", "0.0.0.0", "--version-text", version]).success();
            assert_eq!(world.get("/_bg/slot").body.trim(), slot, "{form}");
            assert_eq!(world.get("/version").body, version, "{form}");
        }
        world.rollback().success();
        assert_eq!(world.get("/version").body, "1.0", "{form}");
        let text = world.nginx.read_upstream();
        assert!(text.contains(&format!("http://{HOST}:")) || text.contains("http://web_set1;"), "{text}");
    }
}

/// Takes the harness's own server out of the configuration.
fn only_the_printed_site(world: &World) {
    let conf = fs::read_to_string(world.nginx.conf()).expect("the configuration");
    let (http, _) = conf.split_once("    server {\n").expect("a server of the harness's own");
    world.write(world.nginx.conf(), format!("{}}}\n", http.replace("daemon on", "daemon off")));
}

#[test]
fn an_nginx_without_the_mount_of_the_folder_is_told_which() {
    let (world, container) = Container::without_the_folder();
    let nginx = container.exec(&world);
    let world = world.env("BG_NGINX", &nginx).both_running();
    let folder = world.dir().display().to_string();
    let told = format!("nginx does not see {folder} where it runs: start its container with -v {folder}:{folder}:ro");
    let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5);
    refused.said(format!("likely    {told}"));
    let seen = world.run("bg-switch", &["--check"]).exit(1).stdout();
    assert!(seen.contains(&format!("fail    {told}\n")), "{seen}");

    container.shell(&format!("umount {folder}"));
    let seen = world.run("bg-switch", &["--check"]).stdout();
    assert!(!seen.contains("does not see"), "{seen}");
    world.run("bg-switch", &["--to", "set2"]).success();
}

/// Who does not set `BG_NGINX` finds no nginx here, or one that is not it.
#[test]
fn an_nginx_that_is_not_seen_here_may_be_in_a_container_without_the_mount() {
    let (world, _container) = Container::without_the_folder();
    let world = world.env("BG_NGINX", "nginx -p /nowhere").both_running();
    let folder = world.dir().display().to_string();
    let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5);
    refused.said(format!(
        "likely    no nginx is seen on this machine: if it is in a container, start its container with \
         -v {folder}:{folder}:ro, and set BG_NGINX='docker exec NAME nginx'"
    ));
}

/// As systemd starts it with `PrivateTmp` or `ProtectHome`.
#[test]
fn an_nginx_whose_service_hides_the_folder_is_told_so() {
    let (world, container) = Container::without_the_folder();
    let pid_file = world.write("seen.pid", container.init.to_string()).display().to_string();
    let world = world.env("BG_SWITCH_PID_FILE", &pid_file).both_running();
    let folder = world.dir().display().to_string();
    world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5).said(format!(
        "likely    nginx runs in a file system of its own, and does not see {folder}: choose a --dir that its service may see"
    ));
}
