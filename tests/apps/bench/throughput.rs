//! Requests a second through each kind of site, by wrk: 64 keep-alive connections to an application that does nothing.

use std::process::Command;
use std::thread;

use bg_tests::{Nginx, programs};

use crate::args::Row;
use crate::figure::Figure;
use crate::place::{Place, output};
use crate::proxies::Proxy;

pub(crate) const PRINTED: &str = "printed site, link form";
pub(crate) const SCRIPTS: &str = "scripts' site";
pub(crate) const HAPROXY: &str = "HAProxy";
pub(crate) const WHAT: &str = "requests/s";

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
        (PRINTED, place.link.url.as_str()),
    ];
    contestants.extend(proxies.iter().map(|proxy| (proxy.name, proxy.url.as_str())));
    let mut samples = vec![Vec::new(); contestants.len()];
    for (_, url) in &contestants {
        rate(url, 1);
    }
    for _ in 0..times {
        for ((_, url), samples) in contestants.iter().zip(&mut samples) {
            samples.push(rate(url, seconds));
        }
    }
    drop(backend);
    let named = contestants.iter().zip(samples);
    named.map(|((who, _), samples)| Figure::new(Row::Throughput, who, WHAT, "1/s", samples)).collect()
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

fn rate(url: &str, seconds: usize) -> f64 {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut wrk = Command::new(programs::of_the_system("wrk"));
    wrk.args([format!("-t{threads}"), "-c64".to_owned(), format!("-d{seconds}s"), format!("{url}/profile")]);
    let text = String::from_utf8_lossy(&output(&mut wrk).stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{url}: {text}");
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk said {text}"))
}
