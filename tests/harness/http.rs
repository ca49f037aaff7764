//! One request on one fresh connection, which is what a new visitor sees.
//!
//! Own, because a library would pool connections, follow redirects and retry, and so hide what the
//! tests are about.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST: usize = 1 << 20;

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

impl Response {
    /// The first header of that name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// GET an `http://127.0.0.1:PORT/path` URL.
///
/// # Errors
/// No connection, no whole answer within 10 s, or one past 1 MiB.
pub fn get(url: &str) -> io::Result<Response> {
    request("GET", url, &[], b"")
}

/// Sends any request to an `http://127.0.0.1:PORT/path` URL.
///
/// # Errors
/// As [`get`].
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
    receive(&mut send(method, url, headers, body)?)
}

/// Sends a request, and leaves the answer to [`receive`].
pub(crate) fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<TcpStream> {
    let (address, path) = split(url).ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    let host = address.to_string();
    let length = body.len().to_string();
    let ours = [("Host", host.as_str()), ("Content-Length", length.as_str())];
    let others = ours.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    // HTTP/1.0: the answer ends with the connection, so there is no chunked coding to undo.
    let first = format!("{method} {path} HTTP/1.0\r\n");
    let lines = headers.iter().chain(others).map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = [first].into_iter().chain(lines).collect::<Vec<_>>().concat();
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
    Ok(stream)
}

/// The answer to what was sent.
pub(crate) fn receive(stream: &mut TcpStream) -> io::Result<Response> {
    parse(&read_to_end(stream)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn split(url: &str) -> Option<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (address, path) = rest.split_at(slash);
    Some((address.parse().ok()?, if path.is_empty() { "/" } else { path }))
}

/// As `Read::read_to_end`, but with a deadline for the whole and a limit.
fn read_to_end(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let end = Instant::now() + TIMEOUT;
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    while bytes.len() <= LONGEST {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            // assert_cmd's timeouts handle SIGCHLD, and a read with a timeout is not restarted, signal(7).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::FileTooLarge.into())
}

/// `None` for an answer that is malformed or was cut short.
fn parse(bytes: &[u8]) -> Option<Response> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]);
    let body = &bytes[split + 4..];
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body_text = String::from_utf8_lossy(body).into_owned();
    let response = Response { status, headers, body: body_text };
    match response.header("content-length") {
        Some(length) if length.parse() != Ok(body.len()) => None,
        _ => Some(response),
    }
}
