//! What all five programs agree on: the contract, and below it the map of this library.
//!
#![doc = include_str!("../DESIGN.md")]
//!
//! # The rooms of this library
//!
//! `bg-probe` mints the record, so its library owns the vocabulary that the later stages read it with. It is a house
//! of rooms, each with one subject, and each uses only those below it. From the ground up:
//!
//! - [`say`]: what people and shells see;
//! - [`os`]: the machine;
//! - [`site`]: the application, its slots, settings and folder;
//! - [`record`]: what is handed from stage to stage;
//! - [`nginx`]: its configuration and the upstream file; beside it [`cli`], the command line;
//! - [`live`]: which slot is live.
//!
//! A later stage may use this library; it uses none of theirs.

#![forbid(unsafe_code)]

pub mod cli;
pub mod live;
pub mod nginx;
pub mod os;
pub mod record;
pub mod say;
pub mod site;
