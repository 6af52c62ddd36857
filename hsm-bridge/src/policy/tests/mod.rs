//! What a policy grants, refuses, remembers, and says about its own slips.

mod keys;
mod limits;
mod slips;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Ask, Now, Operation, Payload, Policy, Signature};
use crate::{KeyLabel, KeyStoreError, SignatureScheme};

const HOUSE: &str = r#"
    [[grant]]
    caller = "idp"
    keys = "idp/*"
    operations = ["sign", "wrap", "unwrap", "hmac"]

    [[grant]]
    caller = "ca"
    keys = "sign/*"
    operations = ["generate", "sign"]
    rate = 2

    [[grant]]
    caller = "ca"
    keys = "ca/persons/g1"
    operations = ["sign"]
"#;

const DAY: Duration = Duration::from_hours(24);

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

/// 2026-06-01T00:00:00Z and so many seconds.
fn utc(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_272_000 + seconds)
}

fn now(instant: Instant, seconds: u64) -> Now {
    Now {
        instant,
        utc: utc(seconds),
    }
}

/// Asks; a signature is one over a message by ECDSA with P-256.
fn ask(
    policy: &Policy,
    (caller, operation, key): (&str, Operation, &str),
    now: Now,
) -> Result<(), KeyStoreError> {
    let signature = (operation == Operation::Sign).then_some(Signature {
        scheme: SignatureScheme::EcdsaP256Sha256,
        payload: Payload::Message,
    });
    let label = label(key);
    let ask = Ask {
        caller,
        operation,
        label: &label,
        signature,
        now,
    };
    policy.authorise(&ask).map(|_| ())
}

#[test]
fn only_what_is_granted_is_allowed() {
    let policy = Policy::parse(HOUSE).unwrap();
    let now = now(Instant::now(), 0);
    let check = |caller, operation, key| ask(&policy, (caller, operation, key), now);
    assert_eq!(check("idp", Operation::Hmac, "idp/pairwise/g1"), Ok(()));
    assert_eq!(check("ca", Operation::Sign, "ca/persons/g1"), Ok(()));
    for (caller, operation, key) in [
        ("idp", Operation::Sign, "ca/persons/g1"),
        ("idp", Operation::Generate, "idp/kek/g1"),
        ("idp", Operation::Sign, "idp"),
        ("idp", Operation::Sign, "idpx/kek/g1"),
        ("ca", Operation::Sign, "ca/persons/g2"),
        ("ca", Operation::Sign, "ca/persons/g1/x"),
        ("ocsp", Operation::Sign, "idp/kek/g1"),
        ("IDP", Operation::Sign, "idp/kek/g1"),
    ] {
        assert_eq!(
            check(caller, operation, key),
            Err(KeyStoreError::NotPermitted),
            "{caller} {key}"
        );
    }
    assert!(policy.may_see("ca", &label("sign/x")) && !policy.may_see("ocsp", &label("sign/x")));
}

#[test]
fn a_signature_names_its_kind_and_nothing_else_does() {
    let policy = Policy::parse(HOUSE).unwrap();
    let label = label("idp/id-token/g1");
    let mut ask = Ask {
        caller: "idp",
        operation: Operation::Sign,
        label: &label,
        signature: None,
        now: now(Instant::now(), 0),
    };
    assert!(policy.authorise(&ask).is_err());
    ask.signature = Some(Signature {
        scheme: SignatureScheme::Ed25519,
        payload: Payload::Digest,
    });
    assert!(policy.authorise(&ask).is_ok());
    ask.operation = Operation::Hmac;
    assert!(policy.authorise(&ask).is_err());
}
