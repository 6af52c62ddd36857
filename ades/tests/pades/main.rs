//! PAdES with real keys in a token, on PDFs that the tests write themselves, judged by pyHanko, pdfsig, qpdf and
//! OpenSSL where they are installed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected fails, in its helper functions as well"
)]

mod attack;
#[path = "../../../pki/tests/signatures/fixture.rs"]
mod fixture;
mod judges;
mod property;
mod samples;
mod sign;
