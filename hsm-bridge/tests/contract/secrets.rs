//! Secret keys: data keys are wrapped in their own context, MACs come out the same, and neither key leaves the token.

use cryptoki::object::ObjectClass;
use hsm_bridge::pkcs11::Token;
use hsm_bridge::{
    DataKey, Health, KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore,
};

use crate::Contract;
use crate::keys::{assert_kept_inside, objects};
use crate::place::{Place, label};

pub(crate) fn contracts() -> Vec<Contract> {
    vec![
        Contract::new("a key that wraps cannot be read or wrapped", |place| {
            stay_inside(place, SecretPurpose::KeyEncryption);
        }),
        Contract::new("a MAC key cannot be read or wrapped", |place| {
            stay_inside(place, SecretPurpose::Mac);
        }),
        Contract::new("a key that wraps makes no MACs", kek_is_no_mac),
        Contract::new("a MAC key wraps nothing", mac_is_no_kek),
        Contract::new("wrapped keys open only in their own context", wrapped),
        Contract::new("MACs are those of a key nobody knows", macs),
        Contract::new("a secret key's label is taken", label_taken),
    ]
}

fn make(token: &Token, name: &str, purpose: SecretPurpose) -> KeyLabel {
    let name = label(name);
    token.generate_secret(&name, purpose).unwrap();
    name
}

fn stay_inside(place: &Place, purpose: SecretPurpose) {
    make(&place.open(), "a/mac1", purpose);
    let session = place.raw_session();
    let keys = objects(&session, ObjectClass::SECRET_KEY);
    assert_eq!(keys.len(), 1);
    assert_kept_inside(&session, &keys);
}

fn is_bad<T>(answer: &Result<T, KeyStoreError>) -> bool {
    matches!(answer, Err(KeyStoreError::BadRequest(_)))
}

fn kek_is_no_mac(place: &Place) {
    let token = place.open();
    let kek = make(&token, "a/kek1", SecretPurpose::KeyEncryption);
    assert!(is_bad(&token.hmac(&kek, b"x")));
}

fn mac_is_no_kek(place: &Place) {
    let token = place.open();
    let mac = make(&token, "a/mac1", SecretPurpose::Mac);
    token.generate(&label("a/key"), KeyAlgorithm::P256).unwrap();
    assert!(is_bad(&token.wrap(
        &mac,
        b"",
        &DataKey::from_bytes([0; 32])
    )));
    for none in ["a/mac2", "a/key"] {
        assert!(matches!(
            token.hmac(&label(none), b"x"),
            Err(KeyStoreError::UnknownKey(_))
        ));
    }
}

fn label_taken(place: &Place) {
    let token = place.open();
    let mac = make(&token, "a/mac1", SecretPurpose::Mac);
    token.generate(&label("a/key"), KeyAlgorithm::P256).unwrap();
    for taken in [mac, label("a/key")] {
        let answer = token.generate_secret(&taken, SecretPurpose::Mac);
        assert_eq!(answer, Err(KeyStoreError::KeyExists(taken.to_string())));
    }
}

fn wrapped(place: &Place) {
    let token = place.open();
    let [one, two] = ["a/kek1", "a/kek2"].map(|it| make(&token, it, SecretPurpose::KeyEncryption));
    let key = DataKey::from_bytes([0x42; 32]);
    let wrapped = token.wrap(&one, b"subject 1", &key).unwrap();
    let opened = token.unwrap(&one, b"subject 1", &wrapped).unwrap();
    assert_eq!(opened.as_bytes(), key.as_bytes());
    assert_ne!(token.wrap(&one, b"subject 1", &key).unwrap(), wrapped);
    assert!(!wrapped.windows(8).any(|window| window == [0x42; 8]));

    let refused = |kek: &KeyLabel, aad: &[u8], wrapped: &[u8]| {
        assert!(is_bad(&token.unwrap(kek, aad, wrapped)));
    };
    refused(&one, b"subject 2", &wrapped);
    refused(&one, b"", &wrapped);
    refused(&two, b"subject 1", &wrapped);
    for place in 0..wrapped.len() {
        let mut bent = wrapped.clone();
        *bent.get_mut(place).unwrap() ^= 0x10;
        refused(&one, b"subject 1", &bent);
        refused(&one, b"subject 1", wrapped.get(..place).unwrap());
    }
    // The label moved into another KEK's header does not open there either.
    let mut moved = wrapped;
    *moved.get_mut(2 + "a/kek".len()).unwrap() = b'2';
    refused(&two, b"subject 1", &moved);
    // A refusal is the caller's fault: the token is as healthy as before.
    assert_eq!((token.health(), token.login_attempts()), (Ok(()), 1));
}

/// RFC 2104, as far as it can be seen from without: one key, one value for a message, of the length of SHA-256.
fn macs(place: &Place) {
    let token = place.open();
    let [one, two] = ["a/mac1", "a/mac2"].map(|it| make(&token, it, SecretPurpose::Mac));
    assert_eq!(
        token.hmac(&one, b"a").unwrap(),
        token.hmac(&one, b"a").unwrap()
    );
    assert_ne!(token.hmac(&one, b"a"), token.hmac(&one, b"b"));
    assert_ne!(token.hmac(&one, b"a"), token.hmac(&two, b"a"));
    assert_eq!(token.hmac(&one, &vec![7; 100_000]).unwrap().len(), 32);
    token.hmac(&one, b"").unwrap();
}
