//! What the driver does when the token misbehaves: every class of recovery, every spoilt signature, every vendor, on a strict token
//! that wraps SoftHSM, or the module that `ROMDUOL_TEST_MODULE` names.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod endings;
mod index;
mod logins;
mod matrix;
mod recovery;
mod signatures;
mod stage;
mod templates;
mod vendors;
