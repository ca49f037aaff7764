//! The machine: processes, sockets, files, signals, and one HTTP request.

pub mod advice;
pub mod deadline;
pub mod detached;
pub mod folder;
pub mod http;
pub mod lifetime;
pub mod mailbox;
pub mod names;
pub mod oom;
pub mod outside;
pub mod owner;
pub mod port;
pub mod process;
pub mod random;
pub mod replace;
pub mod signals;
pub mod sockets;
pub mod span;
pub mod stop_signal;
pub mod sudo;
pub mod told_signal;
pub mod who;
