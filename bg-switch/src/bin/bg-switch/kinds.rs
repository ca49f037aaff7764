//! The part of the printed site that gives each request its kind of visitor, by which the link form looks for a file.

use bg_probe::live::front::SLOT_PAGE;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::visitor::{NUMBERS, Visitor, bucket, variable};

/// The directives, for the `http` block. In most requests the kind is found in two tables, without a regular expression.
pub(crate) fn kinds(site: &Site) -> String {
    let app = &site.app;
    let [visitor, number, usual] = ["visitor", "number", "usual"].map(|what| variable(app, what));
    let (prober, rows, said) = (Visitor::Prober.kind(), rows(), said(site, &usual));
    format!(
        "\
# Each visitor has a number from 1 to {NUMBERS}, by the cookie bg_visitor if there is one, else by address
# and browser: bg-switch --share 10 moves ten of them.
map $cookie_bg_visitor {visitor} {{
    default $remote_addr$http_user_agent;
    \"\"      $remote_addr$http_user_agent;
    \"~^[0-9a-f]{{32}}$\" $cookie_bg_visitor;
}}

split_clients \"{app}{visitor}\" {number} {{
{rows}}}

# Who asks which slot is live is no visitor.
map $uri {usual} {{
    default {number};
    {SLOT_PAGE} {prober};
}}

{said}"
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

/// What a request may say about its visitor, and from where.
fn said(site: &Site, usual: &str) -> String {
    let [is_here, said, n] = ["is_here", "said", "n"].map(|what| variable(&site.app, what));
    let (bucket, prober, preview) = (bucket(&site.app), Visitor::Prober.kind(), Visitor::Preview.kind());
    let capture = n.trim_start_matches('$');
    let only = site.slots.both().each_ref().map(only).concat();
    format!(
        "\
# A request from this machine, but not by way of a proxy on it, may say which visitor it is. A socket
# of this machine has no address, which counts as the last one.
geo {is_here} {{
    default         0;
    127.0.0.0/8     1;
    ::1             1;
    255.255.255.255 1;
}}

map {is_here}$http_x_forwarded_for$http_forwarded$http_via:$http_x_bg_visitor {said} {{
    default {usual};
    1:{prober} {prober};
    1:{preview} {preview};
{only}    \"~^1:(?<{capture}>[1-9][0-9]?|100)$\" {n};
}}

map $http_x_bg_visitor {bucket} {{
    default {said};
    \"\"      {usual};
}}
"
    )
}

/// The line of who says that it is this slot that is asked; none where its name means another kind.
fn only(slot: &Slot) -> String {
    let name = slot.name.as_str();
    let means_a_role = [Visitor::Prober, Visitor::Preview].iter().any(|kind| kind.kind() == name);
    if means_a_role || name.parse::<u8>().is_ok() {
        return String::new();
    }
    format!("    1:{slot} {};\n", Visitor::Of(slot.name.clone()).kind())
}
