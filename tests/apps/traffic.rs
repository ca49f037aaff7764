//! `traffic URL`: sends requests on fresh connections until stdin ends or TERM comes, then prints
//! how many were sent and how many failed. Exit status 1 if any did.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use bg_tests::Traffic;
use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: traffic URL");
        return ExitCode::from(2);
    };
    let term = SigSet::from(Signal::SIGTERM);
    if let Err(error) = term.thread_block() {
        eprintln!("traffic: can't block TERM: {error}");
        return ExitCode::FAILURE;
    }
    let (ended, end) = mpsc::channel();
    let terminated = ended.clone();
    thread::spawn(move || terminated.send(term.wait().is_ok()));
    thread::spawn(move || ended.send(io::copy(&mut io::stdin(), &mut io::sink()).is_ok()));

    let traffic = Traffic::start(&url);
    // Whichever comes first; an error of either is an end too.
    let _ = end.recv();
    let counts = traffic.stop();
    println!("{counts}");
    if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
