//! What every PKCS#11 token must do for us, tried on SoftHSM or on the module that `ROMDUOL_TEST_MODULE` names.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::{self, SoftHsm, USER_PIN};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    DataKey, Health, KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SecretPurpose,
    SecretStore, SignatureScheme, SignatureVerifier,
};

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

/// The token as its vendor's tools would open it, beside our driver.
fn raw_session(hsm: &SoftHsm) -> Session {
    hsm.open().unwrap();
    let module = Pkcs11::new(testing::module()).unwrap();
    let slot = module
        .get_slots_with_initialized_token()
        .unwrap()
        .into_iter()
        .find(|slot| module.get_token_info(*slot).unwrap().label().trim_end() == hsm.label())
        .unwrap();
    let session = module.open_rw_session(slot).unwrap();
    // Another session of this process may be logged in already.
    let _logged_in = session.login(UserType::User, Some(&USER_PIN.into()));
    session
}

fn sign_and_verify(token: &Token) {
    for algorithm in KeyAlgorithm::ALL {
        if algorithm == KeyAlgorithm::Rsa4096 {
            continue; // takes a minute to make in an unoptimised token and differs from 3072 in length alone
        }
        let name = label(&format!("test/{algorithm}"));
        let id = token.generate(&name, algorithm).unwrap();
        assert_eq!(token.find(&name), Ok(Some(id)));
        for scheme in SignatureScheme::ALL {
            let signer = match token.signer(id, Some(scheme)) {
                Ok(signer) => signer,
                Err(error) => {
                    assert!(
                        !algorithm.fits(scheme) && matches!(error, KeyStoreError::BadRequest(_))
                    );
                    continue;
                }
            };
            assert!(algorithm.fits(scheme));
            assert_eq!(KeyId::of(signer.public_key()), Ok(id));
            assert_eq!(KeyAlgorithm::of(signer.public_key()), Some(algorithm));
            let signature = signer.sign(b"message").unwrap();
            let verify = |message: &[u8], signature: &[u8]| {
                OpenSslVerifier.verify(signer.public_key(), scheme, message, signature)
            };
            verify(b"message", &signature).unwrap();
            verify(b"massage", &signature).unwrap_err();
            let mut bent = signature.clone();
            *bent.last_mut().unwrap() ^= 1;
            verify(b"message", &bent).unwrap_err();
            let mut longer = signature;
            longer.push(0);
            verify(b"message", &longer).unwrap_err();
        }
        assert_eq!(
            token.signer(id, None).unwrap().scheme(),
            algorithm.default_scheme()
        );
        token.destroy(id).unwrap();
        assert_eq!(token.find(&name), Ok(None));
        assert!(matches!(
            token.signer(id, None),
            Err(KeyStoreError::UnknownKey(_))
        ));
    }
}

#[test]
fn every_algorithm_signs_what_openssl_verifies() {
    sign_and_verify(&SoftHsm::new().unwrap().open().unwrap());
}

#[test]
fn session_copies_sign_the_same_way_and_cannot_be_exported_either() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open_with_session_copies().unwrap();
    let id = token.generate(&label("a/b"), KeyAlgorithm::P256).unwrap();
    let signer = token.signer(id, None).unwrap();
    for round in 0..50_u8 {
        let signature = signer.sign(&[round]).unwrap();
        OpenSslVerifier
            .verify(signer.public_key(), signer.scheme(), &[round], &signature)
            .unwrap();
    }
    let session = raw_session(&hsm);
    let keys = session
        .find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])
        .unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert_eq!(
            session
                .get_attributes(key, &[AttributeType::Value])
                .unwrap(),
            []
        );
        let protected =
            session.get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable]);
        assert_eq!(
            protected.unwrap(),
            [Attribute::Sensitive(true), Attribute::Extractable(false)]
        );
    }
    // A copy that shares its id is a session object: the driver still finds one key pair in the token.
    assert_eq!(hsm.open().unwrap().describe(id).unwrap().id, id);
    // Destroying the key destroys the copy too.
    token.destroy(id).unwrap();
    assert!(matches!(
        signer.sign(b"after"),
        Err(KeyStoreError::UnknownKey(_))
    ));
    let left = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]);
    assert_eq!(left.unwrap().len(), 0);
}

#[test]
fn private_and_secret_keys_cannot_be_read_or_wrapped() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    for (name, algorithm) in [
        ("a/p256", KeyAlgorithm::P256),
        ("a/rsa", KeyAlgorithm::Rsa2048),
        ("a/ed", KeyAlgorithm::Ed25519),
    ] {
        token.generate(&label(name), algorithm).unwrap();
    }
    token
        .generate_secret(&label("a/kek"), SecretPurpose::KeyEncryption)
        .unwrap();
    token
        .generate_secret(&label("a/mac"), SecretPurpose::Mac)
        .unwrap();

    let session = raw_session(&hsm);
    let wrapping = session
        .generate_key(
            &Mechanism::AesKeyGen,
            &[
                Attribute::Token(false),
                Attribute::KeyType(KeyType::AES),
                Attribute::ValueLen(32.into()),
                Attribute::Wrap(true),
                Attribute::Encrypt(true),
            ],
        )
        .unwrap();
    let mut tried = 0;
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::SECRET_KEY] {
        for key in session
            .find_objects(&[Attribute::Class(class), Attribute::Token(true)])
            .unwrap()
        {
            for secret in [
                AttributeType::Value,
                AttributeType::PrivateExponent,
                AttributeType::Prime1,
            ] {
                assert_eq!(
                    session.get_attributes(key, &[secret]).unwrap_or_default(),
                    []
                );
            }
            for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
                session.wrap_key(&mechanism, wrapping, key).unwrap_err();
            }
            session
                .update_attributes(key, &[Attribute::Extractable(true)])
                .unwrap_err();
            session
                .update_attributes(key, &[Attribute::Sensitive(false)])
                .unwrap_err();
            tried += 1;
        }
    }
    assert_eq!(tried, 5);
}

#[test]
fn a_key_serves_one_purpose() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    let (kek, mac) = (label("a/kek"), label("a/mac"));
    token
        .generate_secret(&kek, SecretPurpose::KeyEncryption)
        .unwrap();
    token.generate_secret(&mac, SecretPurpose::Mac).unwrap();
    token
        .generate(&label("a/sign"), KeyAlgorithm::Rsa2048)
        .unwrap();
    let bad = |error: KeyStoreError| matches!(error, KeyStoreError::BadRequest(_));
    assert!(bad(token.hmac(&kek, b"x").unwrap_err()));
    assert!(bad(token
        .wrap(&mac, b"", &DataKey::from_bytes([0; 32]))
        .unwrap_err()));
    assert!(matches!(
        token.hmac(&label("a/none"), b"x"),
        Err(KeyStoreError::UnknownKey(_))
    ));
    assert!(matches!(
        token.hmac(&label("a/sign"), b"x"),
        Err(KeyStoreError::UnknownKey(_))
    ));

    let session = raw_session(&hsm);
    let rsa = session
        .find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])
        .unwrap();
    session
        .decrypt(&Mechanism::RsaPkcs, *rsa.first().unwrap(), &[1; 256])
        .unwrap_err();
}

#[test]
fn wrapped_keys_open_only_in_their_own_context() {
    let token = SoftHsm::new().unwrap().open().unwrap();
    let (one, two) = (label("idp/kek/g1"), label("idp/kek/g2"));
    for kek in [&one, &two] {
        token
            .generate_secret(kek, SecretPurpose::KeyEncryption)
            .unwrap();
    }
    let key = DataKey::from_bytes([0x42; 32]);
    let wrapped = token.wrap(&one, b"subject 1", &key).unwrap();
    assert_eq!(
        token
            .unwrap(&one, b"subject 1", &wrapped)
            .unwrap()
            .as_bytes(),
        key.as_bytes()
    );
    assert_ne!(token.wrap(&one, b"subject 1", &key).unwrap(), wrapped);
    assert!(!wrapped.windows(8).any(|window| window == [0x42; 8]));

    let refused = |kek: &KeyLabel, aad: &[u8], wrapped: &[u8]| {
        assert!(matches!(
            token.unwrap(kek, aad, wrapped),
            Err(KeyStoreError::BadRequest(_))
        ));
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
    *moved.get_mut(2 + "idp/kek/g".len()).unwrap() = b'2';
    refused(&two, b"subject 1", &moved);
    // A refusal is the caller's fault: the token is as healthy as before.
    assert_eq!((token.health(), token.login_attempts()), (Ok(()), 1));
}

#[test]
fn hmac_is_that_of_rfc_2104_under_a_key_nobody_knows() {
    let token = SoftHsm::new().unwrap().open().unwrap();
    let (one, two) = (label("idp/blind-index/g1"), label("idp/pairwise/g1"));
    for key in [&one, &two] {
        token.generate_secret(key, SecretPurpose::Mac).unwrap();
    }
    assert_eq!(token.hmac(&one, b"a"), token.hmac(&one, b"a"));
    assert_ne!(token.hmac(&one, b"a"), token.hmac(&one, b"b"));
    assert_ne!(token.hmac(&one, b"a"), token.hmac(&two, b"a"));
    assert_eq!(token.hmac(&one, &vec![7; 100_000]).unwrap().len(), 32);
    assert!(token.hmac(&one, b"").is_ok());
}

#[test]
fn labels_and_ids_are_unique() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    let name = label("a/b");
    let id = token.generate(&name, KeyAlgorithm::P256).unwrap();
    assert!(matches!(
        token.generate(&name, KeyAlgorithm::P384),
        Err(KeyStoreError::KeyExists(_))
    ));
    assert!(matches!(
        token.generate_secret(&name, SecretPurpose::Mac),
        Err(KeyStoreError::KeyExists(_))
    ));

    // Somebody else's tool makes a second key of that label and id: the driver refuses to guess.
    let session = raw_session(&hsm);
    let copies = session
        .find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])
        .unwrap();
    session
        .copy_object(*copies.first().unwrap(), &[Attribute::Token(true)])
        .unwrap();
    assert!(matches!(
        token.find(&name),
        Err(KeyStoreError::KeyRefused(_))
    ));
    assert!(matches!(
        hsm.open().unwrap().signer(id, None),
        Err(KeyStoreError::KeyRefused(_))
    ));
}

#[test]
fn one_label_made_by_many_threads_becomes_one_key() {
    let token = SoftHsm::new().unwrap().open().unwrap();
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    usize::from(token.generate(&label("a/b"), KeyAlgorithm::P256).is_ok())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(made, 1);
}

#[test]
fn more_threads_than_sessions_all_get_their_turn() {
    let hsm = SoftHsm::new().unwrap();
    let options = hsm_bridge::pkcs11::TokenOptions {
        session_copy: false,
        max_sessions: 2,
        ..hsm_bridge::pkcs11::TokenOptions::default()
    };
    let token = Token::open_with(&hsm.config(), options).unwrap();
    let id = token.generate(&label("a/b"), KeyAlgorithm::P256).unwrap();
    let signer = token.signer(id, None).unwrap();
    std::thread::scope(|scope| {
        for number in 0..10_u8 {
            let signer = &signer;
            scope.spawn(move || {
                for _ in 0..20 {
                    signer.sign(&[number]).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_key_deleted_behind_our_back_is_unknown_and_the_others_go_on() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    let gone = token
        .generate(&label("a/gone"), KeyAlgorithm::P256)
        .unwrap();
    let kept = token
        .generate(&label("a/kept"), KeyAlgorithm::P256)
        .unwrap();
    let (gone, kept) = (
        token.signer(gone, None).unwrap(),
        token.signer(kept, None).unwrap(),
    );
    gone.sign(b"x").unwrap();
    let session = raw_session(&hsm);
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        for object in session
            .find_objects(&[
                Attribute::Class(class),
                Attribute::Label(b"a/gone".to_vec()),
            ])
            .unwrap()
        {
            session.destroy_object(object).unwrap();
        }
    }
    assert!(matches!(gone.sign(b"x"), Err(KeyStoreError::UnknownKey(_))));
    kept.sign(b"x").unwrap();
}

#[test]
fn a_logout_elsewhere_in_the_process_is_healed_by_one_login() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    let id = token.generate(&label("a/b"), KeyAlgorithm::P256).unwrap();
    let signer = token.signer(id, None).unwrap();
    let session = raw_session(&hsm);
    session.logout().unwrap();
    signer.sign(b"x").unwrap();
    assert_eq!(token.login_attempts(), 2);
}

#[test]
fn a_wrong_pin_is_refused_in_words() {
    let hsm = SoftHsm::new().unwrap();
    let error = Token::open(&hsm.config_with_pin("not the pin")).err();
    assert_eq!(error, Some(KeyStoreError::PinRefused));
    hsm.open().unwrap().health().unwrap();
}
