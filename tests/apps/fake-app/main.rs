//! `fake-app`: an application that boots, serves and misbehaves as its flags say.
//!
//! Well-behaved, it listens on 127.0.0.1:$PORT and finishes what is in flight when it gets TERM:
//!
//! | request            | answer                                           |
//! |--------------------|--------------------------------------------------|
//! | `/profile`         | `$BG_SLOT`, or `--profile`                       |
//! | `/actuator/health` | `{"status":"UP"}`                                |
//! | `/health`          | the same                                         |
//! | `/version`         | `--version-text`, or `$BG_RELEASE`               |
//! | `/slow?ms=N`       | `slow`, after N ms                               |
//! | `/echo`            | the request's body                               |
//! | `/events`          | an event stream: one event, and no end; with `?unbuffered` nginx is told to pass it on |
//! | `/env`             | its environment, one variable a line             |
//! | `/session`         | `--version-text` and how often this visitor was here, by a cookie and a counter in memory |
//! | `/headers`         | the request's own first line and headers         |
//! | `/ws`              | 101, and then whatever comes, back again         |
//!
//! Every way to misbehave is one field of [`Options`]. The only sleeps are the ones a flag or a
//! request asks for.
#![forbid(unsafe_code)]

mod jobs;
mod options;
mod wire;

use std::env;
use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser as _;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{
    self, AddressFamily, Backlog, Shutdown, SockFlag, SockType, SockaddrStorage, bind, setsockopt, shutdown, socket,
    sockopt,
};

use options::Options;
use wire::{Reply, Request};

/// How long requests in flight may take to finish after TERM.
const GRACE: Duration = Duration::from_secs(10);

/// Why the application ends.
enum End {
    Term,
    Crash(String),
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.fork_server {
        return serve_in_a_child();
    }
    // Before any thread starts, so that all of them leave TERM to the one that waits for it.
    let term = SigSet::from(Signal::SIGTERM);
    if let Err(error) = term.thread_block() {
        return crash(&format!("can't block TERM: {error}"));
    }
    if let Some(why) = jobs::begin(&options).err() {
        return crash(&why.to_string());
    }
    let (ends, end) = mpsc::channel();
    let app = Arc::new(App::new(options));
    app.clone().wait_for_term(term, ends.clone());
    app.clone().crash_later(ends.clone());
    if app.options.work.is_none() {
        app.clone().boot(ends);
    }
    match end.recv() {
        Ok(End::Term) => {
            app.drain();
            ExitCode::SUCCESS
        }
        Ok(End::Crash(why)) => crash(&why),
        Err(mpsc::RecvError) => ExitCode::FAILURE,
    }
}

/// As a wrapper script does: TERM ends it at once, and the child only if the child got it too.
fn serve_in_a_child() -> ExitCode {
    let arguments = env::args_os().skip(1).filter(|word| word != "--fork-server");
    let status = env::current_exe().and_then(|program| Command::new(program).args(arguments).status());
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn crash(why: &str) -> ExitCode {
    eprintln!("Exception in thread \"main\" java.lang.IllegalStateException: {why}");
    eprintln!("\tat fake.Application.main(Application.java:17)");
    ExitCode::FAILURE
}

struct App {
    options: Options,
    started: Instant,
    stopping: AtomicBool,
    pages: AtomicUsize,
    listener: Mutex<Option<TcpListener>>,
    /// How often the visitor with each session's number was here.
    sessions: Mutex<Vec<u32>>,
    in_flight: Mutex<usize>,
    one_less: Condvar,
}

impl App {
    fn new(options: Options) -> Self {
        Self {
            options,
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            pages: AtomicUsize::new(0),
            listener: Mutex::new(None),
            sessions: Mutex::default(),
            in_flight: Mutex::new(0),
            one_less: Condvar::new(),
        }
    }

    fn wait_for_term(self: Arc<Self>, term: SigSet, ends: Sender<End>) {
        thread::spawn(move || {
            while term.wait().is_ok() {
                if !self.options.ignore_term {
                    // The receiver is gone only when the application ends anyway.
                    let _ = ends.send(End::Term);
                }
            }
        });
    }

    fn crash_later(self: Arc<Self>, ends: Sender<End>) {
        let Some(after) = self.options.crash_after_ms else {
            return;
        };
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(after));
            let _ = ends.send(End::Crash("it was time to".to_owned()));
        });
    }

    /// Listens and serves, in threads of its own.
    fn boot(self: Arc<Self>, ends: Sender<End>) {
        thread::spawn(move || {
            if let Err(why) = self.serve() {
                let _ = ends.send(End::Crash(why));
            }
        });
    }

    fn serve(self: &Arc<Self>) -> Result<(), String> {
        thread::sleep(Duration::from_millis(self.options.boot_ms));
        if self.options.crash_at_boot {
            return Err("Failed to configure a DataSource: 'url' is not specified".to_owned());
        }
        let port = self.options.listen_port.unwrap_or(self.options.port);
        let at = |port: u16| {
            listen((self.options.address, port).into(), self.options.reuse_port)
                .map_err(|error| format!("Web server failed to start on port {port}: {error}"))
        };
        if let Some(port) = self.options.management_port {
            self.clone().serve_health(at(port)?);
        }
        let listener = at(port)?;
        *lock(&self.listener) = listener.try_clone().ok();
        println!("Started fake-app on port {port}");
        for stream in listener.incoming() {
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            // A client that gave up while it waited is its own affair.
            if let Ok(stream) = stream {
                let app = self.clone();
                thread::spawn(move || app.converse(&stream));
            }
        }
        Ok(())
    }

    /// Answers everything at this port as the health page.
    fn serve_health(self: Arc<Self>, listener: TcpListener) {
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = Request::read(&mut BufReader::new(&stream));
                let _ = stream.write_all(&self.health().bytes(false));
            }
        });
    }

    /// Stops accepting, and waits for the requests in flight.
    fn drain(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(listener) = lock(&self.listener).as_ref() {
            // Wakes the accepting thread and makes the kernel refuse who comes now, shutdown(2).
            let _ = shutdown(listener.as_raw_fd(), Shutdown::Read);
        }
        let _ = self.one_less.wait_timeout_while(lock(&self.in_flight), GRACE, |requests| *requests > 0);
    }

    /// Answers the requests of one connection, until either side closes it.
    fn converse(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(request)) = Request::read(&mut reader) {
            let request = request.below(&self.options.below);
            if self.options.hang {
                hold_forever();
            }
            if request.path == "/ws" && request.head.to_ascii_lowercase().contains("\nupgrade: websocket") {
                // Frames go back as they came: nobody here looks into them, and nginx does not either.
                let _ = wire::echo(&mut reader, stream);
                break;
            }
            *lock(&self.in_flight) += 1;
            let answered = self.answer(&request, stream);
            *lock(&self.in_flight) -= 1;
            self.one_less.notify_all();
            if !matches!(answered, Ok(true)) {
                break;
            }
        }
    }

    /// True if the connection may carry another request.
    fn answer(&self, request: &Request, mut stream: &TcpStream) -> io::Result<bool> {
        thread::sleep(Duration::from_millis(self.options.hold_ms));
        if self.options.endless && request.is_health() {
            return self.answer_without_end(stream);
        }
        if request.path == "/events" {
            return self.answer_with_events(request, stream);
        }
        let is_page = !request.is_health() && request.path != "/profile";
        if is_page {
            thread::sleep(Duration::from_millis(self.options.page_ms));
        }
        let count = if is_page { self.pages.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        let reply = match self.options.fail_every {
            Some(every) if is_page && count % every == 0 => Reply::json(500, r#"{"error":"Internal Server Error"}"#),
            _ => self.reply(request),
        };
        let keep = request.keep_alive && !self.stopping.load(Ordering::SeqCst);
        stream.write_all(&reply.bytes(keep))?;
        Ok(keep)
    }

    fn answer_without_end(&self, mut stream: &TcpStream) -> io::Result<bool> {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"UP\"")?;
        while !self.stopping.load(Ordering::SeqCst) {
            stream.write_all(&[b' '; 4096])?;
        }
        Ok(false)
    }

    /// One event, and then nothing until the visitor leaves, as an application does while nothing happens.
    fn answer_with_events(&self, request: &Request, mut stream: &TcpStream) -> io::Result<bool> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n";
        let unbuffered = if request.query == "unbuffered" { "X-Accel-Buffering: no\r\n" } else { "" };
        stream.write_all(format!("{head}{unbuffered}\r\ndata: {}\n\n", self.options.profile).as_bytes())?;
        // What a visitor still sends is of no interest; the end of it is.
        io::copy(&mut stream, &mut io::sink())?;
        Ok(false)
    }

    fn reply(&self, request: &Request) -> Reply {
        let options = &self.options;
        let fails = options.fail_after_ms.is_some_and(|ms| self.started.elapsed() >= Duration::from_millis(ms));
        if options.status_500 || fails {
            return Reply::json(500, r#"{"error":"Internal Server Error"}"#);
        }
        if options.login_page || (options.login_redirect && request.path == "/login") {
            return Reply::html(200, "<!DOCTYPE html><title>Sign in</title><p>UP to now: nobody\n");
        }
        if options.login_redirect {
            return Reply::redirect("/login");
        }
        let head = request.head.to_ascii_lowercase();
        // nginx asks for the front's page by another name than visitors do.
        let is_front = request.path == "/profile";
        if !is_front && options.only_host.as_ref().is_some_and(|host| !head.contains(&format!("\nhost: {host}"))) {
            return Reply::html(400, "<h1>Invalid HTTP_HOST header. You may need to add it to ALLOWED_HOSTS.</h1>\n");
        }
        if !is_front && options.only_https && !head.contains("\nx-forwarded-proto: https") {
            let to = format!("https://www.example.org{}", request.path);
            return Reply { status: 301, ..Reply::redirect(&to) };
        }
        match request.path.as_str() {
            _ if request.is_health() && options.management_port.is_none() => self.health(),
            "/profile" => Reply::text(&options.profile),
            "/version" => Reply::text(&options.version_text),
            "/slow" => {
                thread::sleep(Duration::from_millis(request.milliseconds()));
                Reply::text("slow")
            }
            "/echo" => Reply::new(200, "application/octet-stream", request.body.clone()),
            "/env" => Reply::text(&environment()),
            "/session" => self.session(&head),
            "/headers" => Reply::text(&request.head),
            path if options.asset.as_ref().is_some_and(|name| path == format!("/assets/{name}.js")) => {
                Reply::text(&format!("{} asked for {}", options.version_text, request.head))
            }
            _ => Reply::html(404, "<h1>Not Found</h1>\n"),
        }
    }

    /// A session is of this process alone: who brings that of another begins anew.
    fn session(&self, head: &str) -> Reply {
        let mark = format!("session={}-", std::process::id());
        let mut sessions = lock(&self.sessions);
        let digits = head.split_once(&mark).map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
        let known = digits.flatten().and_then(|digits| digits.parse().ok()).filter(|number| *number < sessions.len());
        let number = known.unwrap_or(sessions.len());
        if known.is_none() {
            sessions.push(0);
        }
        sessions[number] += 1;
        let text = format!("{} {}", self.options.version_text, sessions[number]);
        let reply = Reply::text(&text);
        Reply { header: format!("{}\r\nSet-Cookie: {mark}{number}; Path=/; HttpOnly", reply.header), ..reply }
    }

    fn health(&self) -> Reply {
        let options = &self.options;
        let age = self.started.elapsed();
        if options.no_health {
            Reply::html(404, "<h1>Not Found</h1>\n")
        } else if options.bad_after_ms.is_some_and(|ms| age >= Duration::from_millis(ms)) {
            Reply::json(500, r#"{"error":"Internal Server Error"}"#)
        } else if age < Duration::from_millis(options.boot_503_ms) {
            Reply::json(503, r#"{"status":"DOWN"}"#)
        } else if options.down {
            Reply::json(200, r#"{"status":"DOWN","components":{"db":{"status":"UP"}}}"#)
        } else {
            Reply::json(200, options.status_json.as_deref().unwrap_or(r#"{"status":"UP"}"#))
        }
    }
}

/// A listener on the port, which others may share where each of them says so (`SO_REUSEPORT`, socket(7)).
fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    if !shared {
        return TcpListener::bind(address);
    }
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let stream = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // As the standard library does: connections of an earlier listener may still be in TIME_WAIT.
    setsockopt(&stream, sockopt::ReuseAddr, &true)?;
    setsockopt(&stream, sockopt::ReusePort, &true)?;
    bind(stream.as_raw_fd(), &SockaddrStorage::from(address))?;
    socket::listen(&stream, Backlog::MAXALLOWABLE)?;
    Ok(TcpListener::from(stream))
}

fn environment() -> String {
    let line = |(name, value): (OsString, OsString)| format!("{}={}\n", name.display(), value.display());
    env::vars_os().map(line).collect::<Vec<_>>().concat()
}

fn hold_forever() -> ! {
    loop {
        thread::park();
    }
}

/// A thread that panicked while it held the lock is no reason to stop serving.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
