//! Pairwise subject identifiers (OpenID Connect Core §8.1): what is hashed, and the form of the result.

use base64ct::{Base64UrlUnpadded, Encoding};
use uuid::Uuid;

/// Prefix that keeps this use of the key apart from any other.
const DOMAIN: &[u8] = b"romduol-pairwise-v1";

/// The message whose HMAC in the token identifies `person` to every client of `sector`.
///
/// The sector's length stands before it, so that no two (sector, person) pairs yield the same message.
pub fn pairwise_message(sector: &str, person: Uuid) -> Vec<u8> {
    let length = u32::try_from(sector.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    [DOMAIN, &length, sector.as_bytes(), person.as_bytes()].concat()
}

/// The `sub` of an HMAC: 43 characters of base64url.
pub fn encode_subject(mac: &[u8; 32]) -> String {
    Base64UrlUnpadded::encode_string(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_pairs_give_different_messages(a in "[a-z.]{1,20}", b in "[a-z.]{1,20}", x: u128, y: u128) {
            let same = a == b && x == y;
            let one = pairwise_message(&a, Uuid::from_u128(x));
            let two = pairwise_message(&b, Uuid::from_u128(y));
            prop_assert_eq!(one == two, same);
        }
    }

    #[test]
    fn subject_has_43_characters() {
        assert_eq!(encode_subject(&[0xff; 32]).len(), 43);
    }
}
