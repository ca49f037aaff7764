//! The command line: reading it, the preflight that every program has, and the manual made from it.

pub mod command_line;
mod help;
#[cfg(feature = "manual")]
mod manual;
pub mod origin;
pub mod preflight;
pub mod variables;
