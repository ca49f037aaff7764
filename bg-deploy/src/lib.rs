//! What is in the file that `bg-deploy --env-file` reads.

#![forbid(unsafe_code)]

pub mod variables;
