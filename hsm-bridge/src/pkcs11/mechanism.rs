//! How our schemes read in PKCS#11: only raw single-part mechanisms, over a digest made in software.
//!
//! A mechanism holds raw pointers and is not `Send`, so each is built inside the call that uses it.

use cryptoki::error::Error;
#[cfg(feature = "embedded")]
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use super::token::Fault;
use crate::scheme::Digest;
use crate::verify::Signed;
use crate::{KeyAlgorithm, KeyStoreError, SecretPurpose, SignatureScheme, ecdsa};

/// DER of DigestInfo up to the SHA-256 digest itself (RFC 8017 §9.2).
const DIGEST_INFO_SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// Salt length of [`SignatureScheme::RsaPssSha256`].
const PSS_SALT_LENGTH: u64 = 32;

pub(super) fn generates(algorithm: KeyAlgorithm) -> Mechanism<'static> {
    match algorithm {
        KeyAlgorithm::P256 | KeyAlgorithm::P384 => Mechanism::EccKeyPairGen,
        KeyAlgorithm::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
            Mechanism::RsaPkcsKeyPairGen
        }
        #[cfg(feature = "embedded")]
        KeyAlgorithm::MlDsa65 => Mechanism::MlDsaKeyPairGen,
    }
}

pub(super) fn generates_secret(purpose: SecretPurpose) -> Mechanism<'static> {
    match purpose {
        SecretPurpose::KeyEncryption => Mechanism::AesKeyGen,
        SecretPurpose::Mac => Mechanism::GenericSecretKeyGen,
    }
}

/// Signs in the token and gives the signature in the notation of certificates (DER for ECDSA); it is not verified yet.
pub(super) fn sign(
    session: &Session,
    key: ObjectHandle,
    scheme: SignatureScheme,
    signed: &Signed<'_>,
) -> Result<Vec<u8>, Fault> {
    let computed;
    let digest = match signed {
        Signed::Message(message) => {
            computed = scheme.digest(message);
            computed.as_ref()
        }
        Signed::Digest(digest) => Some(digest),
    };
    match (scheme, digest, signed) {
        (SignatureScheme::Ed25519, _, Signed::Message(message)) => {
            let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
            Ok(session.sign(&Mechanism::Eddsa(pure), key, message)?)
        }
        #[cfg(feature = "embedded")]
        (SignatureScheme::MlDsa65, _, Signed::Message(message)) => {
            // No context: hedged where the token can (FIPS 204 §3.4), and an empty context string (RFC 9881 §3).
            let pure = SignAdditionalContext::new(HedgeType::Preferred, None);
            Ok(session.sign(&Mechanism::MlDsa(pure), key, message)?)
        }
        (SignatureScheme::EcdsaP256Sha256 | SignatureScheme::EcdsaP384Sha384, Some(digest), _) => {
            let raw = session.sign(&Mechanism::Ecdsa, key, digest.as_bytes())?;
            // A signature of another length is the token's fault, not the caller's.
            ecdsa::der_from_raw(scheme, &raw)
                .map_err(|_| Fault::Refused(KeyStoreError::VerifyFailed))
        }
        (SignatureScheme::RsaPkcs1Sha256, Some(digest), _) => Ok(pkcs1(session, key, digest)?),
        (SignatureScheme::RsaPssSha256, Some(digest), _) => Ok(pss(session, key, digest)?),
        _ => Err(Fault::Refused(KeyStoreError::BadRequest(
            "this scheme signs the message itself".to_owned(),
        ))),
    }
}

fn pkcs1(session: &Session, key: ObjectHandle, digest: &Digest) -> Result<Vec<u8>, Error> {
    let info = [DIGEST_INFO_SHA256.as_slice(), digest.as_bytes()].concat();
    session.sign(&Mechanism::RsaPkcs, key, &info)
}

fn pss(session: &Session, key: ObjectHandle, digest: &Digest) -> Result<Vec<u8>, Error> {
    let parameters = PkcsPssParams {
        hash_alg: MechanismType::SHA256,
        mgf: PkcsMgfType::MGF1_SHA256,
        s_len: PSS_SALT_LENGTH.into(),
    };
    session.sign(&Mechanism::RsaPkcsPss(parameters), key, digest.as_bytes())
}
