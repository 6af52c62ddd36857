//! Orders of administrators through a running bridge: what is refused, what is done, what is written down.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod cli;
mod evidence;
mod import;
mod operations;
mod refusals;
mod secrets;
mod stage;
#[path = "../support/mod.rs"]
mod support;
