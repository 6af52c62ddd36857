//! The gate as services on other hosts meet it: real processes, certificates of a small authority made for the test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod ends;
mod judge;
mod limits;
mod lives;
mod look;
mod pki;
mod refusals;
mod renewals;
mod stage;
