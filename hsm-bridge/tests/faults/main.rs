//! Every PKCS#11 call that a worker makes times every way in which a token fails, through a daemon as it runs in service.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod intents;
mod ledger;
mod making;
mod matrix;
mod pins;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod work;
