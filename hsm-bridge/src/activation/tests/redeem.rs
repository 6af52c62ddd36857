//! One agreement, one signature per digest; everything else is refused and uses nothing up.

use std::slice::from_ref;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{
    MAX_CLIENT_DATA, MAX_CONTEXT, MAX_DIGESTS, MAX_OPEN_PER_KEY, MAX_WAITING, TIME_TO_SIGN,
    digest_of,
};
use super::*;
use crate::{KeyStoreError, SignatureScheme};

#[test]
fn an_agreement_allows_its_digest_once() {
    for passkey in [p256(), edwards(), rsa()] {
        let mut house = House::new();
        house.holder = holder(&passkey);
        let wanted = [digest("a")];
        let sent = Sent::new(&house.begin(&wanted, 1).bytes).signed(&passkey);
        assert_eq!(house.redeem(&sent, &wanted), Ok(()));
        assert_eq!(house.redeem(&sent, &wanted), Err(ActivationError::Unknown));
        assert_eq!(house.table.waiting(), 0);
    }
}

#[test]
fn several_digests_go_together_or_one_by_one_and_never_once_more() {
    let house = House::new();
    let (a, b) = (digest("a"), digest("b"));
    let wanted = [a.clone(), b.clone(), a.clone()];
    let sent = Sent::new(&house.begin(&wanted, 1).bytes).signed(&house.passkey);
    assert_eq!(
        house.redeem(&sent, &[a.clone(), b.clone(), b.clone()]),
        Err(ActivationError::Digest)
    );
    assert_eq!(house.redeem(&sent, from_ref(&a)), Ok(()));
    assert_eq!(
        house.redeem(&sent, &[a.clone(), a.clone()]),
        Err(ActivationError::Digest)
    );
    assert_eq!(house.redeem(&sent, &[b.clone(), a.clone()]), Ok(()));
    for digest in [a, b] {
        assert_eq!(
            house.redeem(&sent, &[digest]),
            Err(ActivationError::Unknown)
        );
    }
}

#[test]
fn other_digests_keys_and_times_are_refused_and_cost_nothing() {
    let house = House::new();
    let wanted = [digest("a")];
    let challenge = house.begin(&wanted, 1);
    let sent = Sent::new(&challenge.bytes).signed(&house.passkey);
    assert_eq!(
        house.redeem(&sent, &[digest("b")]),
        Err(ActivationError::Digest)
    );
    let none = Err(ActivationError::Request("number of digests"));
    assert_eq!(house.redeem(&sent, &[]), none);
    let other = KeyId::from_bytes([8; 20]);
    let unknown = Err(ActivationError::Unknown);
    assert_eq!(house.redeem_as(&sent, &wanted, other, house.now), unknown);
    assert_eq!(challenge.expires, house.now + TIME_TO_SIGN);
    let late = house.redeem_as(&sent, &wanted, KEY, challenge.expires);
    assert_eq!(late, unknown);
    let last = house.now + TIME_TO_SIGN.saturating_sub(Duration::from_micros(1));
    assert_eq!(house.redeem_as(&sent, &wanted, KEY, last), Ok(()));
}

#[test]
fn a_challenge_depends_on_everything_it_binds() {
    let house = House::new();
    let begin = |key, context: &[u8], digests: &[Vec<u8>], nonce| {
        let begun = house
            .table
            .begin(key, context, digests.to_vec(), [nonce; 32], house.now);
        begun.unwrap().bytes
    };
    let (a, b) = (digest("a"), digest("b"));
    let other = KeyId::from_bytes([8; 20]);
    let mut seen = vec![
        begin(KEY, b"x", from_ref(&a), 1),
        begin(other, b"x", from_ref(&a), 1),
        begin(KEY, b"y", from_ref(&a), 1),
        begin(KEY, b"x", from_ref(&b), 1),
        begin(KEY, b"x", from_ref(&a), 2),
        begin(KEY, b"x", &[a.clone(), b.clone()], 1),
        begin(KEY, b"x", &[b, a.clone()], 1),
    ];
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 7);
    let again = house.table.begin(KEY, b"x", vec![a], [1; 32], house.now);
    assert_eq!(again, Err(ActivationError::Request("nonce")));
}

#[test]
fn assertions_that_are_not_the_holders_word_are_refused() {
    let house = House::new();
    let wanted = [digest("a")];
    let good = Sent::new(&house.begin(&wanted, 1).bytes);
    let text = |from: &str, to: &str| Sent {
        client_data: good.client_data.replace(from, to),
        ..good.clone()
    };
    let flags = |flags: u8, more: &[u8]| {
        let mut sent = good.clone();
        sent.data[32] = flags;
        sent.data.extend_from_slice(more);
        sent
    };
    let client_data = |client_data: String| Sent {
        client_data,
        ..good.clone()
    };
    let mut elsewhere = good.clone();
    elsewhere.data[0] ^= 1;
    let mut short = good.clone();
    short.data.truncate(36);
    let padded = " ".repeat(MAX_CLIENT_DATA) + &good.client_data;
    let twice = good.client_data.replace('}', r#","type":"webauthn.get"}"#);
    let unknown = Sent::new(&[9; 32]);
    for (sent, error) in [
        (
            text("webauthn.get", "webauthn.create"),
            ActivationError::Type,
        ),
        (
            text("https://id.example:8443", "https://id.example"),
            ActivationError::Origin,
        ),
        (
            text("\"crossOrigin\":false", "\"crossOrigin\":true"),
            ActivationError::Origin,
        ),
        (
            text("}", ",\"topOrigin\":\"https://id.example:8443\"}"),
            ActivationError::Origin,
        ),
        (client_data(padded), ActivationError::ClientData),
        (client_data(twice), ActivationError::ClientData),
        (
            client_data(good.client_data.clone() + "{}"),
            ActivationError::ClientData,
        ),
        (client_data("[".repeat(4000)), ActivationError::ClientData),
        (client_data("{}".to_owned()), ActivationError::ClientData),
        (unknown, ActivationError::Unknown),
        (Sent::new(&[9; 31]), ActivationError::Unknown),
        (elsewhere, ActivationError::RelyingParty),
        (short, ActivationError::AuthenticatorData),
        (flags(0x01, &[]), ActivationError::User),
        (flags(0x04, &[]), ActivationError::User),
        (flags(0x45, &[]), ActivationError::AuthenticatorData),
        (flags(0x85, &[]), ActivationError::AuthenticatorData),
        (flags(0x05, &[0xa0]), ActivationError::AuthenticatorData),
        (flags(0x15, &[]), ActivationError::AuthenticatorData),
        (flags(0x05, &[0; 2048]), ActivationError::AuthenticatorData),
    ] {
        let sent = sent.signed(&house.passkey);
        assert_eq!(
            house.redeem(&sent, &wanted),
            Err(error),
            "{}",
            sent.client_data
        );
        let public: KeyStoreError = error.into();
        assert_eq!(public, KeyStoreError::NotPermitted);
    }
    let strangers = good.clone().signed(&p256());
    assert_eq!(
        house.redeem(&strangers, &wanted),
        Err(ActivationError::Signature)
    );
    let mut long = good.clone().signed(&house.passkey);
    long.signature.resize(513, 0);
    assert_eq!(
        house.redeem(&long, &wanted),
        Err(ActivationError::Signature)
    );
    assert_eq!(
        house.redeem(&good.clone(), &wanted),
        Err(ActivationError::Signature)
    );
    // None of it used the agreement up; new members of the client data are the browser's to add.
    let newer = text("}", ",\"other_keys_can_be_added_here\":[1]}").signed(&house.passkey);
    assert_eq!(house.redeem(&newer, &wanted), Ok(()));
}

#[test]
fn of_many_at_once_exactly_one_signs() {
    for nonce in 0..8 {
        let house = House::new();
        let wanted = [digest("a")];
        let sent = Sent::new(&house.begin(&wanted, nonce).bytes).signed(&house.passkey);
        let allowed: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(house.redeem(&sent, &wanted).is_ok())))
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(allowed, 1);
    }
}

#[test]
fn the_table_is_bounded_per_key_and_in_all_and_empties_with_time() {
    let house = House::new();
    let begin = |key: u8, count: usize, nonce: u32, now| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&nonce.to_be_bytes());
        let digests = vec![digest("a"); count];
        house
            .table
            .begin(KeyId::from_bytes([key; 20]), b"", digests, bytes, now)
            .map(|_| ())
    };
    for nonce in 0..u32::try_from(MAX_OPEN_PER_KEY).unwrap() {
        assert_eq!(begin(1, 1, nonce, house.now), Ok(()));
    }
    assert_eq!(begin(1, 1, 999, house.now), Err(ActivationError::Full));
    assert_eq!(begin(2, 1, 999, house.now), Ok(()));
    let later = house.now + TIME_TO_SIGN;
    assert_eq!(begin(1, 1, 1000, later), Ok(()));
    assert_eq!(house.table.waiting(), 1);
    let full = (MAX_WAITING - 1) / MAX_DIGESTS;
    for at in 0..full {
        let key = 3 + u8::try_from(at / MAX_OPEN_PER_KEY).unwrap();
        assert_eq!(
            begin(key, MAX_DIGESTS, u32::try_from(at).unwrap(), later),
            Ok(())
        );
    }
    assert_eq!(begin(99, MAX_DIGESTS, 0, later), Err(ActivationError::Full));
    assert_eq!(begin(99, MAX_DIGESTS, 0, later + TIME_TO_SIGN), Ok(()));
    assert_eq!(house.table.waiting(), MAX_DIGESTS);
    let refused: KeyStoreError = ActivationError::Full.into();
    assert!(matches!(refused, KeyStoreError::Busy(_)));
}

#[test]
fn odd_requests_are_refused() {
    let house = House::new();
    let begin = |context: &[u8], digests| {
        let begun = house.table.begin(KEY, context, digests, [1; 32], house.now);
        begun.unwrap_err()
    };
    for digests in [vec![], vec![digest("a"); MAX_DIGESTS + 1]] {
        assert_eq!(
            begin(b"", digests),
            ActivationError::Request("number of digests")
        );
    }
    let length = ActivationError::Request("length of a digest");
    assert_eq!(begin(b"", vec![vec![0; 20]]), length);
    let context = begin(&[0; MAX_CONTEXT + 1], vec![digest("a")]);
    assert_eq!(context, ActivationError::Request("context"));
}

#[test]
fn digests_have_the_length_of_their_scheme() {
    for (scheme, length) in [
        (SignatureScheme::EcdsaP256Sha256, 32),
        (SignatureScheme::EcdsaP384Sha384, 48),
        (SignatureScheme::Ed25519, 64),
    ] {
        assert_eq!(digest_of(scheme, b"attributes").len(), length);
    }
}

proptest! {
    #[test]
    fn made_up_assertions_are_refused_without_a_panic(
        client_data in ".{0,200}",
        data in proptest::collection::vec(any::<u8>(), 0..80),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let house = House::new();
        let wanted = [digest("a")];
        let good = Sent::new(&house.begin(&wanted, 1).bytes);
        let told = Sent { client_data, ..good.clone() };
        prop_assert!(house.redeem(&told, &wanted).is_err());
        let shown = Sent { data, signature, ..good };
        prop_assert!(house.redeem(&shown, &wanted).is_err());
        prop_assert_eq!(house.table.waiting(), 1);
    }

    /// Whatever is asked for in whatever order, no digest is allowed more often than it was agreed to.
    #[test]
    fn no_digest_is_allowed_more_often_than_agreed(
        agreed in proptest::collection::vec(0u8..4, 1..6),
        asked in proptest::collection::vec(proptest::collection::vec(0u8..4, 1..4), 1..9),
    ) {
        let house = House::new();
        let digests = |picks: &[u8]| picks.iter().map(|pick| vec![*pick; 32]).collect::<Vec<_>>();
        let sent = Sent::new(&house.begin(&digests(&agreed), 1).bytes).signed(&house.passkey);
        let mut left = agreed.clone();
        for picks in asked {
            let mut after = left.clone();
            let possible = picks.iter().all(|pick| {
                let at = after.iter().position(|one| one == pick);
                at.map(|at| after.swap_remove(at)).is_some()
            });
            prop_assert_eq!(house.redeem(&sent, &digests(&picks)).is_ok(), possible);
            if possible {
                left = after;
            }
            prop_assert_eq!(house.table.waiting(), left.len());
        }
    }
}
