//! What a request is made of before it is sent: the address, the host that it names, and its headers.
//!
//! Each comes from a person, and is refused where another program would guess: a port that is left out after its colon, a
//! host with a password, a header that would change how the request is sent.

use crate::say::masked_value;
use anyhow::{Context, Result, anyhow, ensure};
use std::fmt::{self, Display};
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use ureq::http::Uri;
use ureq::http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use ureq::http::uri::Authority;

/// An `http` or `https` URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(pub(super) Uri);

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
    pub(super) fn at(&self, host: &str) -> Result<Uri> {
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

    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>> {
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
pub struct Header(pub(super) HeaderName, pub(super) HeaderValue);

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
