//! What all five programs agree on.
//!
//! `bg-probe` mints the record, so its library owns the vocabulary that the later stages read it with:
//! the names and the record themselves, the settings, the exit codes, what is on disk, and the two
//! witnesses that say which slot is live. A later stage may use this library; it uses none of theirs.

#![forbid(unsafe_code)]

pub mod conf;
pub mod dir;
pub mod exit;
pub mod finding;
pub mod front;
pub mod http;
pub mod lock;
#[cfg(feature = "manual")]
mod manual;
pub mod owner;
pub mod port;
pub mod probe;
pub mod process;
pub mod record;
pub mod replace;
pub mod say;
pub mod settings;
pub mod signals;
pub mod slot;
pub mod sockets;
mod terminal;
pub mod unfinished;
pub mod unit;
pub mod upstream;
mod witnesses;
