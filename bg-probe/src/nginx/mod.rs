//! nginx's configuration: its language, and the upstream file that says which slot it serves.

pub mod conf;
pub mod upstream;
