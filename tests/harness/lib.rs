//! The world the tests run in: a real nginx, two slots on free ports, and applications that
//! boot, serve and crash as they are told.
//!
//! A test builds a [`World`], runs a program or a pipeline in it, and asks what a user would see
//! through nginx. Worlds share nothing but the built programs, so tests run in parallel. Dropping
//! a world ends every process that was started in it and removes its folder, however the test
//! ended.
//!
//! Nothing here knows the programs' own types: tests hold the wire, the files and the exit codes.
#![forbid(unsafe_code)]
#![expect(clippy::missing_panics_doc, reason = "a panic is how a harness fails a test, so every function may")]

mod advice;
pub mod debian;
pub mod disk;
mod files;
mod full;
pub mod http;
pub mod jar;
mod keepalive;
mod mount;
mod nginx;
pub mod pages;
pub mod ports;
pub mod process;
pub mod programs;
mod ran;
mod running;
mod runs;
mod state;
pub mod strace;
mod traffic;
mod wait;
mod world;

pub use files::write_executable;
pub use full::{is_full, tell};
pub use jar::sample_jar;
pub use keepalive::KeepAlive;
pub use mount::Mount;
pub use nginx::Nginx;
pub use ran::{Ran, Run};
pub use running::Running;
pub use strace::Strace;
pub use traffic::{Counts, Traffic};
pub use wait::until;
pub use world::World;
