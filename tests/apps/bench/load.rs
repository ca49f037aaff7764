//! Visitors with keep-alive connections who do not retry, GET and POST by turns.
//!
//! Own, because wrk opens a cut connection again without a word and can't say when a request failed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The counts over time are kept in steps of this.
pub(crate) const BUCKET: Duration = Duration::from_millis(100);

const TIMEOUT: Duration = Duration::from_secs(10);
const BODY: &str = "a body that comes back";

/// Visitors at work.
pub(crate) struct Visitors {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

/// What the visitors met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Requests answered with 2xx, in each [`BUCKET`].
    pub(crate) ok: Vec<u64>,
    /// All others, in each [`BUCKET`].
    pub(crate) failed: Vec<u64>,
    /// Those of them that were POSTs.
    pub(crate) failed_posts: u64,
    /// Connections that the server ended without having said so in an answer.
    pub(crate) cut: u64,
}

impl Visitors {
    /// So many connections to `http://127.0.0.1:PORT`; each pauses after each answer.
    pub(crate) fn start(url: &str, connections: usize, pause: Duration) -> Self {
        let address = url.trim_start_matches("http://").parse().expect("the address of a site");
        let stop = Arc::<AtomicBool>::default();
        let began = Instant::now();
        let visitor = |at| {
            let stop = stop.clone();
            // As many kinds of visitors as there are, in turn; a site that has no shares hands it on.
            let number = 1 + at % 100;
            thread::spawn(move || visit(address, number, pause, began, &stop))
        };
        let threads = (0..connections).map(visitor).collect();
        Self { stop, threads }
    }

    /// Ends the visits.
    pub(crate) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for thread in self.threads {
            let one = thread.join().expect("a visitor that does not panic");
            one.ok.iter().enumerate().for_each(|(at, count)| add(&mut all.ok, at, *count));
            one.failed.iter().enumerate().for_each(|(at, count)| add(&mut all.failed, at, *count));
            all.failed_posts += one.failed_posts;
            all.cut += one.cut;
        }
        all
    }
}

impl Tally {
    pub(crate) fn requests(&self) -> u64 {
        self.ok.iter().chain(&self.failed).sum()
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// One visitor, until told to stop.
fn visit(address: SocketAddr, number: usize, pause: Duration, began: Instant, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    let mut turn: usize = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let post = turn.is_multiple_of(2);
        let asked = open(&mut connection, address).and_then(|connection| ask(connection, number, post));
        let cut = connection.is_some() && asked.is_err();
        if !matches!(asked, Ok(Answer { goes_on: true, .. })) {
            connection = None;
        }
        tally.cut += u64::from(cut);
        let good = asked.is_ok_and(|answer| (200..300).contains(&answer.status));
        let bucket = usize::try_from(began.elapsed().as_millis() / BUCKET.as_millis()).unwrap_or_default();
        tally.failed_posts += u64::from(post && !good);
        add(if good { &mut tally.ok } else { &mut tally.failed }, bucket, 1);
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    tally
}

fn add(buckets: &mut Vec<u64>, at: usize, count: u64) {
    if buckets.len() <= at {
        buckets.resize(at + 1, 0);
    }
    buckets[at] += count;
}

struct Answer {
    status: u16,
    goes_on: bool,
}

type Connection = BufReader<TcpStream>;

fn open(connection: &mut Option<Connection>, address: SocketAddr) -> io::Result<&mut Connection> {
    if connection.is_none() {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        *connection = Some(BufReader::new(stream));
    }
    connection.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

/// One request and its whole answer.
fn ask(connection: &mut Connection, number: usize, post: bool) -> io::Result<Answer> {
    let head = format!("HTTP/1.1\r\nHost: app\r\nX-Bg-Visitor: {number}\r\n");
    let request = if post {
        format!("POST /echo {head}Content-Length: {}\r\n\r\n{BODY}", BODY.len())
    } else {
        format!("GET /profile {head}\r\n")
    };
    connection.get_mut().write_all(request.as_bytes())?;
    let status = line(connection)?.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut answer = Answer { status: status.ok_or(io::ErrorKind::InvalidData)?, goes_on: true };
    let mut length = 0;
    loop {
        let header = line(connection)?.to_ascii_lowercase();
        match header.split_once(": ") {
            None => break,
            Some(("content-length", value)) => length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?,
            Some(("connection", "close")) => answer.goes_on = false,
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(answer)
}

fn line(connection: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}
