//! The public key of a passkey as a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), the form `ca` takes.

use der::Encode;
use der::asn1::{AnyRef, BitString, ObjectIdentifier};
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use webauthn_rs::prelude::{COSEKey, COSEKeyType, ECDSACurve, EDDSACurve};

/// id-ecPublicKey (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1 (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// secp384r1.
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// id-Ed25519 (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// First octet of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// DER of the key; `None` for kinds of keys that sign no documents here.
pub(super) fn encode(key: &COSEKey) -> Option<Vec<u8>> {
    match &key.key {
        COSEKeyType::EC_EC2(ec) => {
            let (curve, length) = match ec.curve {
                ECDSACurve::SECP256R1 => (P256, 32),
                ECDSACurve::SECP384R1 => (P384, 48),
                ECDSACurve::SECP521R1 => return None,
            };
            if ec.x.len() != length || ec.y.len() != length {
                return None;
            }
            let mut point = vec![UNCOMPRESSED];
            point.extend_from_slice(&ec.x);
            point.extend_from_slice(&ec.y);
            spki(EC_PUBLIC_KEY, Some(AnyRef::from(&curve)), &point)
        }
        COSEKeyType::EC_OKP(okp) => match okp.curve {
            EDDSACurve::ED25519 => spki(ED25519, None, &okp.x),
            EDDSACurve::ED448 => None,
        },
        COSEKeyType::RSA(_) => None,
    }
}

fn spki(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifier { oid, parameters };
    let subject_public_key = BitString::from_bytes(key).ok()?;
    SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().ok()
}
