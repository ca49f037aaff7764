//! The command line: reading it and the file of settings that it names, the preflight that every program has, and the manual made from it.

pub mod command_line;
pub mod env_file;
pub mod forgotten;
mod help;
pub mod lines;
#[cfg(feature = "manual")]
mod manual;
pub mod origin;
pub mod preflight;
pub mod variables;
