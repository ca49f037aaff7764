//! One GET on a fresh connection to a server on this machine.
//!
//! The front and the health checks need the same few things, and need them exactly: no proxy from the
//! environment, no redirect followed, no connection used twice, a whole answer within a deadline and within
//! a size.

mod url;

pub use url::{Header, Url, host};

use crate::os::port::is_reachable;
use anyhow::Result;
use flate2::read::GzDecoder;
use std::fmt::{self, Display};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;
use ureq::http::header::{AGE, CACHE_CONTROL, CONNECTION};
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error};

/// The longest a request may take: a clock can't add just any duration that can be typed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Room for the headers of an answer, in bytes: the most that ureq takes, and a body's first piece. Each connection fills its
/// room with zeros, and by itself it would be twice 128 KiB: that took longer than the request.
const ROOM_IN: usize = (64 + 4) * 1024;

/// Room for a request, in bytes, besides the headers that somebody has given.
const ROOM_OUT: usize = 4 * 1024;

/// The longest body that is read, in bytes; a longer one is cut and marked as not whole.
pub const MOST_BODY: usize = 64 * 1024;

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
            .input_buffer_size(ROOM_IN)
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
        request
            .config()
            .output_buffer_size(self.room_out(headers))
            .timeout_global(Some(within.min(LONGEST)))
            .build()
            .call()
    }

    /// Room for the whole request: a header that is longer than the room can't be sent.
    fn room_out(&self, headers: &[(&str, &str)]) -> usize {
        let given: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let own: usize = self.headers.iter().map(|Header(name, value)| name.as_str().len() + value.len()).sum();
        let uri = self.uri.authority().map_or(0, |authority| authority.as_str().len()) + self.uri.path().len();
        ROOM_OUT + uri + self.uri.query().map_or(0, str::len) + given + own
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
