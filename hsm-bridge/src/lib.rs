//! The only door to private keys.
//!
//! Without features this crate is types and traits: [`KeyStore`], [`Signer`], [`SecretStore`] and the algorithms they speak of, with no
//! operating system beneath. The feature `token` (default) adds the PKCS#11 driver `pkcs11`, the `daemon` that owns a token and its
//! PIN, the `client` that reaches the daemon over a Unix socket or, from another host, through its gate, and the OpenSSL verifier in `verify`; `testing` adds SoftHSM tokens.
//! A service holds a `client::Client` and speaks only of the traits, so tests and the key ceremony put a `pkcs11::Token` in its place.
//!
//! Invariant: a private key is made in the token, serves one purpose and never leaves; no signature leaves before it was verified.

// The command line speaks of this crate by its name, as every program does.
#[cfg(feature = "token")]
extern crate self as hsm_bridge;

mod algorithm;
pub mod ecdsa;
mod error;
mod label;
mod secret;
mod store;

pub mod scheme;

#[cfg(feature = "token")]
pub mod activation;
#[cfg(feature = "token")]
pub mod admin;
#[cfg(feature = "token")]
pub mod audit;
#[cfg(feature = "token")]
pub mod cli;
#[cfg(feature = "token")]
pub mod client;
#[cfg(feature = "token")]
pub mod daemon;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "token")]
pub mod pkcs11;
#[cfg(feature = "token")]
pub mod policy;
#[cfg(feature = "token")]
pub mod sealed;
#[cfg(feature = "token")]
pub mod tbs;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "token")]
mod tls;
#[cfg(feature = "token")]
pub mod verify;
#[cfg(feature = "token")]
pub mod wire;

pub use algorithm::KeyAlgorithm;
pub use error::{KeyStoreError, VerifyError};
pub use label::{KeyId, KeyLabel, LabelError, MAX_LABEL_LENGTH};
pub use scheme::SignatureScheme;
pub use secret::{DataKey, SecretPurpose};
pub use store::{Health, KeyStore, SecretStore, SignatureVerifier, Signer};
