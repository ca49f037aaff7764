//! nginx: how it is called, its configuration's language, and the upstream file that selects the slot.

pub mod call;
pub mod conf;
pub mod upstream;
