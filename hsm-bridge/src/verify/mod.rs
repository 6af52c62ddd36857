//! Signature checks in software, through OpenSSL; never in the token, which is slower and the thing being checked.

mod public_key;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use der::Encode;
use spki::SubjectPublicKeyInfoOwned;

pub(crate) use public_key::{PublicKey, Signed};

use crate::{SignatureScheme, SignatureVerifier, VerifyError};

/// How many parsed public keys are remembered; parsing one costs OpenSSL 3 about as much as a P-256 verification.
const REMEMBERED_KEYS: usize = 512;

/// The verifier of every service: OpenSSL, with a bounded memory of parsed public keys shared by the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenSslVerifier;

impl OpenSslVerifier {
    /// The same as the value itself.
    pub const fn new() -> Self {
        Self
    }
}

impl SignatureVerifier for OpenSslVerifier {
    fn verify(
        &self,
        public_key: &SubjectPublicKeyInfoOwned,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        remembered(public_key)?.verify(scheme, &Signed::Message(message), signature)
    }
}

fn remembered(public_key: &SubjectPublicKeyInfoOwned) -> Result<Arc<PublicKey>, VerifyError> {
    static KEYS: OnceLock<RwLock<HashMap<Vec<u8>, Arc<PublicKey>>>> = OnceLock::new();
    let keys = KEYS.get_or_init(RwLock::default);
    let der = public_key
        .to_der()
        .map_err(|e| VerifyError::PublicKey(e.to_string()))?;
    if let Some(key) = keys
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&der)
    {
        return Ok(Arc::clone(key));
    }
    let key = Arc::new(PublicKey::parse(public_key)?);
    let mut keys = keys.write().unwrap_or_else(PoisonError::into_inner);
    if keys.len() >= REMEMBERED_KEYS {
        keys.clear();
    }
    keys.insert(der, Arc::clone(&key));
    Ok(key)
}

#[cfg(test)]
mod tests {
    use der::Decode;
    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::ecdsa::EcdsaSig;
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::{Padding, Rsa};
    use openssl::sign::{RsaPssSaltlen, Signer};
    use proptest::prelude::*;

    use super::*;
    use crate::KeyAlgorithm;

    const MESSAGE: &[u8] = b"what was said";

    fn public(key: &PKey<Private>) -> SubjectPublicKeyInfoOwned {
        SubjectPublicKeyInfoOwned::from_der(&key.public_key_to_der().unwrap()).unwrap()
    }

    fn elliptic(curve: Nid) -> PKey<Private> {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn sign(key: &PKey<Private>, digest: MessageDigest, pss_salt: Option<i32>) -> Vec<u8> {
        let mut signer = Signer::new(digest, key).unwrap();
        if let Some(salt) = pss_salt {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer
                .set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))
                .unwrap();
        }
        signer.sign_oneshot_to_vec(MESSAGE).unwrap()
    }

    #[test]
    fn a_signature_verifies_under_its_own_key_scheme_and_message_alone() {
        let (p256, p384) = (elliptic(Nid::X9_62_PRIME256V1), elliptic(Nid::SECP384R1));
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let edwards = PKey::generate_ed25519().unwrap();
        let plain = Signer::new_without_digest(&edwards)
            .unwrap()
            .sign_oneshot_to_vec(MESSAGE)
            .unwrap();
        let sha256 = MessageDigest::sha256();
        let made = [
            (
                &p256,
                SignatureScheme::EcdsaP256Sha256,
                sign(&p256, sha256, None),
            ),
            (
                &p384,
                SignatureScheme::EcdsaP384Sha384,
                sign(&p384, MessageDigest::sha384(), None),
            ),
            (&edwards, SignatureScheme::Ed25519, plain),
            (
                &rsa,
                SignatureScheme::RsaPkcs1Sha256,
                sign(&rsa, sha256, None),
            ),
            (
                &rsa,
                SignatureScheme::RsaPssSha256,
                sign(&rsa, sha256, Some(32)),
            ),
        ];
        for (key, scheme, signature) in &made {
            assert!(KeyAlgorithm::of(&public(key)).unwrap().fits(*scheme));
            for (other_key, other_scheme, _) in &made {
                let same = other_scheme == scheme && std::ptr::eq(*other_key, *key);
                let result =
                    OpenSslVerifier.verify(&public(other_key), *other_scheme, MESSAGE, signature);
                assert_eq!(result.is_ok(), same, "{scheme:?} under {other_scheme:?}");
            }
            OpenSslVerifier
                .verify(&public(key), *scheme, b"what was not", signature)
                .unwrap_err();
        }
        // Another salt length is another algorithm.
        let short = sign(&rsa, sha256, Some(20));
        OpenSslVerifier
            .verify(
                &public(&rsa),
                SignatureScheme::RsaPssSha256,
                MESSAGE,
                &short,
            )
            .unwrap_err();
        // P-256 with SHA-384 is no scheme of ours.
        let odd = sign(&p256, MessageDigest::sha384(), None);
        OpenSslVerifier
            .verify(
                &public(&p256),
                SignatureScheme::EcdsaP256Sha256,
                MESSAGE,
                &odd,
            )
            .unwrap_err();
    }

    #[test]
    fn ecdsa_signatures_are_der_in_every_byte_and_in_range() {
        let key = elliptic(Nid::X9_62_PRIME256V1);
        let good = sign(&key, MessageDigest::sha256(), None);
        let verify = |signature: &[u8]| {
            OpenSslVerifier.verify(
                &public(&key),
                SignatureScheme::EcdsaP256Sha256,
                MESSAGE,
                signature,
            )
        };
        verify(&good).unwrap();
        verify(&[good.as_slice(), &[0]].concat()).unwrap_err();
        // The same numbers with a length in long form: BER, not DER.
        let ber = [&[0x30, 0x81, good[1]], &good[2..]].concat();
        verify(&ber).unwrap_err();
        let number = |value: u32| BigNum::from_u32(value).unwrap();
        for (r, s) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let zero = EcdsaSig::from_private_components(number(r), number(s)).unwrap();
            verify(&zero.to_der().unwrap()).unwrap_err();
        }
        verify(&[]).unwrap_err();
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..160), flip in 0usize..91, bit in 0u8..8) {
            let key = elliptic(Nid::X9_62_PRIME256V1);
            let spki = public(&key);
            for scheme in SignatureScheme::ALL {
                prop_assert!(OpenSslVerifier.verify(&spki, scheme, MESSAGE, &bytes).is_err());
            }
            let mut der = spki.to_der().unwrap();
            der[flip] ^= 1 << bit;
            let signature = sign(&key, MessageDigest::sha256(), None);
            if let Ok(bent) = SubjectPublicKeyInfoOwned::from_der(&der) {
                prop_assert!(OpenSslVerifier.verify(&bent, SignatureScheme::EcdsaP256Sha256, MESSAGE, &signature).is_err());
            }
        }
    }
}
