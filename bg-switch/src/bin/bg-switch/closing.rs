//! The part of the printed site by which visitors get a page in place of an answer while the site is closed.

use crate::backing::WHO;
use bg_probe::live::front::SLOT_PAGE;
use bg_probe::site::closed::{file, page};
use bg_probe::site::settings::Site;
use bg_probe::site::stand_in::VISITORS;
use bg_probe::site::visitor::PASS_PAGE;

/// The page of nginx's own by which it answers then. A request for it alone is answered 404.
pub(crate) const PATH: &str = "/_bg/closed.html";

/// The header by which the page is known.
pub(crate) const HEADER: &str = "X-Bg-Closed";

/// The directives for the `http` block, the same for all applications. A request is looked at again when nginx answers by
/// the page, so what is found then must not be what was found before. It is used only while the site is closed: who it is
/// that asks is not looked for before.
pub(crate) fn exempt() -> String {
    format!(
        "\
# What is answered while a site is closed: by whom certificates are renewed, who asks for a slot or which one is live, and
# who has a pass.
map {WHO}:$uri $bg_turned_away {{
    volatile;
    default \"\";
    {VISITORS}:{SLOT_PAGE} \"\";
    {VISITORS}:{PATH} \"\";
    {VISITORS}:{PASS_PAGE} \"\";
    \"~^{VISITORS}:/\\.well-known/\" \"\";
    ~^{VISITORS}: 1;
}}
"
    )
}

/// The variable that says whether this request gets the page.
pub(crate) const CLOSED: &str = "$bg_closed";

/// The directives of the server that look whether the site is closed.
pub(crate) fn door(site: &Site) -> String {
    format!(
        "    # While bg-switch has closed the site, by a file, visitors get a page.
    set {CLOSED} \"\";
    if (-f {}) {{ set {CLOSED} $bg_turned_away; }}
",
        file(&site.dir).display()
    )
}

/// The directives of the server that turn away. `418` is an answer that nobody else gives; by `error_page` with a path, nginx
/// asks itself by GET, so that any method gets the page.
pub(crate) fn shut(site: &Site) -> String {
    format!(
        "    if ({CLOSED}) {{ return 418; }}
    error_page 418 =503 {PATH};
    location = {PATH} {{
        internal;
        alias {};
        default_type text/html;
        client_max_body_size 0;
        add_header Retry-After 60 always;
        add_header Cache-Control no-store always;
        add_header {HEADER} yes always;
    }}
",
        page(&site.dir).display()
    )
}
