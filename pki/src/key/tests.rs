use const_oid::ObjectIdentifier;
use der::asn1::{Any, BitString};
use proptest::prelude::*;
use spki::AlgorithmIdentifierOwned;

use super::*;

/// The generator of P-256 (SP 800-186 §3.2.1.3).
const G: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

fn ec(curve: &str, point: &[u8]) -> SubjectPublicKeyInfoOwned {
    let curve = ObjectIdentifier::new(curve).unwrap();
    SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: ID_EC_PUBLIC_KEY,
            parameters: Some(Any::encode_from(&curve).unwrap()),
        },
        subject_public_key: BitString::from_bytes(point).unwrap(),
    }
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn a_point_must_lie_on_its_named_curve() {
    let mut point = octets(G);
    assert_eq!(check(&ec("1.2.840.10045.3.1.7", &point)), Ok(()));
    assert_eq!(check(&ec("1.3.132.0.34", &point)), Err(KeyError::Point));
    point[64] ^= 1;
    assert_eq!(
        check(&ec("1.2.840.10045.3.1.7", &point)),
        Err(KeyError::Point)
    );
    let compressed = [&[3][..], &octets(G)[1..33]].concat();
    assert_eq!(
        check(&ec("1.2.840.10045.3.1.7", &compressed)),
        Err(KeyError::Point)
    );
    let koblitz = ObjectIdentifier::new_unwrap("1.3.132.0.10");
    assert_eq!(
        check(&ec("1.3.132.0.10", &octets(G))),
        Err(KeyError::Algorithm(koblitz))
    );
}

#[test]
fn identifiers_are_stable() {
    let key = ec("1.2.840.10045.3.1.7", &octets(G));
    let id = issuer_id(&key).unwrap();
    assert_eq!(id.to_string().len(), 32);
    assert_eq!(id.to_string().parse::<IssuerId>().unwrap(), id);
    assert_eq!(key_identifier(&key).len(), 20);
    assert!("AB".repeat(16).parse::<IssuerId>().is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,40}") {
        let _ = parse(&bytes);
        let _ = text.parse::<IssuerId>();
    }

    #[test]
    fn random_points_are_refused(point in proptest::collection::vec(any::<u8>(), 64)) {
        let point = [&[4][..], &point].concat();
        prop_assert_eq!(check(&ec("1.2.840.10045.3.1.7", &point)), Err(KeyError::Point));
    }
}
