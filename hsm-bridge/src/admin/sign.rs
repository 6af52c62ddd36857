//! A person's signature under an order, on the person's own machine.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;

use super::error::OrderError;

/// Signs the bytes of an order: ECDSA with SHA-256 for a P-256 key, in DER (RFC 3279 §2.2.3), or Ed25519 (RFC 8032).
pub fn sign(key: &PKey<Private>, order: &[u8]) -> Result<Vec<u8>, OrderError> {
    let on_p256 = key
        .ec_key()
        .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1));
    let signed = match key.id() {
        Id::ED25519 => Signer::new_without_digest(key).and_then(|it| oneshot(it, order)),
        Id::EC if on_p256 => {
            Signer::new(MessageDigest::sha256(), key).and_then(|it| oneshot(it, order))
        }
        _ => {
            return Err(OrderError::Value(
                "a person's key is a P-256 or an Ed25519 key".to_owned(),
            ));
        }
    };
    signed.map_err(|e| OrderError::Library(format!("signing: {e}")))
}

fn oneshot(mut signer: Signer<'_>, order: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    signer.sign_oneshot_to_vec(order)
}
