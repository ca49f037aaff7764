//! The part of the printed site by which the other slot stands in for one in which nothing listens.

use bg_probe::nginx::upstream::VARIABLE;
use bg_probe::site::address::backed_group_of;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::stand_in::{HEADER, VISITORS, folder};

/// The variable that says whether a request is a visitor's: the same for all applications.
pub(crate) const WHO: &str = "$bg_who";

/// What it says of a request that is no visitor's. There is no file of that name.
pub(crate) const NOBODY: &str = "nobody";

/// The directive for the `http` block that sets it. Who says which slot is asked, and who asks which one is live, is told the
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

/// The directives of the server that choose the group, given the variable with the slot's name.
pub(crate) fn choice(site: &Site, slot: &str) -> String {
    let folder = folder(&site.dir, WHO);
    let backed = site.address.by_backed_group(&site.app, slot);
    format!(
        "    # Where the other slot may stand in, which bg-switch and bg-launch say by a file, it is asked when nothing
    # listens in this one. A slow answer is no reason, and neither is a POST that was sent already.
    if (-f {}/{slot}) {{ set {VARIABLE} {backed}; }}
    proxy_next_upstream error;
",
        folder.display()
    )
}

/// The directive of the page that names the live slot by which it says that the other one may stand in.
pub(crate) fn told(site: &Site, slot: &str) -> String {
    let folder = folder(&site.dir, VISITORS);
    format!("if (-f {}/{slot}) {{ add_header {HEADER} yes; return 200 \"{slot}\\n\"; }}", folder.display())
}
