//! What the driver does when the token misbehaves: every class of recovery, every spoilt signature, every vendor, on a strict token
//! that wraps SoftHSM, the token that is linked in where the suite is built beside it, or what `ROMDUOL_TEST_MODULE` names.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod endings;
mod index;
mod logins;
mod matrix;
#[path = "../process/mod.rs"]
mod process;
mod recovery;
mod signatures;
mod stage;
mod templates;
mod vendors;
