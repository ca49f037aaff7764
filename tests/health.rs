//! `bg-health`: what it takes for healthy, how it waits, whom it believes, and what it says when it gives up.

mod launched;
mod server;

/// How it is asked: the host it is asked for, headers, and a port for management.
mod asking;

/// What is healthy and what is not: bodies, codes, pages, redirects, `--path` and `--expect`.
mod verdicts;

/// The wait: its pace, its end, the successes in a row, the warm-up, and `--once`.
mod waiting;

/// `--watch`: whether a release stays well once it has the traffic.
mod watch;

/// Whose answers count: not those of a process that was there before, and none after a death.
mod whose;

/// The port that is looked at while nothing listens, and the process that is to listen.
mod port;

/// The report of a failure: answers, log, likely cause, what serves.
mod report;
