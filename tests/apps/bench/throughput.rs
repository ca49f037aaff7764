//! Requests a second through each kind of site, by wrk: 64 keep-alive connections to an application that does nothing.

use std::fs;
use std::process::Command;
use std::thread;

use bg_tests::{Nginx, programs};

use crate::args::Row;
use crate::figure::Figure;
use crate::place::{Place, output};
use crate::proxies::Proxy;

pub(crate) const PRINTED: &str = "printed site, link form";
pub(crate) const SCRIPTS: &str = "scripts' site";
pub(crate) const FORMER: &str = "printed site of before shares";
pub(crate) const HAPROXY: &str = "HAProxy";
pub(crate) const WHAT: &str = "requests/s";
pub(crate) const CPU: &str = "worker CPU a request";

pub(crate) fn measure(times: usize, seconds: usize) -> Vec<Figure> {
    let place = Place::new();
    // An application so quick that it is not what is measured: its own rate is a row of its own.
    let backend = application(&place);
    let proxies: Vec<Proxy> = [Proxy::haproxy(&place), Proxy::caddy(&place)].into_iter().flatten().collect();
    let direct = format!("http://127.0.0.1:{}", place.world.port("set1"));
    let mut contestants = vec![
        ("the application itself", direct.as_str()),
        (SCRIPTS, place.scripts.url.as_str()),
        ("printed site, reload form", place.reload.url.as_str()),
        (FORMER, place.former.url.as_str()),
        (PRINTED, place.link.url.as_str()),
    ];
    contestants.extend(proxies.iter().map(|proxy| (proxy.name, proxy.url.as_str())));
    let (mut rates, mut costs) = (vec![Vec::new(); contestants.len()], vec![Vec::new(); contestants.len()]);
    for (_, url) in &contestants {
        load(url, 1);
    }
    for _ in 0..times {
        for (at, (_, url)) in contestants.iter().enumerate() {
            let before = worker_cpu(&place);
            let (rate, requests) = load(url, seconds);
            rates[at].push(rate);
            costs[at].push((worker_cpu(&place) - before) * 1e6 / requests);
        }
    }
    drop(backend);
    let figures = |what, unit, samples: Vec<Vec<f64>>| {
        let named = contestants.iter().zip(samples);
        named.map(|((who, _), samples)| Figure::new(Row::Throughput, who, what, unit, samples)).collect::<Vec<_>>()
    };
    let is_a_site = |figure: &Figure| [SCRIPTS, FORMER, PRINTED].contains(&figure.who.as_str());
    let costs = figures(CPU, "µs", costs).into_iter().filter(is_a_site);
    figures(WHAT, "1/s", rates).into_iter().chain(costs).collect()
}

/// The seconds of a processor that the workers of the sites' nginx have had.
fn worker_cpu(place: &Place) -> f64 {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    place.world.nginx.workers().into_iter().filter_map(of).sum::<f64>() / 1e9
}

/// Another nginx that answers by itself, on the port of the first slot.
fn application(place: &Place) -> Nginx {
    let nginx = Nginx::new(&place.world.folder().join("application"), "set $service_url http://127.0.0.1:1;\n");
    let listen = place.world.port("set1");
    nginx.add_to_http(
        "application",
        &format!("server {{ listen 127.0.0.1:{listen}; location / {{ return 200 set1; }} }}"),
    );
    nginx.start();
    nginx
}

/// The requests a second, and how many there were.
fn load(url: &str, seconds: usize) -> (f64, f64) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut wrk = Command::new(programs::of_the_system("wrk"));
    wrk.args([format!("-t{threads}"), "-c64".to_owned(), format!("-d{seconds}s"), format!("{url}/profile")]);
    let text = String::from_utf8_lossy(&output(&mut wrk).stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{url}: {text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    let requests = text.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok());
    rate.zip(requests).unwrap_or_else(|| panic!("wrk said {text}"))
}
