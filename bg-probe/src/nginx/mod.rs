//! nginx's configuration: its language, and the upstream file that selects the slot.

pub mod conf;
pub mod upstream;
