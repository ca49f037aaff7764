//! Browsers with a WebSocket open: one frame after another goes out and has to come back, as long as it lasts.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(20);
const TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: &[u8] = b"ping";
/// A text frame with a mask of zeros, as a client sends it (RFC 6455, 5.2).
const FRAME: &[u8] = b"\x81\x84\0\0\0\0ping";

/// Open WebSockets.
pub(crate) struct WebSockets {
    stop: Arc<AtomicBool>,
    /// The thread of each that could be opened.
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl WebSockets {
    /// Opens so many at `http://127.0.0.1:PORT`, as far as the site lets them through.
    pub(crate) fn open(url: &str, count: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let opened = (0..count).filter_map(|_| connect(url).ok());
        let threads = opened.map(|stream| {
            let stop = stop.clone();
            thread::spawn(move || talk(stream, &stop))
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    /// Closes them: how many were opened, and how many of these did not last.
    pub(crate) fn close(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let opened = self.threads.len();
        let lost = self.threads.into_iter().filter_map(|thread| thread.join().ok()).filter(Result::is_err).count();
        (opened, lost)
    }
}

fn connect(url: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(
        b"GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let upgraded = head.starts_with(b"HTTP/1.1 101 ");
    if upgraded { Ok(stream) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}

fn talk(mut stream: TcpStream, stop: &AtomicBool) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(FRAME)?;
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let mask = if head[1] & 0x80 == 0 { 0 } else { 4 };
        let mut back = vec![0; mask + TEXT.len()];
        stream.read_exact(&mut back)?;
        if back[mask..] != *TEXT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
