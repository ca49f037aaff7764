//! The application: its names and slots, its settings, its folder, and what was launched in it.

pub mod address;
pub mod advice;
pub(crate) mod by_hand;
pub mod closed;
pub mod companion;
pub mod digest;
pub mod dir;
pub mod drained;
pub mod family;
pub mod first_to_go;
pub mod folder_app;
pub mod holder;
pub mod launched;
pub mod lock;
pub mod marks;
pub mod pass;
pub mod past;
pub mod place;
pub mod prepared;
pub mod route;
pub mod settings;
mod sign;
pub mod slot;
pub mod stand_in;
pub mod unit;
pub mod visitor;
pub mod watched;
