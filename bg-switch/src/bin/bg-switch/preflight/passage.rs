//! The way of a request through nginx's configuration: the file that sets the variable, the `proxy_pass` that
//! names it, and the address in it. `nginx -t` accepts each of them broken.

use crate::nginx::cache::{UNCACHED, remembered};
use crate::nginx::dump::Dump;
use crate::nginx::servers::rival;
use crate::nginx::tree::Tree;
use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::{Upstream, VARIABLE};
use bg_probe::site::settings::Site;
use std::net::IpAddr;
use std::path::Path;

/// The findings about it. The files of an nginx that is not `on_this_machine` may have other folders there.
pub(crate) fn findings(site: &Site, upstream: Option<&Upstream>, dump: &Dump, on_this_machine: bool) -> Vec<Finding> {
    let mut findings = vec![included(&site.upstream_file, dump, on_this_machine), passed_on(dump)];
    findings.extend(upstream.map(|upstream| found(&site.upstream_file, upstream, dump)));
    findings.extend(unreached(&site.upstream_file, dump));
    findings.extend(remembered(site, dump).map(|seen| Finding::warn("proxy_cache", seen, UNCACHED)));
    findings
}

/// A server without a name that is not the default one: its own page may name the slot all the same, at another address
/// than the visitors'.
fn unreached(file: &Path, dump: &Dump) -> Option<Finding> {
    let rival = rival(&Tree::of(dump), file)?;
    let detail = format!("{}; the one that includes {} has no name", rival.in_words(), file.display());
    let name = "give the site the name that visitors ask for, as in `server_name www.example.com;`";
    let remedy = format!("{name}, or {}; then reload nginx", rival.removal());
    Some(Finding::warn("server_name", detail, remedy))
}

fn included(file: &Path, dump: &Dump, on_this_machine: bool) -> Finding {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let same = |read: &Path| {
        if on_this_machine { real(read) == real(file) } else { read.file_name() == file.file_name() }
    };
    let name = file.display();
    if dump.files.iter().any(|read| same(read)) {
        return Finding::ok("include", format!("nginx includes {name}"));
    }
    let remedy = format!("put `include {name};` into the server block and reload; bg-switch --print-site shows where");
    Finding::fail("include", format!("nginx does not include {name}"), remedy)
}

fn passed_on(dump: &Dump) -> Finding {
    let names_it = |words: &[&str]| words.get(1).is_some_and(|address| address.starts_with(VARIABLE));
    if dump.has("proxy_pass", names_it) {
        return Finding::ok("proxy_pass", format!("proxy_pass {VARIABLE} is there"));
    }
    // By another variable, or by another module's directive.
    if dump.uses(VARIABLE) {
        return Finding::ok("proxy_pass", format!("{VARIABLE} is used"));
    }
    let remedy = format!("put `proxy_pass {VARIABLE};` into the location that the application answers, and reload");
    Finding::fail("proxy_pass", format!("no proxy_pass names {VARIABLE}"), remedy)
}

/// In a variable `proxy_pass` a name is that of an `upstream` group, or is looked up by a `resolver`, on each request;
/// where there is neither, every request gets a 502 (`ngx_http_proxy_module`).
fn found(file: &Path, upstream: &Upstream, dump: &Dump) -> Finding {
    let is_group = |name: &str| dump.has("upstream", |words| words.get(1) == Some(&name));
    let is_lost = |name: &&str| name.parse::<IpAddr>().is_err() && !is_group(name);
    let lost = upstream.addresses().map(host).find(is_lost);
    match lost.filter(|_| !dump.has("resolver", |_| true)) {
        None => Finding::ok("resolver", "every address in the upstream file can be found"),
        Some(name) => {
            let remedy = match name {
                "localhost" => "write 127.0.0.1 in its place, and reload",
                _ => "add the upstream groups of bg-switch --print-site, or write addresses like http://127.0.0.1:8081",
            };
            let detail = format!("{} names {name}, which nginx can't find without a resolver", file.display());
            Finding::fail("resolver", detail, remedy)
        }
    }
}

/// The host in `http://HOST:PORT/`, or what stands in its place.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    if let Some((host, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    authority.split(':').next().unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address() {
        let hosts = ["http://127.0.0.1:8081", "http://localhost:8082/", "http://web_set1", "http://[::1]:1", "a:1"];
        assert_eq!(hosts.map(host), ["127.0.0.1", "localhost", "web_set1", "::1", "a"]);
    }
}
