//! Elliptic-curve keys: named curve, uncompressed, on the curve (SP 800-56A §5.6.2.3.4).

use const_oid::ObjectIdentifier;
use num_bigint::BigUint;
use spki::SubjectPublicKeyInfoOwned;

use super::KeyError;

const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const UNCOMPRESSED: u8 = 0x04;

/// y^2 = x^3 - 3x + b over the prime field p (SP 800-186 §3.2.1); cofactor 1, so a point on the
/// curve other than infinity is of full order.
struct Curve {
    field_octets: usize,
    p: &'static [u8],
    b: &'static [u8],
}

const P256: Curve = Curve {
    field_octets: 32,
    p: b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: b"5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
};
const P384: Curve = Curve {
    field_octets: 48,
    p: b"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    b: b"b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
};

pub(super) fn check(key: &SubjectPublicKeyInfoOwned) -> Result<(), KeyError> {
    let parameters = key
        .algorithm
        .parameters
        .as_ref()
        .ok_or(KeyError::Parameters)?;
    let curve: ObjectIdentifier = parameters.decode_as().map_err(|_| KeyError::Parameters)?;
    let curve = match curve {
        SECP256R1 => P256,
        SECP384R1 => P384,
        other => return Err(KeyError::Algorithm(other)),
    };
    let point = key.subject_public_key.as_bytes().ok_or(KeyError::Point)?;
    if is_on(&curve, point) {
        Ok(())
    } else {
        Err(KeyError::Point)
    }
}

fn is_on(curve: &Curve, point: &[u8]) -> bool {
    let Some((&UNCOMPRESSED, coordinates)) = point.split_first() else {
        return false;
    };
    if coordinates.len() != 2 * curve.field_octets {
        return false;
    }
    let (x, y) = coordinates.split_at(curve.field_octets);
    let (Some(p), Some(b)) = (
        BigUint::parse_bytes(curve.p, 16),
        BigUint::parse_bytes(curve.b, 16),
    ) else {
        return false;
    };
    let (x, y) = (BigUint::from_bytes_be(x), BigUint::from_bytes_be(y));
    if x >= p || y >= p {
        return false;
    }
    // p - 3 instead of -3 keeps the arithmetic unsigned.
    let right = &x * &x * &x + (&p - 3_u8) * &x + b;
    (&y * &y) % &p == right % &p
}
