//! Whether nginx answers a page from its cache: an answer that it remembers does not show that it has moved.

use crate::nginx::dump::Dump;
use crate::nginx::tree::{Block, Line, Tree, in_force};
use bg_probe::live::front::is_nginx_own;
use bg_probe::nginx::upstream::VARIABLE;
use bg_probe::site::settings::{FrontSetting, Site};

/// What to do about a front that is answered from a cache.
pub(crate) const UNCACHED: &str = "let --front be /_bg/slot, the page of bg-switch --print-site, or put `proxy_cache off;` \
                                   into the location that answers the front, and reload nginx";

/// That nginx answers the front from its cache, in words, where it does.
pub(crate) fn remembered(site: &Site, dump: &Dump) -> Option<String> {
    let FrontSetting::At(url) = &site.front else { return None };
    let zone = zone_at(dump, url.path()).filter(|_| !is_nginx_own(&site.front))?;
    Some(format!("nginx answers {} from a cache (proxy_cache {zone})", url.path()))
}

/// The zone that a server of nginx remembers its answers at that path in, if one does (`ngx_http_proxy_module`). What is
/// said there of exceptions (`proxy_no_cache`) is believed to except this page.
fn zone_at(dump: &Dump, path: &str) -> Option<String> {
    let tree = Tree::of(dump);
    blocks(&tree, &tree.main(), "http").into_iter().find_map(|http| {
        blocks(&tree, &http, "server").into_iter().find_map(|server| {
            let location = location(&server, path).map(|line| tree.block(line)).unwrap_or_default();
            let way = [http.clone(), server, location];
            let zone = in_force(&way, "proxy_cache")?.get(1).copied().filter(|zone| *zone != "off")?;
            let is_said = |name: &str| in_force(&way, name).is_some();
            let is_excepted = is_said("proxy_no_cache") || is_said("proxy_cache_bypass") || knows_the_slot(&way);
            (!is_excepted).then(|| zone.to_owned())
        })
    })
}

/// Whether the two slots' answers are remembered apart: the address that is asked is in the key, unless that is changed.
fn knows_the_slot(way: &[Block]) -> bool {
    let asks_the_slot =
        in_force(way, "proxy_pass").is_some_and(|words| words.iter().any(|it| it.starts_with(VARIABLE)));
    asks_the_slot
        && in_force(way, "proxy_cache_key").is_none_or(|words| words.iter().any(|it| it.contains("$proxy_host")))
}

fn blocks<'a>(tree: &Tree<'a>, lines: &Block<'a>, name: &str) -> Vec<Block<'a>> {
    lines.iter().filter(|line| line.texts() == [name]).map(|line| tree.block(*line)).collect()
}

/// The `location` of a server for that path: the exact one, or the longest that it begins with. Regular expressions are
/// passed over.
fn location<'a>(server: &Block<'a>, path: &str) -> Option<Line<'a>> {
    let fit = |line: &Line| match line.texts().as_slice() {
        ["location", "=", exact] => (*exact == path).then_some(usize::MAX),
        ["location", prefix] | ["location", "^~", prefix] => path.starts_with(prefix).then_some(prefix.len()),
        _ => None,
    };
    server.iter().filter_map(|line| Some((fit(line)?, *line))).max_by_key(|(fit, _)| *fit).map(|(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_of_the_page_decides() {
        let zone =
            |http: &str| zone_at(&Dump::parse(&format!("# configuration file /n:\nhttp {{ {http} }}\n")), "/profile");
        let found = |http: &str| zone(http).as_deref() == Some("c");
        assert!(found("server { location / { proxy_cache c; } }"));
        assert!(found("proxy_cache c; server { location /static/ { proxy_cache off; } }"));
        assert!(found("server { proxy_cache off; } server { location / { } location /pro { proxy_cache c; } }"));
        assert!(found("proxy_cache c; server { location / { proxy_pass $service_url; proxy_cache_key $uri; } }"));
        for none in [
            "server { location / { } location /static/ { proxy_cache c; } }",
            "server { location / { proxy_cache c; } location = /profile { proxy_cache off; } }",
            "server { location / { proxy_cache c; proxy_no_cache $x; } }",
            "server { location ~ ^/pro { proxy_cache c; } }",
            "proxy_cache c; server { location / { proxy_pass $service_url; } }",
        ] {
            assert_eq!(zone(none), None, "{none}");
        }
    }
}
