//! PAdES with real keys in a token, on PDFs that the tests write themselves, judged by pyHanko, pdfsig, qpdf and
//! OpenSSL where they are installed.

mod attack;
#[path = "../../../pki/tests/signatures/fixture.rs"]
mod fixture;
mod judges;
mod property;
mod samples;
mod sign;
