//! Advanced electronic signatures on documents.
//!
//! Invariant: nothing here reads a clock, a file, a socket or a random source, and nothing is fetched: keys sign
//! elsewhere, time-stamps and times are handed in.

pub mod pades;
