//! What an application's answers to a health check mean.

#![forbid(unsafe_code)]

pub mod verdict;
