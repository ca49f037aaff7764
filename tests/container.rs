//! nginx in a container, without the host's network: it has its own files and processes, and knows the host by another
//! name. The container is made of namespaces (`unshare(1)`), and the host's other name is a line of its `/etc/hosts`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bg_tests::{World, http, until};
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
        let nginx = world.nginx.command_line();
        let script = format!("mount --bind {} /etc/hosts && exec {nginx}", hosts.display());
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

    /// How nginx is called in it, as `docker exec` does.
    fn exec(&self, world: &World) -> String {
        format!("nsenter --target {} --mount --pid {}", self.init, world.nginx.command_line())
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
