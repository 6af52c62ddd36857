//! JOSE, OCSP, CMS and time-stamps with real keys in a token, judged by OpenSSL where it is installed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails, in its helper functions as well"
)]

mod cms;
mod fixture;
mod jose;
mod ocsp;
mod tsp;
