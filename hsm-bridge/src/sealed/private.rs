//! A private key in OpenSSL's hands. OpenSSL wipes its copy when the last use of the key ends.

use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use zeroize::Zeroizing;

use crate::verify::Signed;
use crate::{KeyStoreError, SignatureScheme};

/// A private key that is ready to sign, from many threads at once.
pub(super) enum PrivateKey {
    /// ECDSA, in the form that OpenSSL 3.0 signs with faster: no implementation is looked up for each signature.
    Elliptic(EcKey<Private>),
    /// Ed25519.
    Edwards(PKey<Private>),
}

impl PrivateKey {
    pub(super) fn new(key: PKey<Private>) -> Self {
        match key.ec_key() {
            Ok(elliptic) => Self::Elliptic(elliptic),
            Err(_) => Self::Edwards(key),
        }
    }

    /// Reads a PKCS#8 PrivateKeyInfo (RFC 5958).
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, ErrorStack> {
        PKey::private_key_from_pkcs8(der).map(Self::new)
    }

    /// Writes the key as a PKCS#8 PrivateKeyInfo, and its public half as a SubjectPublicKeyInfo.
    pub(super) fn to_der(&self) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), ErrorStack> {
        let key = match self {
            Self::Elliptic(key) => &PKey::from_ec_key(key.clone())?,
            Self::Edwards(key) => key,
        };
        Ok((
            Zeroizing::new(key.private_key_to_pkcs8()?),
            key.public_key_to_der()?,
        ))
    }

    /// Signs by a scheme that fits the key; ECDSA gives a DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
    pub(super) fn sign(
        &self,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let made = match (self, signed) {
            (Self::Elliptic(key), Signed::Digest(digest)) => digest_signature(digest, key),
            (Self::Elliptic(key), Signed::Message(message)) => match scheme.digest(message) {
                Some(digest) => digest_signature(&digest, key),
                None => return Err(unfit(scheme)),
            },
            (Self::Edwards(key), Signed::Message(message)) => Signer::new_without_digest(key)
                .and_then(|mut signer| signer.sign_oneshot_to_vec(message)),
            (Self::Edwards(_), Signed::Digest(_)) => return Err(unfit(scheme)),
        };
        made.map_err(|_| KeyStoreError::KeyRefused("the library did not sign with it".to_owned()))
    }
}

fn digest_signature(
    digest: &crate::scheme::Digest,
    key: &EcKey<Private>,
) -> Result<Vec<u8>, ErrorStack> {
    EcdsaSig::sign(digest.as_bytes(), key)?.to_der()
}

fn unfit(scheme: SignatureScheme) -> KeyStoreError {
    KeyStoreError::BadRequest(format!(
        "{} does not sign this with the key",
        scheme.jose_alg()
    ))
}
