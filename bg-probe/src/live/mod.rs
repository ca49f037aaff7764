//! Which slot is live: what the front answers, where the upstream file points, and the verdict.

pub mod front;
pub mod last_look;
pub mod lingering;
mod pace;
pub mod pending;
pub mod provable;
pub mod serving;
pub mod stale;
pub mod subject;
mod unsure;
pub mod verdict;
pub mod whose;
pub mod witnesses;
