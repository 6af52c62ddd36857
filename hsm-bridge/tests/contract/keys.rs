//! Key pairs: they stay in the token, serve one purpose, and are told apart.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use hsm_bridge::pkcs11::{Token, TokenOptions};
use hsm_bridge::testing::USER_PIN;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{Health, KeyAlgorithm, KeyStore, KeyStoreError, SignatureVerifier};

use crate::Contract;
use crate::place::{Place, label};

pub(crate) fn contracts() -> Vec<Contract> {
    vec![
        Contract::new("private keys cannot be read or wrapped", stay_inside),
        Contract::new("an RSA key that signs does not decrypt", one_purpose),
        Contract::new("session copies sign and stay inside", session_copies),
        Contract::new("labels and ids are unique", unique),
        Contract::new("keys are found by who opens the token anew", opened_anew),
        Contract::new("a key deleted by others is unknown", deleted),
        Contract::new("a wrong PIN is refused in words", wrong_pin),
    ]
}

/// All objects of this class, as the vendor's tools would see them.
pub(crate) fn objects(session: &Session, class: ObjectClass) -> Vec<ObjectHandle> {
    session.find_objects(&[Attribute::Class(class)]).unwrap()
}

/// Holds that nothing makes the value of a key leave the token.
pub(crate) fn assert_kept_inside(session: &Session, keys: &[ObjectHandle]) {
    let wrapping = session
        .generate_key(
            &Mechanism::AesKeyGen,
            &[
                Attribute::Token(false),
                Attribute::KeyType(KeyType::AES),
                Attribute::ValueLen(32.into()),
                Attribute::Wrap(true),
            ],
        )
        .unwrap();
    for key in keys.iter().copied() {
        for secret in [
            AttributeType::Value,
            AttributeType::PrivateExponent,
            AttributeType::Prime1,
            AttributeType::Seed,
        ] {
            let read = session.get_attributes(key, &[secret]);
            assert_eq!(read.unwrap_or_default(), []);
        }
        for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
            session.wrap_key(&mechanism, wrapping, key).unwrap_err();
        }
        for change in [Attribute::Extractable(true), Attribute::Sensitive(false)] {
            session.update_attributes(key, &[change]).unwrap_err();
        }
    }
}

fn stay_inside(place: &Place) {
    let token = place.open();
    let mut made = 0;
    for (name, algorithm) in [
        ("a/key", KeyAlgorithm::P256),
        ("a/rsa", KeyAlgorithm::Rsa2048),
        ("a/edwards", KeyAlgorithm::Ed25519),
    ] {
        match token.generate(&label(name), algorithm) {
            Ok(_) => made += 1,
            // That it can make them is a contract of its own.
            Err(error) => assert!(matches!(error, KeyStoreError::BadRequest(_)), "{error:?}"),
        }
    }
    let session = place.raw_session();
    let keys = objects(&session, ObjectClass::PRIVATE_KEY);
    assert!(made >= 2 && keys.len() == made, "{made} {}", keys.len());
    assert_kept_inside(&session, &keys);
}

fn one_purpose(place: &Place) {
    let token = place.open();
    token
        .generate(&label("a/rsa"), KeyAlgorithm::Rsa2048)
        .unwrap();
    let session = place.raw_session();
    let rsa = objects(&session, ObjectClass::PRIVATE_KEY);
    for mechanism in [Mechanism::RsaPkcs, Mechanism::RsaX509] {
        session
            .decrypt(&mechanism, *rsa.first().unwrap(), &[1; 256])
            .unwrap_err();
    }
}

fn session_copies(place: &Place) {
    let token = place.open_with(TokenOptions {
        session_copy: true,
        ..TokenOptions::default()
    });
    let id = token.generate(&label("a/key"), KeyAlgorithm::P256).unwrap();
    let signer = token.signer(id, None).unwrap();
    for round in 0..50_u8 {
        let signature = signer.sign(&[round]).unwrap();
        OpenSslVerifier
            .verify(signer.public_key(), signer.scheme(), &[round], &signature)
            .unwrap();
    }
    let session = place.raw_session();
    let keys = objects(&session, ObjectClass::PRIVATE_KEY);
    assert_eq!(keys.len(), 2);
    for key in keys {
        let value = session.get_attributes(key, &[AttributeType::Value]);
        assert_eq!(value.unwrap(), []);
        let protected =
            session.get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable]);
        assert_eq!(
            protected.unwrap(),
            [Attribute::Sensitive(true), Attribute::Extractable(false)]
        );
    }
    // A copy that shares its id is a session object: the driver still finds one key pair in the token.
    assert_eq!(place.open().describe(id).unwrap().id, id);
    // Destroying the key destroys the copy too.
    token.destroy(id).unwrap();
    assert!(matches!(
        signer.sign(b"after"),
        Err(KeyStoreError::UnknownKey(_))
    ));
    assert_eq!(objects(&session, ObjectClass::PRIVATE_KEY).len(), 0);
}

fn unique(place: &Place) {
    let token = place.open();
    let name = label("a/key");
    let id = token.generate(&name, KeyAlgorithm::P256).unwrap();
    assert!(matches!(
        token.generate(&name, KeyAlgorithm::P384),
        Err(KeyStoreError::KeyExists(_))
    ));

    // Somebody else's tool makes a second key of that label and id: the driver refuses to guess.
    let session = place.raw_session();
    let keys = objects(&session, ObjectClass::PRIVATE_KEY);
    session
        .copy_object(*keys.first().unwrap(), &[Attribute::Token(true)])
        .unwrap();
    assert!(matches!(
        token.find(&name),
        Err(KeyStoreError::KeyRefused(_))
    ));
    assert!(matches!(
        place.open().signer(id, None),
        Err(KeyStoreError::KeyRefused(_))
    ));
}

fn opened_anew(place: &Place) {
    let (one, two) = (label("a/key"), label("a/other"));
    let made = {
        let token = place.open();
        [&one, &two].map(|name| token.generate(name, KeyAlgorithm::P256).unwrap())
    };
    let token = place.open();
    assert_eq!(token.find(&one), Ok(Some(made[0])));
    assert_eq!(token.list_keys().unwrap().into_iter().flatten().count(), 2);
    let signer = token.signer(made[1], None).unwrap();
    let signature = signer.sign(b"x").unwrap();
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), b"x", &signature)
        .unwrap();
    token.destroy(made[0]).unwrap();
    assert_eq!(token.find(&one), Ok(None));
    assert_eq!(token.find(&two), Ok(Some(made[1])));
}

fn deleted(place: &Place) {
    let token = place.open();
    let make = |name: &str| {
        let id = token.generate(&label(name), KeyAlgorithm::P256).unwrap();
        token.signer(id, None).unwrap()
    };
    let (gone, kept) = (make("a/key"), make("a/other"));
    gone.sign(b"x").unwrap();
    let session = place.raw_session();
    let named = Attribute::Label(b"a/key".to_vec());
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        let found = session.find_objects(&[Attribute::Class(class), named.clone()]);
        for object in found.unwrap() {
            session.destroy_object(object).unwrap();
        }
    }
    assert!(matches!(gone.sign(b"x"), Err(KeyStoreError::UnknownKey(_))));
    kept.sign(b"x").unwrap();
}

fn wrong_pin(place: &Place) {
    let refused = Token::open(&place.config("not the pin")).err();
    assert_eq!(refused, Some(KeyStoreError::PinRefused));
    Token::open(&place.config(USER_PIN))
        .unwrap()
        .health()
        .unwrap();
}
