//! Visitors that stay: connections that carry one request after another and do not forgive.
//!
//! A browser repeats a GET whose connection was cut, and nobody notices; a POST is lost. So nothing is repeated
//! here, and a connection that ends without the server having said so counts as cut.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two requests of one connection, which leaves the machine to what is tested.
const PACE: Duration = Duration::from_millis(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connections in use until they are stopped.
#[derive(Debug)]
pub struct KeepAlive {
    sent: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    stops: Vec<Sender<()>>,
    visitors: Vec<JoinHandle<()>>,
}

impl KeepAlive {
    /// Opens so many connections to `http://ADDRESS/path` and uses each without a pause.
    #[track_caller]
    #[must_use]
    pub fn start(method: &'static str, url: &str, connections: usize) -> Self {
        let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
        let address: SocketAddr = address.parse().expect("an address");
        let body = if method == "POST" { "some=thing" } else { "" };
        let request =
            format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (sent, failures) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<String>>>::default());
        let visit = |_| {
            let (stop, stopped) = mpsc::channel();
            let (request, sent, failures) = (request.clone(), sent.clone(), failures.clone());
            let visitor = thread::spawn(move || {
                let mut connection = None;
                while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                    let answered = converse(&mut connection, address, &request);
                    sent.fetch_add(1, Ordering::Relaxed);
                    if let Err(why) = answered {
                        connection = None;
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                    }
                }
            });
            (stop, visitor)
        };
        let (stops, visitors) = (0..connections).map(visit).unzip();
        Self { sent, failures, stops, visitors }
    }

    /// How many requests were answered or failed so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends them after the request each is in; what went wrong: requests answered with anything but 2xx, and
    /// connections cut.
    #[track_caller]
    #[must_use]
    pub fn stop(self) -> Vec<String> {
        drop(self.stops);
        for visitor in self.visitors {
            visitor.join().expect("a visitor that does not panic");
        }
        std::mem::take(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request on the connection, which is opened where there is none.
fn converse(connection: &mut Option<BufReader<TcpStream>>, address: SocketAddr, request: &str) -> Result<(), String> {
    if connection.is_none() {
        *connection = Some(open(address).map_err(|error| format!("not opened: {error}"))?);
    }
    let Some(stream) = connection else { return Ok(()) };
    stream.get_mut().write_all(request.as_bytes()).map_err(|error| format!("cut: {error}"))?;
    let (status, stays) = answer(stream).map_err(|error| format!("cut: {error}"))?;
    if !stays {
        *connection = None;
    }
    if (200..300).contains(&status) { Ok(()) } else { Err(status.to_string()) }
}

fn open(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(BufReader::new(stream))
}

/// The status of the answer, and whether the server means to keep the connection.
fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, bool)> {
    let first = line(stream)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let (mut length, mut stays) = (0, true);
    loop {
        let header = line(stream)?.to_ascii_lowercase();
        match header.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().map_err(io::Error::other)?,
            Some(("connection", value)) => stays = value.trim() != "close",
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, stays))
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
