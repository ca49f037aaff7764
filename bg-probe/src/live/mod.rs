//! Which slot is live: what the front answers, what the upstream file says, and the verdict.

pub mod front;
mod pace;
pub mod pending;
pub mod verdict;
pub mod whose;
pub mod witnesses;
