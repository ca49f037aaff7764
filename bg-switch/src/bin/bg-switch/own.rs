//! The parts of a printed site that go by a visitor's own cookies: `--with sticky,preview`.
//!
//! A cookie names a file, and where that is there its holder is the kind of visitor who sees one slot. So neither the
//! upstream file nor a route knows of cookies, and whoever brings none is looked at no further: the path is empty.

use crate::backing::{NOBODY, WHO};
use crate::closing::CLOSED;
use crate::extras::Extras;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::visitor::{PASS_PAGE, Visitor, variable};

/// The directives of the extras, by where they stand.
#[derive(Default)]
pub(crate) struct Own {
    /// In the `http` block.
    pub(crate) http: String,
    /// In the server, before the upstream file.
    pub(crate) server: String,
    /// In the location of the application.
    pub(crate) location: String,
    /// Locations of their own.
    pub(crate) pages: String,
}

/// What the extras add for this site.
pub(crate) fn own(site: &Site, extras: &Extras) -> Own {
    if !extras.are_of_visitors() {
        return Own::default();
    }
    let parts = [Some(ground(site, extras)), extras.sticky.then(|| stay(site)), extras.preview.then(|| pass(site))];
    let all = |part: &dyn Fn(&Own) -> &str| parts.iter().flatten().map(part).collect::<String>();
    Own {
        http: all(&|own| &own.http),
        server: all(&|own| &own.server),
        location: all(&|own| &own.location),
        pages: all(&|own| &own.pages),
    }
}

/// What both need. nginx's table of variables is small, so one has whatever a cookie gives: a kind, or the word of a pass.
fn ground(site: &Site, extras: &Extras) -> Own {
    let (is, kind) = (variable(&site.app, "own"), variable(&site.app, "kind"));
    let of_pass = |slot: &Slot| format!("    \"~^{slot}-[0-9a-f]{{32}}$\" only-{slot};\n");
    let passes = if extras.preview { site.slots.both().each_ref().map(of_pass).concat() } else { String::new() };
    let http = format!(
        "
map $scheme $bg_secure {{
    default \"\";
    https   \"; Secure\";
}}

map {is} {kind} {{
    default {is};
    \"\"      $bg_asked;
{passes}}}
"
    );
    let server = format!("    # A cookie may say which slot its visitor sees.\n    set {is} \"\";\n");
    Own { http, server, ..Own::default() }
}

/// Who has been in a slot stays there while it lingers.
fn stay(site: &Site) -> Own {
    let var = |what| variable(&site.app, what);
    let [slot, is, stays, cookie] = ["slot", "own", "stays", "cookie"].map(var);
    let name = slot.trim_start_matches('$');
    let live = site.dir.live();
    let [first, second] = site.slots.both();
    let rows = |row: &dyn Fn(&Slot) -> String| [first, second].map(row).concat();
    let files = rows(&|slot| {
        let file = live.join(Visitor::WasIn(slot.name.clone()).file(slot));
        format!("    :{slot} {0};\n    live:{slot} {0};\n", file.display())
    });
    let same = rows(&|slot| format!("    {slot}:{slot} \"\";\n"));
    let http = format!(
        "
# Who was in a slot before, by the cookie {name}, stays there while there is a file for it.
map $bg_asked:$cookie_{name} {stays} {{
    default \"\";
{files}}}

map {slot}:$cookie_{name} {cookie} {{
    default \"\";
{same}    ~^({first}|{second}): \"{name}=$1; Path=/; HttpOnly; SameSite=Lax$bg_secure\";
}}

map $cookie_bg_visitor $bg_visitor_cookie {{
    default \"bg_visitor=$request_id; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax$bg_secure\";
    \"~^[0-9a-f]{{32}}$\" \"\";
}}
"
    );
    let server = format!("    if (-f {stays}) {{ set {is} only-$cookie_{name}; }}\n");
    let location = format!(
        "
        # By these a visitor is known again. A location with an add_header of its own needs them as well.
        add_header Set-Cookie $bg_visitor_cookie always;
        add_header Set-Cookie {cookie} always;
"
    );
    Own { http, server, location, ..Own::default() }
}

/// Whoever has a pass sees its slot.
fn pass(site: &Site) -> Own {
    let var = |what| variable(&site.app, what);
    let [pass, is] = ["pass", "own"].map(var);
    let name = pass.trim_start_matches('$');
    let folder = site.dir.passes();
    let folder = folder.display();
    let [first, second] = site.slots.both();
    let token = format!("(?:{first}|{second})-[0-9a-f]{{32}}");
    let http = format!(
        "
# A pass is a file that bg-switch makes: who has its token, in the cookie {name}, sees the slot.
map $bg_asked:$cookie_{name} {pass} {{
    default \"\";
    :       \"\";
    live:   \"\";
    \"~^(?:live)?:({token})$\" {folder}/$1;
}}
"
    );
    // A pass is for one slot, so the other does not stand in for it; and it opens a door that is closed.
    let opened = format!("set {CLOSED} \"\"; set {WHO} {NOBODY};");
    let server = format!("    if (-f {pass}) {{ set {is} $cookie_{name}; {opened} }}\n");
    let pages = format!(
        "
    # Gives the cookie of a pass to whoever has its URL.
    location = {PASS_PAGE} {{
        absolute_redirect off;
        set {is} \"\";
        if ($arg_pass ~ \"^{token}$\") {{ set {is} {folder}/$arg_pass; }}
        if (-f {is}) {{
            add_header Set-Cookie \"{name}=$arg_pass; Path=/; HttpOnly; SameSite=Lax$bg_secure\";
            add_header Cache-Control no-store;
            return 302 /;
        }}
        return 404;
    }}
"
    );
    Own { http, server, pages, ..Own::default() }
}

/// The variable with the kind of visitor before it is one of those that there are files for, and the one with a visitor's
/// number.
pub(crate) fn sources(site: &Site, extras: &Extras) -> (String, &'static str) {
    let kind = if extras.are_of_visitors() { variable(&site.app, "kind") } else { "$bg_asked".to_owned() };
    (kind, if extras.sticky { "$bg_known_number" } else { "$bg_number" })
}
