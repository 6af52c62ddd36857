//! Rules of keys: the narrowest entry holds, and a bound key signs nothing unread.

use der::Decode;
use spki::SubjectPublicKeyInfoOwned;

use super::super::{Proof, Tier};
use super::*;
use crate::tbs::Signing;

/// The example of the reference; if it does not parse, the reference is wrong.
const REFERENCE: &str = include_str!("../../../../docs/configuration/bridge-policy.md");

/// The public half of a P-256 key, by its form.
fn public_key() -> SubjectPublicKeyInfoOwned {
    let mut der = vec![
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    der.extend([0x11; 64]);
    SubjectPublicKeyInfoOwned::from_der(&der).unwrap()
}

fn example() -> String {
    let (_, after) = REFERENCE.split_once("```toml\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_example_of_the_reference_is_a_policy() {
    let policy = Policy::parse(&example()).unwrap();
    let now = now(Instant::now(), 9 * 3600);
    assert_eq!(
        ask(&policy, ("ca", Operation::Sign, "ca/persons/g1"), now),
        Ok(())
    );
    assert!(policy.rules(&label("ca/persons/g1")).is_bound());
    assert_eq!(
        policy.rules(&label("sign/x")).proof,
        Some(Proof::Activation)
    );
    let root_night = ask(
        &policy,
        ("ceremony", Operation::Sign, "ca/root/g1"),
        super::now(Instant::now(), 0),
    );
    assert_eq!(root_night, Err(KeyStoreError::NotPermitted));
}

#[test]
fn keys_without_an_entry_are_verified_and_sign_anything() {
    let policy = Policy::parse(HOUSE).unwrap();
    let rules = policy.rules(&label("ca/persons/g1"));
    assert!(!rules.is_bound() && rules.verify && !rules.durable && rules.proof.is_none());
}

#[test]
fn the_narrowest_entry_holds_whatever_the_order() {
    let entry = |keys: &str, word: &str| format!("[[key]]\nkeys = \"{keys}\"\n{word}\n");
    let entries = [
        entry("a/*", "durable = true"),
        entry("a/b/*", "verify = false"),
        entry("a/b/c", "proof = \"activation\""),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let text: String = order.iter().map(|at| entries[*at].as_str()).collect();
        let policy = Policy::parse(&text).unwrap();
        let seen = |key| {
            let rules = policy.rules(&label(key));
            (rules.durable, rules.verify, rules.proof.is_some())
        };
        assert_eq!(seen("a/x"), (true, true, false));
        assert_eq!(seen("a/b/x"), (false, false, false));
        assert_eq!(seen("a/b/c"), (false, true, true));
        assert_eq!(seen("a"), (false, true, false));
    }
}

#[test]
fn keys_stay_in_the_token_unless_their_rule_says_otherwise() {
    let text = "[[key]]\nkeys = \"sign/*\"\ntier = \"sealed\"\nproof = \"activation\"\n\
        [[key]]\nkeys = \"sign/officials/*\"\n[[key]]\nkeys = \"idp/*\"\ntier = \"token\"\n";
    let policy = Policy::parse(text).unwrap();
    for (key, tier) in [
        ("sign/one", Tier::Sealed),
        ("sign/officials/one", Tier::Token),
        ("idp/one", Tier::Token),
        ("ca/one", Tier::Token),
    ] {
        assert_eq!(policy.rules(&label(key)).tier, tier, "{key}");
    }
}

#[test]
fn a_bound_key_signs_no_digest_and_nothing_unread() {
    let grant = "[[grant]]\ncaller = \"ca\"\nkeys = \"ca/*\"\noperations = [\"sign\"]\n";
    let policy = Policy::parse(&format!(
        "{grant}[[key]]\nkeys = \"ca/c\"\nsigns = [\"certificate\"]\n[key.certificate]\nlongest_days = 9\n\
         [[key]]\nkeys = \"ca/l\"\nsigns = [\"certificate-list\"]\n"
    ))
    .unwrap();
    let scheme = SignatureScheme::EcdsaP256Sha256;
    for (key, payload, allowed) in [
        ("ca/c", Payload::Message, true),
        ("ca/c", Payload::Digest, false),
        ("ca/c", Payload::List, false),
        ("ca/l", Payload::Message, true),
        ("ca/l", Payload::Digest, false),
        ("ca/l", Payload::List, true),
        ("ca/free", Payload::Digest, true),
        ("ca/free", Payload::List, false),
    ] {
        let label = label(key);
        let outcome = policy.authorise(&Ask {
            caller: "ca",
            operation: Operation::Sign,
            label: &label,
            signature: Some(Signature { scheme, payload }),
            now: now(Instant::now(), 0),
        });
        assert_eq!(outcome.is_ok(), allowed, "{key} {payload:?}");
    }
    let own = public_key();
    let signing = Signing {
        scheme,
        public_key: &own,
        now: utc(0),
    };
    let certificate_like = [0x30, 0x05, 0xa0, 0x03, 0x02, 0x01, 0x02];
    let list_like = [0x30, 0x03, 0x02, 0x01, 0x01];
    for key in ["ca/c", "ca/l"] {
        let rules = policy.rules(&label(key));
        for message in [
            b"".as_slice(),
            b"any text",
            &certificate_like,
            &list_like,
            &[0x30, 0x80],
        ] {
            let refused = rules.inspect(message, &signing).unwrap_err();
            assert!(
                matches!(refused, KeyStoreError::BadRequest(_)),
                "{key} {refused}"
            );
        }
    }
    let free = policy.rules(&label("ca/free"));
    assert!(free.inspect(b"any text", &signing).is_ok());
    assert!(free.list_checker(scheme, &own, utc(0), 9).is_err());
    let lists = policy.rules(&label("ca/l"));
    assert!(lists.list_checker(scheme, &own, utc(0), 9).is_ok());
    assert!(
        lists
            .list_checker(SignatureScheme::Ed25519, &own, utc(0), 9)
            .is_err()
    );
}
