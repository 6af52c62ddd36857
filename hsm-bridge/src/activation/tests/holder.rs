//! Records of holders are read back whole or not at all.

use proptest::prelude::*;

use super::*;
use crate::KeyStoreError;

/// Stands for the token: a MAC that depends on every octet.
#[expect(clippy::unnecessary_wraps, reason = "the token can fail")]
fn mac(message: &[u8]) -> Result<[u8; 32], KeyStoreError> {
    Ok(Sha256::digest([b"key of the token".as_slice(), message].concat()).into())
}

#[test]
fn a_record_says_who_the_holder_is() {
    for passkey in [p256(), edwards(), rsa()] {
        let holder = holder(&passkey);
        let record = holder.encode(KEY, mac).unwrap();
        assert_eq!(Holder::decode(&record, KEY, mac), Ok(holder));
    }
}

#[test]
fn a_record_of_another_key_another_token_or_another_version_is_refused() {
    let holder = holder(&p256());
    let record = holder.encode(KEY, mac).unwrap();
    let refused = |outcome: Result<Holder, KeyStoreError>, word: &str| {
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, KeyStoreError::KeyRefused(text) if text.contains(word)),
            "{error}"
        );
    };
    let other = KeyId::from_bytes([8; 20]);
    refused(Holder::decode(&record, other, mac), "another key");
    refused(Holder::decode(&record, KEY, |_| Ok([0; 32])), "changed");
    refused(Holder::decode(&record[..20], KEY, mac), "short");
    refused(Holder::decode(&[0; 4096], KEY, mac), "long");
    let mut newer = record[..record.len() - 32].to_vec();
    newer[0] = 2;
    let sealed = mac(&[b"romduol-holder-v1".as_slice(), &newer].concat()).unwrap();
    newer.extend(sealed);
    refused(Holder::decode(&newer, KEY, mac), "version");
    let offline = || KeyStoreError::TokenUnavailable("x".to_owned());
    let outcome = Holder::decode(&record, KEY, |_| Err(offline()));
    assert_eq!(outcome, Err(offline()));
}

#[test]
fn holders_have_a_key_of_passkeys_and_an_origin_of_their_relying_party() {
    let good = p256().public_key_to_der().unwrap();
    for (rp_id, origin) in [
        ("id.example", "https://id.example"),
        ("example", "https://id.example:8443"),
        ("localhost", "http://localhost:8080"),
    ] {
        assert!(
            Holder::new(&good, rp_id, origin).is_ok(),
            "{rp_id} {origin}"
        );
    }
    for (rp_id, origin) in [
        ("id.example", "http://id.example"),
        ("id.example", "https://evilid.example"),
        ("id.example", "https://id.example/"),
        ("id.example", "https://id.example.evil"),
        ("id.example", "https://id.example:443"),
        ("id.example", "https://id.example:08443"),
        ("id.example", "https://id.example:0"),
        ("id.example", "https://id.example:"),
        ("id.example", "https://a@id.example"),
        ("id.example", "https://ID.example"),
        ("id.example", "id.example"),
        ("", "https://id.example"),
        ("id..example", "https://id..example"),
    ] {
        assert!(
            Holder::new(&good, rp_id, origin).is_err(),
            "{rp_id} {origin}"
        );
    }
    let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let p384 = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let wrong = Err(ActivationError::Holder("public key"));
    let p384 = p384.public_key_to_der().unwrap();
    assert_eq!(Holder::new(&p384, RP_ID, ORIGIN), wrong);
    assert_eq!(Holder::new(b"", RP_ID, ORIGIN), wrong);
}

proptest! {
    #[test]
    fn a_changed_cut_or_made_up_record_is_refused(at in 0usize..200, bit in 0u8..8, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let record = holder(&p256()).encode(KEY, mac).unwrap();
        let at = at % record.len();
        let mut bent = record.clone();
        bent[at] ^= 1 << bit;
        prop_assert!(Holder::decode(&bent, KEY, mac).is_err());
        prop_assert!(Holder::decode(&record[..at], KEY, mac).is_err());
        prop_assert!(Holder::decode(&bytes, KEY, mac).is_err());
        // Under a right MAC the inside is still read with care.
        let start = [&[1], KEY.as_bytes().as_slice(), &bytes].concat();
        let sealed = mac(&[b"romduol-holder-v1".as_slice(), &start].concat()).unwrap();
        prop_assert!(Holder::decode(&[start.as_slice(), &sealed].concat(), KEY, mac).is_err());
    }
}
