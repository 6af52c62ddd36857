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
    SubjectPublicKeyInfo {
        algorithm,
        subject_public_key,
    }
    .to_der()
    .ok()
}

#[cfg(test)]
mod tests {
    use webauthn_rs::prelude::{COSEAlgorithm, COSEEC2Key};

    use super::*;

    /// The base point of P-256 (SP 800-186 §3.2.1.3), which is a public key like any other.
    const X: [u8; 32] = [
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
        0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98,
        0xc2, 0x96,
    ];
    const Y: [u8; 32] = [
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
        0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf,
        0x51, 0xf5,
    ];

    fn key(x: &[u8]) -> COSEKey {
        let ec = COSEEC2Key {
            curve: ECDSACurve::SECP256R1,
            x: x.to_vec(),
            y: Y.to_vec(),
        };
        COSEKey {
            type_: COSEAlgorithm::ES256,
            key: COSEKeyType::EC_EC2(ec),
        }
    }

    #[test]
    fn openssl_reads_what_is_encoded() {
        let der = encode(&key(&X)).unwrap();
        let read = openssl::ec::EcKey::public_key_from_der(&der).unwrap();
        assert_eq!(
            read.group().curve_name(),
            Some(openssl::nid::Nid::X9_62_PRIME256V1)
        );
        assert_eq!(read.public_key_to_der().unwrap(), der);
    }

    #[test]
    fn a_short_coordinate_is_no_key() {
        assert_eq!(encode(&key(&X[1..])), None);
    }
}
