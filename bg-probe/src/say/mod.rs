//! What people and shells see: lines on stderr, the answer on stdout, the exit code.

pub mod columns;
pub mod exit;
pub mod stdout;
mod terminal;
mod text;
mod voice;

pub use text::{clean, masked, masked_value, quoted, seconds};
pub use voice::{Voice, error};
