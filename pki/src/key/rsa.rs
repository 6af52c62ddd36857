//! RSA keys: length, exponent, small factors, close primes, ROCA.

use der::asn1::{AnyRef, UintRef};
use der::{Decode, Sequence};
use num_bigint::BigUint;
use spki::SubjectPublicKeyInfoOwned;

use super::KeyError;

const MIN_MODULUS_BITS: u64 = 2048;
const MAX_MODULUS_BITS: u64 = 8192;
const MIN_EXPONENT: u32 = 65_537;
const MAX_EXPONENT_BITS: u64 = 256;
/// Primes below this bound are tried as factors (SP 800-89 §5.3.3).
const SMALL_FACTOR_BOUND: u32 = 752;
/// Rounds of Fermat's method; enough for every weak key known from the field.
const FERMAT_ROUNDS: u32 = 110;
const ROCA_GENERATOR: u32 = 65_537;
/// The primes whose residues betray the generator of CVE-2017-15361.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

pub(super) fn check(key: &SubjectPublicKeyInfoOwned) -> Result<(), KeyError> {
    // RFC 4055 §1.2: the parameters of rsaEncryption are NULL.
    let parameters = key
        .algorithm
        .parameters
        .as_ref()
        .ok_or(KeyError::Parameters)?;
    if AnyRef::from(parameters) != AnyRef::NULL {
        return Err(KeyError::Parameters);
    }
    let octets = key.subject_public_key.as_bytes().ok_or(KeyError::Der)?;
    let numbers = RsaPublicKey::from_der(octets).map_err(|_| KeyError::Der)?;
    check_numbers(
        &BigUint::from_bytes_be(numbers.modulus.as_bytes()),
        &BigUint::from_bytes_be(numbers.exponent.as_bytes()),
    )
}

fn check_numbers(modulus: &BigUint, exponent: &BigUint) -> Result<(), KeyError> {
    let bits = modulus.bits();
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) || !bits.is_multiple_of(8) {
        return Err(KeyError::ModulusLength);
    }
    if !exponent.bit(0)
        || *exponent < BigUint::from(MIN_EXPONENT)
        || exponent.bits() > MAX_EXPONENT_BITS
    {
        return Err(KeyError::Exponent);
    }
    // A composite divisor implies a smaller prime one, so trying every number is the same test.
    if (2..SMALL_FACTOR_BOUND).any(|divisor| residue(modulus, divisor) == 0) {
        return Err(KeyError::SmallFactor);
    }
    if has_roca_fingerprint(modulus) {
        return Err(KeyError::Roca);
    }
    if has_close_primes(modulus) {
        Err(KeyError::ClosePrimes)
    } else {
        Ok(())
    }
}

fn residue(number: &BigUint, divisor: u32) -> u32 {
    (number % divisor)
        .iter_u32_digits()
        .next()
        .unwrap_or_default()
}

/// Fermat: n = a^2 - b^2 with a just above the root of n when the primes are close.
fn has_close_primes(modulus: &BigUint) -> bool {
    let mut a = modulus.sqrt();
    if &a * &a < *modulus {
        a += 1_u8;
    }
    for _ in 0..FERMAT_ROUNDS {
        let rest = &a * &a - modulus;
        let b = rest.sqrt();
        if &b * &b == rest {
            return true;
        }
        a += 1_u8;
    }
    false
}

/// The weak generator leaves n a power of 65537 modulo each small prime.
fn has_roca_fingerprint(modulus: &BigUint) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let wanted = residue(modulus, *prime);
        let mut power = 1;
        for _ in 0..*prime {
            if power == wanted {
                return true;
            }
            power = power * (ROCA_GENERATOR % prime) % prime;
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponent() -> BigUint {
        BigUint::from(MIN_EXPONENT)
    }

    #[test]
    fn lengths_and_exponents_have_bounds() {
        let short = (BigUint::from(1_u8) << 2047_u32) - 1_u8;
        assert_eq!(
            check_numbers(&short, &exponent()),
            Err(KeyError::ModulusLength)
        );
        let modulus = (BigUint::from(1_u8) << 2048_u32) - 1_u8;
        assert_eq!(
            check_numbers(&modulus, &BigUint::from(3_u8)),
            Err(KeyError::Exponent)
        );
        assert_eq!(
            check_numbers(&modulus, &BigUint::from(65_538_u32)),
            Err(KeyError::Exponent)
        );
        // 2^2048 - 1 is divisible by three.
        assert_eq!(
            check_numbers(&modulus, &exponent()),
            Err(KeyError::SmallFactor)
        );
    }

    #[test]
    fn close_factors_are_found() {
        // Primality does not matter to the method: both factors are odd and differ by little.
        let p = (BigUint::from(1_u8) << 1024_u32) - 105_u8;
        let q = &p - 1000_u32;
        assert!(has_close_primes(&(&p * &q)));
        let far = (BigUint::from(1_u8) << 1023_u32) + 1155_u32;
        assert!(!has_close_primes(&(p * far)));
    }

    #[test]
    fn powers_of_the_weak_generator_are_recognised() {
        let weak = BigUint::from(ROCA_GENERATOR).pow(130);
        assert!(has_roca_fingerprint(&weak));
        assert!(!has_roca_fingerprint(&(weak + 2_u8)));
    }
}
