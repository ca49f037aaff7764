//! One GET on a fresh connection to a server on this machine.
//!
//! The front and the health checks need the same few things, and need them exactly: no proxy from the
//! environment, no redirect followed, no connection used twice, a whole answer within a deadline and within
//! a size.

use crate::os::port::is_reachable;
use crate::say::masked_value;
use anyhow::{Context, Result, anyhow, ensure};
use flate2::read::GzDecoder;
use std::fmt::{self, Display};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::str::FromStr;
use std::time::Duration;
use ureq::http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use ureq::http::uri::Authority;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error};

/// The longest a request may take: a clock can't add just any duration that can be typed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest body that is read, in bytes; a longer one is cut and marked as not whole.
pub const MOST_BODY: usize = 64 * 1024;

/// An `http` or `https` URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

impl Url {
    /// The path that is asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme_str().unwrap_or("http")
    }

    /// The port, where one stands in it.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.port_u16()
    }

    /// Another page of the same host, as the same user.
    #[must_use]
    pub fn on(&self, scheme: &str, port: Option<u16>, path: &str) -> Option<Url> {
        let authority = self.0.authority()?.as_str();
        let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| format!("{userinfo}@")).unwrap_or_default();
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{userinfo}{}{port}{path}", self.0.host()?).parse().ok()
    }

    /// A page of the same site, as a visitor would type it: by this host if one is given, and without a password.
    #[must_use]
    pub fn for_visitors(&self, host: Option<&str>, page: &str) -> String {
        let port = self.port().filter(|_| host.is_none_or(|host| !host.contains(':')));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{page}", self.scheme(), host.or(self.0.host()).unwrap_or_default())
    }

    /// The URL with another host, as a request for that name would carry it.
    fn at(&self, host: &str) -> Result<Uri> {
        let authority = match self.0.port_u16() {
            Some(port) if !host.contains(':') => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let userinfo = self.0.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
        let authority = userinfo.map_or(authority.clone(), |(userinfo, _)| format!("{userinfo}@{authority}"));
        let mut parts = self.0.clone().into_parts();
        parts.authority = Some(authority.parse().with_context(|| format!("{host:?} is not a host"))?);
        Ok(Uri::from_parts(parts)?)
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let host = self.0.host().unwrap_or_default();
        let port = self.0.port_u16().unwrap_or(if self.0.scheme_str() == Some("https") { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = (bare, port).to_socket_addrs().with_context(|| format!("look up {host}"))?;
        Ok(found.collect())
    }
}

impl FromStr for Url {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Url> {
        let not_one =
            || format!("{} is not a URL like http://127.0.0.1/profile", crate::say::quoted(&masked_value(text)));
        let uri: Uri = text.parse().with_context(not_one)?;
        let complete = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some_and(is_complete);
        // It is shown to people, and it stands in the record.
        ensure!(complete && crate::say::clean(text) == text, not_one());
        Ok(Url(uri))
    }
}

impl Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A host for a request to name, with or without a port.
///
/// # Errors
/// When it is not one.
pub fn host(text: &str) -> Result<String> {
    let authority: Option<Authority> = text.parse().ok();
    let named = authority.is_some_and(|authority| is_complete(&authority) && !text.contains('@'));
    ensure!(named, "\"{}\" is not a host like example.org", crate::say::quoted(text));
    Ok(text.to_owned())
}

/// Whether there is a host and, where there is a colon, a port: one that is left out or too high would silently
/// be taken for 80.
fn is_complete(authority: &Authority) -> bool {
    let text = authority.as_str();
    let (_, place) = text.rsplit_once('@').unwrap_or(("", text));
    let port = place.strip_prefix(authority.host());
    !authority.host().is_empty() && (port == Some("") || authority.port_u16().is_some_and(|port| port > 0))
}

/// A header for a request to carry. Its value may be a secret: no message shows it, and neither does `Debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = anyhow::Error;

    /// Reads `NAME: VALUE`. What is wrong is named without the text.
    fn from_str(text: &str) -> Result<Header> {
        let (name, value) = text.split_once(':').context("there is no colon after the name")?;
        let name: HeaderName = name.parse().map_err(|_| anyhow!("what stands before the colon is no name"))?;
        ensure!(name != HOST, "the host is another flag's, --host");
        let is_ours = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name);
        ensure!(!is_ours, "{name} is how the request itself is sent");
        let mut value: HeaderValue = value.trim().parse().map_err(|_| anyhow!("the value of {name} is not usable"))?;
        value.set_sensitive(true);
        Ok(Header(name, value))
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body, at most [`MOST_BODY`] bytes of it; unzipped, where it came as gzip.
    pub body: Vec<u8>,
    /// Whether that is the whole body.
    pub whole: bool,
    /// The `Location` header of a redirect.
    pub location: Option<String>,
    /// The names of its headers, in lower case.
    pub headers: Vec<String>,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// Nothing listens there.
    Refused,
    /// It took longer than the deadline.
    Slow,
    /// Anything else, in words.
    Broken(String),
}

impl Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NoReply::Refused => f.write_str("connection refused"),
            NoReply::Slow => f.write_str("no answer in time"),
            NoReply::Broken(why) => f.write_str(why),
        }
    }
}

/// A GET that can be sent again and again, each time on a connection of its own.
pub struct Get {
    agent: Agent,
    addresses: Vec<SocketAddr>,
    uri: Uri,
    headers: Vec<Header>,
}

impl Get {
    /// Prepares a GET of `url`. With `host`, the request names that host (in the Host header, and in TLS) but
    /// still goes to where `url` points.
    ///
    /// A server reached through an address of this machine needs no valid certificate: nobody else can answer there.
    ///
    /// # Errors
    /// When the host of `url` can't be looked up, or `host` is not one.
    pub fn new(url: &Url, host: Option<&str>) -> Result<Get> {
        let addresses = url.addresses()?;
        let mut config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .user_agent(concat!("bg/", env!("CARGO_PKG_VERSION")));
        // Building a TLS configuration reads in a list of root certificates: not for plain HTTP.
        if url.0.scheme_str() == Some("https") {
            let on_this_machine = addresses.iter().all(|address| is_of_this_machine(address.ip()));
            config = config.tls_config(TlsConfig::builder().disable_verification(on_this_machine).build());
        }
        let agent = Agent::with_parts(config.build(), DefaultConnector::default(), Known(addresses.clone()));
        let uri = host.map_or_else(|| Ok(url.0.clone()), |host| url.at(host))?;
        Ok(Get { agent, addresses, uri, headers: Vec::new() })
    }

    /// The same with these headers.
    #[must_use]
    pub fn with(self, headers: &[Header]) -> Get {
        Get { headers: headers.to_vec(), ..self }
    }

    /// Whether it goes to this machine, where a connection that nobody waits for is refused immediately.
    #[must_use]
    pub fn stays_here(&self) -> bool {
        self.addresses.iter().all(|address| is_of_this_machine(address.ip()))
    }

    /// Whether a connection is refused at every address. Nothing is sent: it takes a small part of the work of a request.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.addresses.iter().all(|address| !is_reachable(*address))
    }

    /// Sends it and waits for the whole answer, `within` at most.
    ///
    /// # Errors
    /// When no answer comes; an answer of any status is one.
    pub fn send(&self, within: Duration) -> Result<Reply, NoReply> {
        self.send_with(&[], within)
    }

    /// The same with further headers, of this request alone: each a name and a value.
    ///
    /// # Errors
    /// Those of [`Get::send`].
    pub fn send_with(&self, headers: &[(&str, &str)], within: Duration) -> Result<Reply, NoReply> {
        self.sent(headers, within).map_err(|error| {
            // Where nothing listens, the kernel may have connected the request to itself, which then read its own words.
            let is_echo = is_nonsense(&error) && self.is_refused();
            if is_echo { NoReply::Refused } else { error.into() }
        })
    }

    fn sent(&self, headers: &[(&str, &str)], within: Duration) -> Result<Reply, Error> {
        let mut response = self.call(headers, within)?;
        let zipped = is_zipped(response.headers());
        let reader = response.body_mut().as_reader();
        let body = if zipped { begin_of(GzDecoder::new(reader)) } else { begin_of(reader) };
        let mut body = body?;
        let whole = body.len() <= MOST_BODY;
        body.truncate(MOST_BODY);
        let location = response.headers().get("location").map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        let headers = response.headers().keys().map(|name| name.as_str().to_owned()).collect();
        Ok(Reply { status: response.status().as_u16(), body, whole, location, headers })
    }

    /// Sends it; the header by which a cache says that the answer is its own, where one does: `age: 7` (RFC 9111), or one
    /// like `x-cache-status: HIT`.
    #[must_use]
    pub fn cache_that_answers(&self, within: Duration) -> Option<String> {
        let response = self.call(&[], within).ok()?;
        response.headers().iter().find_map(|(name, value)| {
            let value = value.to_str().ok()?;
            let is_hit = ["HIT", "STALE", "UPDATING"].iter().any(|word| value.to_ascii_uppercase().contains(word));
            let is_told = name == AGE || (name.as_str().contains("cache") && name != CACHE_CONTROL && is_hit);
            is_told.then(|| crate::say::quoted(&format!("{name}: {value}")))
        })
    }

    fn call(&self, headers: &[(&str, &str)], within: Duration) -> Result<Response<Body>, Error> {
        let request = self.agent.get(&self.uri).header(CONNECTION, "close");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = self.headers.iter().fold(request, |request, Header(name, value)| request.header(name, value));
        request.config().timeout_global(Some(within.min(LONGEST))).build().call()
    }
}

/// Whether what came was no HTTP, or no TLS.
fn is_nonsense(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => false,
        Error::Io(e) => e.kind() == ErrorKind::InvalidData,
        _ => true,
    }
}

/// Whether the body comes as gzip; some servers send it so although nobody asked for it.
fn is_zipped(headers: &HeaderMap) -> bool {
    let encoding = headers.get("content-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["gzip", "x-gzip"].iter().any(|gzip| encoding.trim().eq_ignore_ascii_case(gzip))
}

/// A body, with one byte more than [`MOST_BODY`] where it goes on.
fn begin_of(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    reader.take(MOST_BODY as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

/// A loopback address, or one of this machine's own, as a container's bridge has it: the kernel binds no other (`bind(2)`).
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

impl From<Error> for NoReply {
    fn from(error: Error) -> NoReply {
        match error {
            Error::Timeout(_) => NoReply::Slow,
            Error::Io(e) if e.kind() == ErrorKind::ConnectionRefused => NoReply::Refused,
            Error::Io(e) if e.kind() == ErrorKind::TimedOut => NoReply::Slow,
            // A broken answer may quote the server's own bytes.
            other => NoReply::Broken(crate::say::quoted(&other.to_string())),
        }
    }
}

/// A resolver that has its answer already: the name in a request is a site's and no place.
#[derive(Debug)]
struct Known(Vec<SocketAddr>);

impl Resolver for Known {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        self.0.iter().take(8).for_each(|address| addresses.push(*address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_and_a_host() {
        for bad in ["", "/profile", "127.0.0.1/profile", "ftp://a/b", "http://", "http:///x", "http://a b/"] {
            assert!(bad.parse::<Url>().is_err(), "{bad:?}");
        }
        for bad in [
            "http://a/\u{202e}",
            "http://a:/",
            "http://a:0/",
            "http://a:70000/",
            "http://a:x/",
            "http://[::1]:/",
            "http://u@/",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad:?}");
        }
        for good in ["http://a", "https://a:65535/b?c", "http://[::1]:80/", "http://[::1]/", "http://u:p@a:1/"] {
            assert_eq!(good.parse::<Url>().unwrap().to_string().trim_end_matches('/'), good.trim_end_matches('/'));
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in ["example.org", "example.org:8443", "[::1]:80", "127.0.0.1"] {
            assert_eq!(host(good).unwrap(), good);
        }
        for bad in ["", ":80", "a b", "a/b", "a\nb", "u@a", "a:", "a:0", "a:70000", "http://a"] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value_that_is_never_shown() {
        for good in ["Authorization: Bearer s3cret", "X-A:s3cret", "X-Forwarded-Proto:  s3cret "] {
            let header: Header = good.parse().unwrap();
            assert!(!format!("{header:?}").contains("s3cret"), "{header:?}");
        }
        for bad in ["", "s3cret", ": s3cret", "A B: s3cret", "A: s3cret\n", "host: s3cret", "Connection: s3cret"] {
            // The end of a line is trimmed; within a value it would begin another header.
            let bad = bad.replace('\n', "\nB: c");
            let why = bad.parse::<Header>().unwrap_err();
            assert!(!format!("{why:#}").contains("s3cret"), "{why:#}");
        }
    }

    #[test]
    fn another_host_keeps_the_port_the_path_and_the_password() {
        let url: Url = "https://127.0.0.1:8443/profile".parse().unwrap();
        assert_eq!(url.at("example.org").unwrap(), "https://example.org:8443/profile");
        assert_eq!(url.at("example.org:1").unwrap(), "https://example.org:1/profile");
        assert!(url.at("a b").is_err());
        let url: Url = "https://u:p@127.0.0.1/profile".parse().unwrap();
        assert_eq!(url.at("example.org").unwrap(), "https://u:p@example.org/profile");
    }
}
