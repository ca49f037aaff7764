//! The printed site's `upstream` groups: whether nginx has them.
//!
//! A file that names groups which are not there sends every request into a 502, and nginx does not complain: in a
//! variable `proxy_pass` a name is looked up when it is used (`ngx_http_proxy_module`).

use crate::nginx::Nginx;
use crate::nginx::dump::Dump;
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::site::address::group_of;
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::bucket;

/// How the groups are found.
pub(crate) enum Groups {
    /// nginx has both; the site may also have numbers for its visitors, by which a file may look.
    There(Looks),
    /// No server includes the upstream file yet: the site is still to be installed, and brings them.
    ToCome,
    /// A server includes the file, and nginx has no such groups.
    Missing,
    /// The configuration can't be seen from here.
    Unknown,
}

impl Groups {
    /// Looks whether nginx has the groups of this application.
    pub(crate) fn look(site: &Site, nginx: &Nginx) -> Groups {
        let Some(dump) = nginx.configuration() else { return Groups::Unknown };
        if are_in(dump, site) {
            Groups::There(if has_kinds(dump, site) { Looks::ForKind } else { Looks::ForName })
        } else if dump.includes(&site.upstream_file) {
            Groups::Missing
        } else {
            Groups::ToCome
        }
    }
}

/// Whether nginx knows the kind of a visitor: an upstream file that looks for it where it is not set keeps nginx from
/// starting.
pub(crate) fn has_kinds(dump: &Dump, site: &Site) -> bool {
    let bucket = bucket(&site.app);
    dump.has("map", |words| words.get(2) == Some(&bucket.as_str()))
}

/// What is wrong where nginx has the site of an application whose name differs from this one's by `-` and `_` alone: their
/// variables have the same names, and nginx takes the last one and says nothing.
pub(crate) fn namesake(dump: &Dump, site: &Site) -> Option<String> {
    let bucket = bucket(&site.app);
    let count = dump.count("map", |words| words.get(2) == Some(&bucket.as_str()));
    (count > usize::from(are_in(dump, site))).then(|| {
        format!(
            "nginx has the site of another application whose name differs from {} by - and _ alone: both have the variable \
             {bucket}, and nginx takes the last one and says nothing",
            site.app
        )
    })
}

/// What to do about it.
pub(crate) const NAMESAKE: &str =
    "give one of them another --app, print its site and its upstream file anew, and reload nginx";

fn are_in(dump: &Dump, site: &Site) -> bool {
    site.slots.both().iter().all(|slot| {
        let group = group_of(&site.app, slot);
        dump.has("upstream", |words| words.get(1) == Some(&group.as_str()))
    })
}
