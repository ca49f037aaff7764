//! The part of the printed site that gives each request its kind of visitor, by which the link form looks for a file.

use crate::extras::Extras;
use crate::own::sources;
use crate::ready::READY_PAGE;
use bg_probe::live::front::SLOT_PAGE;
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::{HEADER, NUMBERS, Visitor, bucket, variable};

/// The directives, for the `http` block.
///
/// All variables but the last are the same for every application: nginx's table of variables is small, and says so in a
/// warning. nginx takes the last definition of each, so whoever changes one gives it another name. In most requests a kind
/// is found in tables, without a regular expression.
pub(crate) fn kinds(site: &Site, extras: &Extras) -> String {
    // By a cookie each is another one; without, most say nothing at all, and those are told apart by one table.
    let (bucket, plain) =
        if extras.are_of_visitors() { (bucket(&site.app), String::new()) } else { (said(site), plain(site)) };
    let (source, number) = sources(site, extras);
    let known = if extras.sticky { known() } else { String::new() };
    let (prober, preview, rows) = (Visitor::Prober.kind(), Visitor::Preview.kind(), rows());
    let only = site.slots.both().each_ref().map(|slot| {
        let kind = Visitor::Of(slot.name.clone()).kind();
        format!("    {kind} {kind};\n")
    });
    let only = only.concat();
    let header = variable_of_header();
    format!(
        "\
# Each visitor has a number from 1 to {NUMBERS}, by the cookie bg_visitor if there is one, else by address
# and browser: a share of 10 percent is ten of these. The same for every application.
map $cookie_bg_visitor $bg_visitor {{
    default $remote_addr$http_user_agent;
    \"\"      $remote_addr$http_user_agent;
    \"~^[0-9a-f]{{32}}$\" $cookie_bg_visitor;
}}

split_clients $bg_visitor $bg_number {{
{rows}}}
{known}
# Who asks which slot is live, or whether it answers, is no visitor.
map $uri $bg_page {{
    default \"\";
    {SLOT_PAGE} {prober};
    {READY_PAGE} {prober};
}}

# A request from this machine, but not by way of a proxy on it, may say which visitor it is. A socket
# of this machine has no address, which counts as the last one.
geo $bg_is_here {{
    default         0;
    127.0.0.0/8     1;
    ::1             1;
    255.255.255.255 1;
}}

map $bg_is_here$http_x_forwarded_for$http_forwarded$http_via:{header} $bg_said {{
    default $bg_page;
    1:{prober} {prober};
    1:{preview} {preview};
    \"~^1:([1-9][0-9]?|100)$\" $1;
    \"~^1:([a-z0-9][a-z0-9_-]*)$\" only-$1;
}}

map {header} $bg_asked {{
    default $bg_said;
    \"\"      $bg_page;
}}

map {source} {bucket} {{
    default {source};
    \"\"      {number};
{only}    ~^only- {number};
}}
{plain}"
    )
}

/// The variable with the kind of a request that says more than a visitor does, or has a cookie.
fn said(site: &Site) -> String {
    variable(&site.app, "said")
}

/// The kind of whoever says nothing and has no cookie: the number by address and browser, which the long way would give as
/// well.
fn plain(site: &Site) -> String {
    let (bucket, said, rows) = (bucket(&site.app), said(site), rows());
    let header = variable_of_header();
    format!(
        "
# Most requests say nothing and have no such cookie: the same number, found sooner.
split_clients $remote_addr$http_user_agent $bg_plain_number {{
{rows}}}

map {header}$cookie_bg_visitor {bucket} {{
    default {said};
    \"\"      $bg_plain_number;
}}
"
    )
}

/// The directives of the server by which the pages of our own are not taken for a visitor's.
pub(crate) fn asked(site: &Site, extras: &Extras) -> String {
    if extras.are_of_visitors() {
        return String::new();
    }
    let (bucket, said) = (bucket(&site.app), said(site));
    [SLOT_PAGE, READY_PAGE].map(|page| format!("    if ($uri = {page}) {{ set {bucket} {said}; }}\n")).concat()
}

/// nginx's variable with what a request says.
fn variable_of_header() -> String {
    format!("$http_{}", HEADER.to_ascii_lowercase().replace('-', "_"))
}

/// The number of a visitor who gets a cookie: by that from the first request on.
fn known() -> String {
    let rows = rows();
    format!(
        "
map $cookie_bg_visitor $bg_known {{
    default $request_id;
    \"~^[0-9a-f]{{32}}$\" $cookie_bg_visitor;
}}

split_clients $bg_known $bg_known_number {{
{rows}}}
"
    )
}

/// A hundredth of the visitors for each number.
fn rows() -> String {
    (1..=NUMBERS).fold(String::new(), |rows, number| {
        let part = if number < NUMBERS { "1%" } else { "*" };
        let (before, after) = (if number % 10 == 1 { "   " } else { "" }, if number % 10 == 0 { "\n" } else { "" });
        format!("{rows}{before} {part} {number};{after}")
    })
}
