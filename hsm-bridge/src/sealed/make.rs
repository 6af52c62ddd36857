//! Making a key pair in memory, out of randomness of two sources that would both have to fail: the token's, and OpenSSL's DRBG.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rand::rand_priv_bytes;
use zeroize::Zeroizing;

use super::private::PrivateKey;
use super::vault::{FRESH, Vault};
use crate::{DataKey, KeyAlgorithm, KeyStoreError};

/// Longest secret number of a kind that is sealed.
const LONGEST_SEED: usize = 48;
/// A number outside the group of P-256 comes once in 2^32; more than these in a row are no chance.
const TRIES: usize = 4;

/// A fresh private key and a fresh data key for it.
pub(super) struct Fresh {
    pub(super) private: PrivateKey,
    pub(super) data_key: DataKey,
}

pub(super) fn failed(error: &ErrorStack) -> KeyStoreError {
    KeyStoreError::KeyRefused(format!("the library could not make it: {error}"))
}

/// Makes a key of a kind that is sealed, and the key that will seal it.
pub(super) fn make(vault: &dyn Vault, algorithm: KeyAlgorithm) -> Result<Fresh, KeyStoreError> {
    for _ in 0..TRIES {
        let mut random = vault.fresh()?;
        let mut own = Zeroizing::new([0; FRESH]);
        rand_priv_bytes(own.as_mut()).map_err(|e| failed(&e))?;
        for (byte, other) in random.iter_mut().zip(own.iter()) {
            *byte ^= other;
        }
        let (Some((seed, rest)), Some(data_key)) = (
            random.split_at_checked(LONGEST_SEED),
            random.last_chunk::<32>(),
        ) else {
            continue;
        };
        debug_assert_eq!(rest.len(), data_key.len(), "the two share no byte");
        if let Some(key) = key_of(algorithm, seed).map_err(|e| failed(&e))? {
            return Ok(Fresh {
                private: PrivateKey::new(key),
                data_key: DataKey::from_bytes(*data_key),
            });
        }
    }
    Err(KeyStoreError::KeyRefused(
        "the token's random numbers are not random".to_owned(),
    ))
}

/// The key of a seed; `None` when the seed is none, and another must be tried.
fn key_of(algorithm: KeyAlgorithm, seed: &[u8]) -> Result<Option<PKey<Private>>, ErrorStack> {
    let first = |length| seed.get(..length).unwrap_or_default();
    match algorithm {
        KeyAlgorithm::P256 => elliptic(Nid::X9_62_PRIME256V1, first(32)),
        KeyAlgorithm::P384 => elliptic(Nid::SECP384R1, first(48)),
        KeyAlgorithm::Ed25519 => PKey::private_key_from_raw_bytes(first(32), Id::ED25519).map(Some),
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => Ok(None),
        #[cfg(feature = "embedded")]
        KeyAlgorithm::MlDsa65 => Ok(None),
    }
}

/// Rejection sampling (FIPS 186-5 A.2.2): every number from 1 to the order less 1 is as likely.
fn elliptic(curve: Nid, seed: &[u8]) -> Result<Option<PKey<Private>>, ErrorStack> {
    let group = EcGroup::from_curve_name(curve)?;
    let mut context = BigNumContext::new_secure()?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut context)?;
    // A number of the secure kind is wiped when it is freed.
    let mut secret = BigNum::new_secure()?;
    secret.copy_from_slice(seed)?;
    secret.set_const_time();
    if secret.num_bits() == 0 || secret >= order {
        return Ok(None);
    }
    let mut public = EcPoint::new(&group)?;
    public.mul_generator2(&group, &secret, &mut context)?;
    let key = EcKey::from_private_components(&group, &secret, &public)?;
    key.check_key()?;
    PKey::from_ec_key(key).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_the_group_make_no_key_and_those_at_its_edge_do() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let mut context = BigNumContext::new().unwrap();
        let mut number = BigNum::new().unwrap();
        group.order(&mut number, &mut context).unwrap();
        let seed = |number: &BigNum| number.to_vec_padded(48).unwrap()[16..].to_vec();
        let made = |seed: &[u8]| key_of(KeyAlgorithm::P256, seed).unwrap().is_some();
        assert!(!made(&seed(&number)));
        assert!(!made(&[0xff; 48]));
        assert!(!made(&[0; 48]));
        number.sub_word(1).unwrap();
        assert!(made(&seed(&number)));
        assert!(made(&seed(&BigNum::from_u32(1).unwrap())));
    }
}
