//! The part of a printed site by which a file that one slot does not have is asked of the other: `--with assets=/assets/`.
//!
//! A page that was loaded before a switch names the files of its own release, and those that are loaded later are asked of
//! the new one, which has others.

use crate::backing;
use crate::extras::Extras;
use bg_probe::nginx::upstream::VARIABLE;
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::variable;

/// The answers of the other slot that are no file: the visitor gets the 404 that was to be said. Not 404 itself, which it
/// says better, and not 304.
const NO_FILE: &str = "301 302 303 307 308 400 401 403 405 406 410 429 500 501 502 503 504";

/// The directives, by where they stand.
#[derive(Default)]
pub(crate) struct Assets {
    /// In the `http` block.
    pub(crate) http: String,
    /// Locations of their own.
    pub(crate) pages: String,
}

/// What the assets of this site need; `slot` is the variable with the name of the slot that is asked,
/// and `settings` is what stands in each location of the application.
pub(crate) fn assets(site: &Site, extras: &Extras, slot: &str, settings: &str) -> Assets {
    if extras.assets.is_empty() {
        return Assets::default();
    }
    let other = variable(&site.app, "other");
    let name = other.trim_start_matches('$');
    let stand_in = backing::place(site);
    let uri = if site.address.has_path() { "$request_uri" } else { "" };
    let rows = site.slots.both().each_ref().map(|slot| {
        let group = site.address.by_group(&site.app, site.slots.other(&slot.name));
        format!("    {} {group};\n", slot.name)
    });
    let http = format!(
        "
# The slot that is asked for an asset that the first one does not have.
map {slot} {other} {{
    default \"\";
{rows}}}

map $request_method $bg_is_read {{
    default \"\";
    GET     1;
    HEAD    1;
}}
",
        rows = rows.concat()
    );
    let passed = format!("proxy_pass {VARIABLE}{uri};");
    let location = |path: &String| {
        format!(
            "
    location {path} {{
        {passed}
        proxy_intercept_errors on;
        recursive_error_pages on;
        if ($bg_is_read) {{ error_page 404 = @{name}; error_page 502 = @{stand_in}; }}
{settings}    }}
"
        )
    };
    let others = format!(
        "
    # What one release does not have, the other may. It is asked once, and not for long.
    location @{name} {{
        proxy_pass {other}{uri};
        proxy_connect_timeout 1s;
        proxy_read_timeout 5s;
        proxy_intercept_errors on;
        error_page {NO_FILE} = @{name}_has_none;
{settings}    }}
    location @{name}_has_none {{
        return 404;
    }}
"
    );
    Assets { http, pages: extras.assets.iter().map(location).collect::<Vec<_>>().concat() + &others }
}
