//! Behind a load balancer: whether it sends visitors to this host, and how a host is taken out and comes back.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use bg_tests::{KeepAlive, Run, World, http, is_full, process, programs, tell, until};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::share::{shared_site, site_with};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// Does not wait long for visitors, of whom none come from outside.
const ON: [&str; 4] = ["--drain", "on", "--drain-idle", "50ms"];

/// What the page says.
fn ready(url: &str) -> (u16, String) {
    let answer = http::get(&format!("{url}/_bg/ready")).expect("an answer");
    (answer.status, answer.body)
}

fn says(status: u16, word: &str) -> (u16, String) {
    (status, format!("{word}\n"))
}

fn kill(world: &World, slot: &str) {
    let pid = world.pid(slot);
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
}

#[test]
fn the_page_is_200_while_visitors_are_answered_and_503_while_they_are_not() {
    let (world, url) = shared_site(World::new());
    assert_eq!(ready(&url), says(503, "down"));
    world.deploy(&["--version-text", "1.0"]).success();
    assert_eq!(ready(&url), says(200, "ready"), "an application that knows no such page");
    let balancer = KeepAlive::start("GET", &format!("{url}/_bg/ready"), 2);
    world.deploy(&["--version-text", "1.1"]).success();
    world.run("bg-switch", &["--close"]).success();
    let failures = balancer.stop();
    assert!(failures.iter().all(|why| why == "503"), "only since it is closed: {failures:?}");
    assert_eq!(ready(&url), says(503, "closed"));
    world.run("bg-switch", &["--open"]).success();
    assert_eq!(ready(&url), says(200, "ready"));
    kill(&world, "set2");
    assert_eq!(ready(&url), says(200, "ready"), "set1 stands in, so visitors are answered");
    kill(&world, "set1");
    assert_eq!(ready(&url), says(503, "down"));
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "the live release is back", || ready(&url) == says(200, "ready"));
}

#[test]
fn any_answer_of_the_application_is_one_and_none_in_time_is_none() {
    let (world, url) = shared_site(World::new());
    let listener = TcpListener::bind(("127.0.0.1", world.port("set1"))).expect("the port of a slot");
    let answers = |answer: &'static str| {
        let listener = listener.try_clone().expect("a listener of ours");
        let application = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("nginx");
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("nginx reads");
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let answer = ready(&url);
        (answer, application.join().expect("a thread of ours"))
    };
    for status in
        ["404 Not Found", "500 Oh", "502 Bad Gateway", "503 Busy", "504 Late", "302 Found\r\nLocation: /", "401 No"]
    {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhm");
        let (answer, request) = answers(answer.leak());
        assert_eq!(answer, says(200, "ready"), "{status}");
        assert!(request.starts_with("GET /_bg/ready HTTP/1.1\r\n"), "{request}");
    }
    assert_eq!(answers("").0, says(503, "down"), "a connection that is closed");
}

/// The status of a page for whoever has that address.
fn status_from(address: &str, port: u16, path: &str) -> u16 {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    let at = |address: Ipv4Addr, port| SockaddrIn::from(SocketAddrV4::new(address, port));
    bind(socket.as_raw_fd(), &at(address.parse().expect("an address"), 0)).expect("an address of this machine");
    connect(socket.as_raw_fd(), &at(Ipv4Addr::LOCALHOST, port)).expect("nginx listens");
    let mut stream = TcpStream::from(socket);
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("nginx reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("nginx answers");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[test]
fn only_this_machine_and_the_balancer_may_ask() {
    let world = World::new();
    world.start_fake("set1", &[]);
    let port = world.free_port();
    let flags = ["--print-site", "--listen", &format!("127.0.0.1:{port}"), "--ready-from", "127.0.1.0/24,127.0.2.7"];
    let site = world.run("bg-switch", &flags).success().stdout();
    // All of 127.0.0.0/8 is this machine, and a test has no other.
    world.nginx.add_to_http(
        "site",
        &site.replace("127.0.0.0/8 1;\n    ::1         1;\n    127.0.1", "127.0.0.1 1;\n    127.0.1"),
    );
    world.nginx.reload();
    world.run("bg-switch", &["--convert", "link"]).success();
    for (from, slot, ready) in
        [("127.0.0.1", 200, 200), ("127.0.1.9", 404, 200), ("127.0.2.7", 404, 200), ("127.0.2.8", 404, 404)]
    {
        let status = |path: &str| status_from(from, port, path);
        assert_eq!((status("/_bg/slot"), status("/_bg/ready")), (slot, ready), "{from}");
    }
    for bad in ["1;2", "x y", ""] {
        world.run("bg-switch", &["--print-site", "--ready-from", bad]).exit(2);
    }
}

#[test]
fn a_drained_host_serves_takes_deploys_and_stays_so_until_it_is_brought_back() {
    let (world, url) = shared_site(World::new().serving());
    let back = "bg-switch --drain off";
    let run = world.run("bg-switch", &ON).success().printed_nothing();
    run.said(format!("seen 5 times at {url}/_bg/ready"))
        .said("waiting until nobody from outside has been connected for 50ms")
        .said("now there is none")
        .said(format!("then: {back}"));
    assert_eq!((ready(&url), world.live().as_deref()), (says(503, "drained"), Some("set1")));
    let record = world.deploy(&["--version-text", "1.1"]).success().said("; drained").record();
    assert_eq!((&record["drained"], &record["deploy"]["exit"]), (&true.into(), &0.into()));
    world.rollback().success();
    world.nginx.stop();
    until(SOON, "nginx has ended", || world.nginx.master().is_none());
    world.nginx.start();
    assert_eq!(ready(&url), says(503, "drained"), "as after a reboot");
    assert_eq!(http::get(&format!("{url}/profile")).expect("an answer").body, "set1");

    world.run("bg-probe", &["--slot", "live"]).success().printed("\"drained\":true");
    let table = world.run("bg-probe", &["--format", "table"]).success().stdout();
    assert!(table.ends_with(&format!("drained; bring this host back with: {back}\n")), "{table}");
    for program in ["bg-probe", "bg-deploy"] {
        let check = world.run(program, &["--check"]).success().stdout();
        let words = "warn    this host is drained: /_bg/ready answers 503, so a load balancer sends nobody here: bring it back with: ";
        assert!(check.contains(&format!("{words}{back}")), "{check}");
    }
    world.run("bg-switch", &ON).success();
    world.run("bg-switch", &["--drain", "off"]).success().said("may send visitors to this host again, seen 5 times");
    world.run("bg-switch", &["--drain", "off"]).success().said("not drained; nothing was changed");
    assert_eq!(ready(&url), says(200, "ready"));
    world.run("bg-probe", &["--slot", "live"]).success().never_printed("drained").never_said("drained");
}

#[test]
fn what_can_not_be_drained_is_refused_and_stays_as_it_was() {
    let world = World::new().link_form().serving();
    let run = world.run("bg-switch", &ON).exit(1);
    run.said("has no page /_bg/ready for a load balancer").said("Install the site printed anew");
    world.run("bg-switch", &["--check"]).printed("no load balancer can ask /_bg/ready");
    // Who may not read nginx's configuration asks the page alone.
    world.run("bg-switch", &[&ON[..], &["--nginx", "true", "--verify-timeout", "200ms"]].concat()).exit(1);
    assert!(!world.dir().join("drained").exists());

    let (world, url) = shared_site(World::new().serving());
    for words in
        [&["--drain", "on", "--drain-timeout", "1s"][..], &["--drain", "on", "--to", "set1"], &["--drain", "x"]]
    {
        world.run("bg-switch", words).exit(2);
    }
    kill(&world, "set1");
    world.run("bg-switch", &ON).success();
    world
        .run("bg-switch", &["--drain", "off"])
        .success()
        .said(format!("once {url}/_bg/ready answers 200: it says down"));
    let docker = [&ON[..], &["--nginx", "docker exec web nginx"]].concat();
    world.run("bg-switch", &docker).exit(1).said("by another program, as in a container");
    world.nginx.stop();
    let run = world.run("bg-switch", &ON).exit(1).said("nothing on this machine listens on port");
    assert_eq!(run.said("Nothing was touched").advice("Start nginx: "), world.nginx.command_line());
    world.write(world.dir().join("drained"), "");
    let run = world.run("bg-switch", &["--drain", "off", "--verify-timeout", "100ms"]).exit(5);
    run.said("so nothing was seen. This host is not drained any more. Start nginx: ");
    assert!(!world.dir().join("drained").exists());
}

/// nginx asks for a regular file.
#[test]
fn a_folder_in_the_place_of_a_file_for_nginx_neither_drains_nor_closes_and_is_refused_with_what_to_do() {
    let (world, url) = shared_site(World::new().serving());
    for (path, words) in [("drained", &ON[..]), ("closed/visitors", &["--close"])] {
        let folder = world.dir().join(path);
        fs::create_dir_all(&folder).expect("a folder of ours");
        let table = world.run("bg-probe", &["--format", "table"]).success().stdout();
        assert!(
            ready(&url) == says(200, "ready") && !table.contains("drained") && !table.contains("closed"),
            "{table}"
        );
        let off = if path == "drained" { &["--drain", "off"][..] } else { &["--open"] };
        world.run("bg-switch", off).success().said("nothing was changed");
        let refused = world.run("bg-switch", words).exit(1);
        let refused = refused.said(format!("{} is no file, so it tells nginx nothing. Nothing was", folder.display()));
        assert!(ready(&url) == says(200, "ready") && !folder.with_file_name("page.html").exists());
        world.run_line(refused.advice("Move it away: ")).success();
        world.run("bg-switch", words).success();
        world.run("bg-switch", off).success();
    }
}

/// Another machine is another network namespace; in the script nginx and `bg-switch` are in one of their own.
const TWO_MACHINES: &str = r#"
ip link set lo up
unshare --net sleep 60 & other=$!
there() { nsenter -t $other -n "$@"; }
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add here type veth peer name there netns $other
ip addr add 10.77.0.1/24 dev here; ip link set here up
there ip addr add 10.77.0.2/24 dev there; there ip link set there up
$BG_NGINX
nsenter -t $other -n bash -c 'exec 3<>/dev/tcp/10.77.0.1/PORT; echo >connected; exec sleep 60' & visitor=$!
while ! [ -e connected ]; do sleep 0.01; done
bg-switch --drain on --drain-timeout 300ms --drain-idle 50ms 2>first; echo "first $?"
bg-switch --drain on --drain-timeout 30s --drain-idle 50ms 2>second & waiting=$!
while ! grep -q waiting second; do sleep 0.01; done
kill -0 $waiting && kill $visitor
wait $waiting; echo "second $?"
kill $other; kill $(cat nginx/nginx.pid)
"#;

#[test]
fn a_visitor_from_another_machine_is_waited_for_and_named() {
    let world = World::new();
    let port = world.free_port();
    let world = world.env("BG_FRONT", &format!("http://127.0.0.1:{port}/_bg/slot"));
    world.nginx.stop();
    let site = world.run("bg-switch", &["--print-site", "--listen", &port.to_string()]).success();
    world.nginx.add_to_http("site", &site.stdout());
    let script = TWO_MACHINES.replace("PORT", &port.to_string());
    let mut unshare = world.command(&programs::of_the_system("unshare"));
    let ran = unshare.args(["--net", "sh", "-c", &script]).current_dir(world.folder()).ran().success();
    ran.printed("first 5\nsecond 0\n");
    let said = |name: &str| fs::read_to_string(world.path(name)).expect("what it said");
    let first = said("first");
    for words in [
        "300ms at most; now there is one, from 10.77.0.2",
        "there is one, from 10.77.0.2. This host stays drained",
        "bring it back: bg-switch",
    ] {
        assert!(first.contains(words), "{first}");
    }
    let second = said("second");
    assert!(second.contains("nobody from outside has been connected for 50ms"), "{second}");
}

/// HAProxy before some hosts, which asks each of them whether it is ready; it ends with this.
struct Balancer {
    process: Child,
    /// Where it says which hosts are in.
    told: String,
}

impl Balancer {
    fn start(world: &World, listen: u16, hosts: &[&str]) -> Balancer {
        let servers = hosts
            .iter()
            .enumerate()
            .map(|(n, host)| format!("    server host{n} {host} check inter 50ms fall 2 rise 2\n"));
        let told = world.free_port();
        let conf = format!(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
             frontend front\n    bind 127.0.0.1:{listen}\n    default_backend hosts\n\
             frontend told\n    bind 127.0.0.1:{told}\n    stats enable\n    stats uri /\n\
             backend hosts\n    option httpchk GET /_bg/ready\n{}",
            servers.collect::<String>()
        );
        let conf = world.write("haproxy.cfg", conf);
        let mut haproxy = Command::new(programs::of_the_system("haproxy"));
        haproxy.arg("-db").arg("-f").arg(conf).stdin(Stdio::null()).stderr(Stdio::null());
        let process = haproxy.spawn().expect("haproxy, which was found");
        let haproxy = Balancer { process, told: format!("http://127.0.0.1:{told}/;csv") };
        until(SOON, "HAProxy has asked the hosts", || haproxy.hosts() == hosts.len());
        haproxy
    }

    /// How many hosts it sends visitors to.
    fn hosts(&self) -> usize {
        let table = http::get(&self.told).map(|answer| answer.body).unwrap_or_default();
        table
            .lines()
            .filter(|line| line.starts_with("hosts,host") && line.contains(",UP,") && line.contains("L7OK"))
            .count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Only that it has ended already is possible.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn two_hosts_behind_haproxy_are_drained_and_their_nginx_stopped_in_turn_and_no_request_fails() {
    if !is_full() {
        tell("ready: HAProxy is for the full run");
        return;
    }
    let hosts = [(); 2].map(|()| site_with(World::new().serving(), ""));
    let at: Vec<&str> = hosts.iter().map(|(_, url)| url.trim_start_matches("http://")).collect();
    let listen = hosts[0].0.free_port();
    let haproxy = Balancer::start(&hosts[0].0, listen, &at);
    let url = format!("http://127.0.0.1:{listen}");
    let visitors = [("GET", "/version"), ("POST", "/echo")]
        .map(|(method, path)| KeepAlive::start(method, &format!("{url}{path}"), 8));
    let sent = || visitors.iter().map(KeepAlive::sent).sum::<u64>();
    let more = || {
        let before = sent();
        until(SOON, "visitors come", || sent() > before + 500);
    };
    for _ in 0..2 {
        for (world, own) in &hosts {
            more();
            world.run("bg-switch", &["--drain", "on", "--drain-idle", "1s"]).success();
            world.nginx.stop();
            more();
            world.nginx.start();
            world.deploy(&["--version-text", "1.1"]).success().said("; drained");
            world.run("bg-switch", &["--drain", "off"]).success();
            until(SOON, "it is in again", || haproxy.hosts() == 2);
            assert_eq!(ready(own), says(200, "ready"));
        }
    }
    let total = sent();
    let failures = visitors.map(KeepAlive::stop).concat();
    tell(&format!("ready: {total} requests while two hosts were drained twice each, {} failed", failures.len()));
    assert_eq!(failures, Vec::<String>::new());
}
