//! Signature activation: a person's key signs only what its holder has just agreed to (EN 419 241-1, sole control at level 2).
//!
//! The holder's passkey is bound to the key when the key is made ([`Holder`], kept as bytes whose integrity the bridge checks itself).
//! To sign, the caller first announces the exact digests and gets a challenge made from them; the holder's assertion over that
//! challenge then allows each of these digests once. A caller that is taken over can neither choose other digests nor sign again.
//!
//! Invariant: a digest is signed at most as often as it stands in a record, within [`TIME_TO_SIGN`], by the key the record was begun for.

mod assertion;
mod error;
mod held;
mod holder;
mod table;

pub use assertion::{Assertion, MAX_AUTHENTICATOR_DATA, MAX_CLIENT_DATA};
pub use error::ActivationError;
pub use held::{HeldKeys, Holders};
pub use holder::{Holder, MAX_HOLDER_RECORD};
pub use table::{
    Activations, Challenge, MAX_CONTEXT, MAX_DIGESTS, MAX_OPEN_PER_KEY, MAX_WAITING, Redemption,
    TIME_TO_SIGN,
};

use sha2::{Digest, Sha512};

use crate::SignatureScheme;

/// The digest of a message that is to be signed, as records name it; for Ed25519 the SHA-512 that CMS puts beside it (RFC 8419 §3).
pub fn digest_of(scheme: SignatureScheme, message: &[u8]) -> Vec<u8> {
    match scheme.digest(message) {
        Some(digest) => digest.as_bytes().to_vec(),
        None => Sha512::digest(message).to_vec(),
    }
}

#[cfg(test)]
mod tests;
