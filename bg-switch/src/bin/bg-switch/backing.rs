//! The part of the printed site by which the other slot stands in for one in which nothing listens.

use bg_probe::nginx::upstream::VARIABLE;
use bg_probe::site::address::backed_group_of;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::stand_in::{HEADER, VISITORS, folder};
use bg_probe::site::visitor::variable;

/// The variable that says whether a request is a visitor's: the same for all applications.
pub(crate) const WHO: &str = "$bg_who";

/// What it says of a request that is no visitor's. There is no file of that name.
pub(crate) const NOBODY: &str = "nobody";

/// The directives for the `http` block that set it, and that say what is lost. Who says which slot is asked, and who asks which one is live, is told the
/// truth.
pub(crate) fn who() -> String {
    format!(
        "\
# Who asks for a slot, or which one is live, is no visitor: for those the other slot does not stand in.
map $bg_asked {WHO} {{
    default {NOBODY};
    \"\" {VISITORS};
    \"~^[0-9]\" {VISITORS};
}}

# What must not be asked again: it may have been done, or was answered in part.
map $request_method:$upstream_bytes_sent:$upstream_bytes_received $bg_is_lost {{
    default \"\";
    \"~^[A-Z]+:[^:]*:.*[1-9]\" 1;
    \"~^(?:POST|LOCK|PATCH):[^:]*[1-9]\" 1;
}}
"
    )
}

/// A slot's group in which the other one stands in. A slot is asked first again as soon as it listens, however often it
/// did not.
pub(crate) fn group(site: &Site, slot: &Slot) -> String {
    let server = |slot| site.address.server(slot);
    let other = site.slots.other(&slot.name);
    format!(
        "upstream {} {{\n    server {} max_fails=0;\n    server {} max_fails=0 backup;\n    keepalive 64;\n    \
         keepalive_timeout 100ms;\n}}\n",
        backed_group_of(&site.app, slot.name.as_str()),
        server(slot),
        server(other)
    )
}

/// The name of the location in which the other slot is asked.
pub(crate) fn place(site: &Site) -> String {
    variable(&site.app, "stand_in").trim_start_matches('$').to_owned()
}

/// The directives of the server by which the other slot is asked, given the variable with the slot's name, what is passed
/// to, and what stands in each location of the application. They cost nothing while there is an answer.
pub(crate) fn stand_in(site: &Site, slot: &str, pass: &str, settings: &str) -> String {
    let folder = folder(&site.dir, WHO);
    let backed = site.address.by_backed_group(&site.app, slot);
    let place = place(site);
    format!(
        "    # Where the other slot may stand in, which bg-switch and bg-launch say by a file, it is asked when nothing
    # listens in this one. A slow answer is no reason, and neither is a POST that was sent already. A location
    # with an error_page of its own needs the first line as well, and an error_page of your own for 502 belongs
    # into the location below, which has what location / has.
    error_page 502 = @{place};
    proxy_next_upstream error;
    location @{place} {{
        if ($bg_is_lost) {{ return 502; }}
        if (!-f {}/{slot}) {{ return 502; }}
        set {VARIABLE} {backed};
        proxy_pass {pass};
{settings}    }}
",
        folder.display()
    )
}

/// The directive of the page that names the live slot by which it says that the other one may stand in.
pub(crate) fn told(site: &Site, slot: &str) -> String {
    let folder = folder(&site.dir, VISITORS);
    format!("if (-f {}/{slot}) {{ add_header {HEADER} yes; return 200 \"{slot}\\n\"; }}", folder.display())
}
