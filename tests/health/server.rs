//! An application that the test plays itself, answer by answer, and that remembers when it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// One request: its path, when it came, and its whole head.
type Asked = (String, Instant, String);

/// A server on 127.0.0.1, one connection at a time, until it is dropped.
pub(crate) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on `port`; `play` is handed each request's path, how many came for that path before, and the
    /// connection to answer on.
    #[track_caller]
    pub(crate) fn start(port: u16, play: impl Fn(&str, usize, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of this world");
        let (asked, stop) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let (seen, stopped) = (asked.clone(), stop.clone());
        let thread = thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Some((path, head)) = request(&stream) else { continue };
                let mut asked = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let before = asked.iter().filter(|(other, ..)| *other == path).count();
                asked.push((path.clone(), Instant::now(), head));
                drop(asked);
                play(&path, before, &mut stream);
            }
        });
        Self { port, asked, stop, thread: Some(thread) }
    }

    /// Serves whole answers: a status and a body for a path and how often it was asked for before.
    #[track_caller]
    pub(crate) fn answering(port: u16, answer: impl Fn(&str, usize) -> (u16, String) + Send + 'static) -> Self {
        Self::start(port, move |path, before, stream| {
            let (status, body) = answer(path, before);
            let head = format!("HTTP/1.1 {status} Played\r\nContent-Length: {}\r\n\r\n", body.len());
            // Whoever does not wait for the whole answer need not have it.
            let _ = stream.write_all((head + &body).as_bytes());
        })
    }

    /// When a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|(other, ..)| other == path).map(|(_, at, _)| *at).collect()
    }

    /// The heads of the requests for a path, in lower case.
    pub(crate) fn heads(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|(other, ..)| other == path).map(|(.., head)| head.to_lowercase()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.thread.take().map(JoinHandle::join);
    }
}

/// The path of a request and its head, read to its end; `None` for a connection without one.
fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut head = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        if line.is_empty() {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some((path, head));
        }
        head += &(line + "\n");
    }
    None
}
