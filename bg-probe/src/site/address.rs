//! Where nginx reaches a slot, and where this machine asks it.
//!
//! Most sites have `http://127.0.0.1:8081`. Others speak https to their application, run nginx in a container that
//! reaches the host by another name, or have the application below a path. What stands around the port is the same for
//! both slots, so it is one setting, and a switch changes the port alone.

use crate::os::port;
use crate::say::{clean, masked_value, quoted};
use crate::site::slot::{Name, Slot, Slots};
use anyhow::{Context, Result, ensure};
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// What stands in a template where the slot's port goes.
const PORT: &str = "{port}";

/// How a slot is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS; a certificate is not looked at, for nobody but this machine answers there.
    Https,
}

/// The address of a slot less its port, `http://127.0.0.1:{port}/app`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    /// As it stands in a URL: a name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    /// Everything behind the port: nothing, or a path.
    rest: String,
}

/// How an address that was read names its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By the slot's port.
    Port,
    /// By the `upstream` group of the printed site.
    Group,
}

/// An address as it was read: of which slot, and what stands around the slot's port or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The slot.
    pub slot: &'a Slot,
    /// How the address names it.
    pub by: By,
    /// Its scheme, host and path; of a group, whose host is not known, the host is 127.0.0.1.
    pub address: Address,
}

/// An IP address, never `localhost`: in a variable `proxy_pass` a name needs a resolver.
const LOOPBACK: &str = "127.0.0.1";

impl Default for Address {
    fn default() -> Address {
        Address { scheme: Scheme::Http, host: LOOPBACK.to_owned(), rest: String::new() }
    }
}

impl Address {
    /// The address as nginx's configuration has it for `slot`: `http://127.0.0.1:8081/app`.
    #[must_use]
    pub fn of(&self, slot: &Slot) -> String {
        format!("{}://{}{}", self.scheme, self.server(slot), self.rest)
    }

    /// The address by the slot's `upstream` group: `http://web_set1/app`.
    #[must_use]
    pub fn by_group(&self, app: &Name, slot: &Slot) -> String {
        format!("{}://{}{}", self.scheme, group_of(app, slot), self.rest)
    }

    /// The address by the group of the slot that `name` stands for in nginx's configuration, in which the other slot stands
    /// in.
    #[must_use]
    pub fn by_backed_group(&self, app: &Name, name: &str) -> String {
        format!("{}://{}{}", self.scheme, backed_group_of(app, name), self.rest)
    }

    /// The address as a new file has it: by the slot's group where the host is a name, for in a variable `proxy_pass` a
    /// name that is no group is looked up by a `resolver` at each request, and most sites have none
    /// (`ngx_http_proxy_module`).
    #[must_use]
    pub fn in_a_new_file(&self, app: &Name, slot: &Slot) -> String {
        if self.ip().is_some() { self.of(slot) } else { self.by_group(app, slot) }
    }

    /// Host and port, as they stand in a `server` directive of an `upstream` group.
    #[must_use]
    pub fn server(&self, slot: &Slot) -> String {
        format!("{}:{}", self.host, slot.port)
    }

    /// Whether anything stands behind the port. In a variable `proxy_pass` it takes the place of the request's own URI,
    /// so that this has to be added (`ngx_http_proxy_module`).
    #[must_use]
    pub fn has_path(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The URL at which this machine asks the application in `slot` for `path`. A host that is a name may be one that
    /// nginx alone knows, as in a container: then this machine is asked by its loopback address.
    #[must_use]
    pub fn ask(&self, slot: &Slot, path: &str) -> String {
        format!("{}://{}:{}{path}", self.scheme, self.asked(), slot.port)
    }

    /// The host that this machine asks.
    #[must_use]
    pub fn asked(&self) -> &str {
        if self.ip().is_some() { &self.host } else { LOOPBACK }
    }

    /// Whether the application in `slot` takes connections there, as nginx would find out. Of a host that nginx alone
    /// knows, no more is known than that something listens on the port.
    #[must_use]
    pub fn is_reachable(&self, slot: &Slot) -> bool {
        match self.ip() {
            Some(ip) => port::is_reachable(SocketAddr::from((ip, slot.port))),
            None => port::listens(slot.port),
        }
    }

    /// The address in a text of nginx's configuration, where it is a slot's: by its port, whatever the host, or by its
    /// group.
    #[must_use]
    pub fn find<'a>(text: &str, app: &Name, slots: &'a Slots) -> Option<Found<'a>> {
        let (scheme, after) = scheme_of(text)?;
        let end = after.find(['/', '?', '#', '$']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        let found = |slot, by, host: &str| {
            Some(Found { slot, by, address: Address { scheme, host: host.to_owned(), rest: rest.to_owned() } })
        };
        if let Some(slot) = slots.both().iter().find(|slot| group_of(app, slot) == authority) {
            return found(slot, By::Group, LOOPBACK);
        }
        let (host, port) = authority.rsplit_once(':')?;
        let slot = slots.both().iter().find(|slot| port.parse() == Ok(slot.port))?;
        if is_host(host) { found(slot, By::Port, host) } else { None }
    }

    /// This address at the host of another.
    #[must_use]
    pub fn at_the_host_of(self, other: &Address) -> Address {
        Address { host: other.host.clone(), ..self }
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

impl Found<'_> {
    /// The same address for another slot.
    #[must_use]
    pub fn moved_to(&self, app: &Name, slot: &Slot) -> String {
        match self.by {
            By::Port => self.address.of(slot),
            By::Group => self.address.by_group(app, slot),
        }
    }
}

/// The name of a slot's `upstream` group in the printed site.
#[must_use]
pub fn group_of(app: &Name, slot: &Slot) -> String {
    format!("{app}_{}", slot.name)
}

/// The name of a slot's group in which the other slot stands in. A dot is in no slot's name, so this is no other's group.
#[must_use]
pub fn backed_group_of(app: &Name, slot: &str) -> String {
    format!("{app}_{slot}.backed")
}

fn scheme_of(text: &str) -> Option<(Scheme, &str)> {
    let plain = text.strip_prefix("http://").map(|rest| (Scheme::Http, rest));
    plain.or_else(|| Some((Scheme::Https, text.strip_prefix("https://")?)))
}

/// A name or an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c)),
    }
}

impl FromStr for Address {
    type Err = anyhow::Error;

    /// Reads `http://127.0.0.1:{port}/app`. What stands in it goes into nginx's configuration, so nothing that ends
    /// a directive gets through.
    fn from_str(text: &str) -> Result<Address> {
        let not_one = || format!("\"{}\" is not an address like http://127.0.0.1:{PORT}", quoted(&masked_value(text)));
        let (scheme, after) = scheme_of(text).with_context(not_one)?;
        let (host, rest) = after.split_once(&format!(":{PORT}")).with_context(not_one)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-~%+@,=$".contains(c);
        let is_path = rest.is_empty() || (rest.starts_with(['/', '$']) && rest.chars().all(plain));
        ensure!(is_host(host) && is_path && clean(text) == text, not_one());
        Ok(Address { scheme, host: host.to_owned(), rest: rest.to_owned() })
    }
}

impl Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}://{}:{PORT}{}", self.scheme, self.host, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<(String, By, String)> {
        let slots = "set1=8081,set2=8082".parse().unwrap();
        let found = Address::find(text, &"web".parse().unwrap(), &slots)?;
        Some((found.slot.name.to_string(), found.by, found.address.to_string()))
    }

    #[test]
    fn a_template_comes_out_as_it_went_in_and_nothing_else_goes_in() {
        for good in [
            "http://127.0.0.1:{port}",
            "https://[::1]:{port}/app",
            "http://host.docker.internal:{port}",
            "http://172.17.0.1:{port}/a/b_c",
        ] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "127.0.0.1:{port}",
            "http://127.0.0.1",
            "http://:{port}",
            "http://a b:{port}",
            "http://::1:{port}",
            "http://a:{port}x",
            "http://a:{port}/;",
            "http://a:{port}/{port}",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_slots_by_its_port_or_its_group() {
        for (text, slot, by, address) in [
            ("http://127.0.0.1:8082", "set2", By::Port, "http://127.0.0.1:{port}"),
            ("https://127.0.0.1:8081/", "set1", By::Port, "https://127.0.0.1:{port}/"),
            ("http://172.17.0.1:8081/app", "set1", By::Port, "http://172.17.0.1:{port}/app"),
            ("http://[::1]:8082$request_uri", "set2", By::Port, "http://[::1]:{port}$request_uri"),
            ("https://web_set2/app", "set2", By::Group, "https://127.0.0.1:{port}/app"),
        ] {
            assert_eq!(find(text), Some((slot.to_owned(), by, address.to_owned())), "{text}");
        }
        for text in
            ["", "127.0.0.1:8081", "http://127.0.0.1:", "http://web-blue:8080", "http://web_set3", "http://a b:8081"]
        {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn a_new_file_names_the_group_where_the_host_is_a_name() {
        let (app, slot) = ("web".parse().unwrap(), Slot { name: "set1".parse().unwrap(), port: 8081 });
        let spelled = |text: &str| text.parse::<Address>().unwrap().in_a_new_file(&app, &slot);
        assert_eq!(spelled("http://host.docker.internal:{port}/app"), "http://web_set1/app");
        assert_eq!(spelled("http://172.17.0.1:{port}"), "http://172.17.0.1:8081");
    }

    #[test]
    fn a_name_is_for_nginx_and_this_machine_asks_itself() {
        let slot = Slot { name: "set1".parse().unwrap(), port: 8081 };
        let ask = |text: &str| text.parse::<Address>().unwrap().ask(&slot, "/health");
        assert_eq!(ask("https://host.docker.internal:{port}/app"), "https://127.0.0.1:8081/health");
        assert_eq!(ask("http://[::1]:{port}"), "http://[::1]:8081/health");
        assert_eq!(ask("http://172.17.0.1:{port}"), "http://172.17.0.1:8081/health");
    }
}
