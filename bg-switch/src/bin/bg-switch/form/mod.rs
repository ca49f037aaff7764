//! The two ways nginx is moved, one a form of the upstream file, and the change from one to the other.

pub(crate) mod convert;
pub(crate) mod link;
pub(crate) mod reload;
