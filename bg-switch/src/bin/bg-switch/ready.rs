//! The part of the printed site that tells a load balancer whether to send visitors to this host.
//!
//! It is ready where visitors are answered: the live slot listens, or the other one stands in for it. To find that out nginx
//! asks the application for this very page, and any answer is one, 404 as well, for an application knows nothing of the page;
//! whether the application is healthy is asked before a switch, and not by every host of a fleet at once.

use bg_probe::nginx::upstream::VARIABLE;
use bg_probe::site::closed;
use bg_probe::site::drained;
use bg_probe::site::settings::Site;
use bg_probe::site::stand_in;
use bg_probe::site::visitor::variable;

/// The page.
pub(crate) const READY_PAGE: &str = "/_bg/ready";

/// What the page says on a host that is drained.
pub(crate) const DRAINED: &str = "drained\n";

/// The answers of an application that would not be taken for a yes.
const ANSWERS: &str =
    "300 301 302 303 304 305 307 308 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416
                   417 418 421 422 423 424 425 426 428 429 431 451 500 501 502 503 504 505 506 507 508 510 511";

/// The value of the variable with who asks, for those that may ask for this page alone.
pub(crate) const BALANCER: u8 = 2;

/// The directive for the `http` block, the same for all applications: whether a slot has answered.
pub(crate) fn answered() -> &'static str {
    "\
map $upstream_header_time $bg_answered {
    default  \"\";
    \"~[0-9]\" 1;
}
"
}

/// The locations; `asker` is the variable with who asks, `slot` the one with the live slot's name, `pass` is what is passed to,
/// and `settings` is what stands in each location of the application.
pub(crate) fn page(site: &Site, asker: &str, slot: &str, pass: &str, settings: &str) -> String {
    let told = variable(&site.app, "ready");
    let told = told.trim_start_matches('$');
    let stand_in = stand_in::folder(&site.dir, stand_in::VISITORS);
    format!(
        "
    # For a load balancer: 200 while visitors are answered here, 503 while they are not, the site is
    # closed, or bg-switch has drained this host.
    location = {READY_PAGE} {{
        default_type text/plain;
        access_log off;
        if ({asker} = 0) {{ return 404 \"not found\\n\"; }}
        if (-f {drained}) {{ return 503 \"drained\\n\"; }}
        if (-f {closed}) {{ return 503 \"closed\\n\"; }}
        if (-f {stand_in}/{slot}) {{ set {VARIABLE} {backed}; }}
        proxy_pass {pass};
{settings}        proxy_set_header Content-Length \"\";
        proxy_pass_request_body off;
        proxy_connect_timeout 1s;
        proxy_read_timeout 5s;
        # Any answer of the application will do.
        proxy_intercept_errors on;
        error_page {ANSWERS} = @{told};
    }}
    location @{told} {{
        default_type text/plain;
        access_log off;
        if ($bg_answered) {{ return 200 \"ready\\n\"; }}
        return 503 \"down\\n\";
    }}
",
        drained = drained::file(&site.dir).display(),
        closed = closed::file(&site.dir).display(),
        stand_in = stand_in.display(),
        backed = site.address.by_backed_group(&site.app, slot),
    )
}
