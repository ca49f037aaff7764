//! The tests of the whole: real programs, a real nginx, real applications. One file a topic; this
//! is their table of contents.

/// The harness itself: nginx serves and moves, the sample jar runs, and nothing is left over.
mod harness_works;
