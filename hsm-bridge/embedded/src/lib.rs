//! A software PKCS#11 token, kryoptic, to be linked into a program or loaded as a shared library; for development and tests.
//!
//! The program `hsm-bridge-embedded` is `hsm-bridge` with this token linked in: `module = "embedded:FILE"` names it. It brings its own
//! OpenSSL and SQLite, so it needs no system package when it runs, and has post-quantum mechanisms.

mod entry;
mod index;

pub use index::make_index;

/// Gives the linked-in token to `hsm-bridge`; called once, before any token is opened.
pub fn link() {
    hsm_bridge::pkcs11::prepare_with(make_index);
}
