//! The same contract on every vendor the strict token plays, and what is special about each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hsm_bridge::pkcs11::{Token, TokenOptions, WhenLost};
use hsm_bridge::testing::USER_PIN;
use hsm_bridge::{DataKey, KeyAlgorithm, KeyStore, KeyStoreError, SecretPurpose, SecretStore};
use strict_token::{Function, Profile};

use crate::stage::{Stage, label, strict_test};
use crate::templates::{from_text, template};

/// Making, finding, using and destroying keys by several threads at once.
fn keys_work(stage: &Stage, options: TokenOptions) {
    let key = stage.ready_with(KeyAlgorithm::P256, options);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    key.sign().unwrap();
                }
            });
        }
    });
    assert_eq!(stage.control.signatures_made(), 60);
    assert_eq!(stage.control.signatures_released(), 60);
    assert_eq!(key.token.find(&label("test/key")), Ok(Some(key.id)));
    key.token.destroy(key.id).unwrap();
    assert_eq!(key.token.find(&label("test/key")), Ok(None));
    assert_eq!(stage.pins(), (0, 0));
}

/// Wrapping of data keys, and MACs.
fn secrets_work(stage: &Stage, options: TokenOptions) {
    let token = Token::open_with(&stage.config(USER_PIN), options).unwrap();
    let (kek, mac) = (label("test/kek"), label("test/mac"));
    token
        .generate_secret(&kek, SecretPurpose::KeyEncryption)
        .unwrap();
    token.generate_secret(&mac, SecretPurpose::Mac).unwrap();
    let data_key = DataKey::from_bytes([5; 32]);
    let wrapped = [(); 2].map(|()| token.wrap(&kek, b"aad", &data_key).unwrap());
    let [first, second] = &wrapped;
    assert_ne!(first, second);
    for one in &wrapped {
        let opened = token.unwrap(&kek, b"aad", one).unwrap();
        assert_eq!(opened.as_bytes(), data_key.as_bytes());
        assert!(token.unwrap(&kek, b"other", one).is_err());
    }
    assert_eq!(
        token.hmac(&mac, b"m").unwrap(),
        token.hmac(&mac, b"m").unwrap()
    );
}

strict_test!(plain, Profile::Plain, "", |stage| {
    for options in [TokenOptions::default(), template("softhsm")] {
        keys_work(&stage, options);
    }
    secrets_work(&stage, TokenOptions::default());
});

strict_test!(luna_like, Profile::LunaLike, "", |stage| {
    keys_work(&stage, template("luna"));
    secrets_work(&stage, template("luna"));
});

strict_test!(nshield_like, Profile::NshieldLike, "", |stage| {
    keys_work(&stage, template("nshield"));
    secrets_work(&stage, template("nshield"));
});

strict_test!(kryoptic_like, Profile::KryopticLike, "", |stage| {
    keys_work(&stage, template("kryoptic"));
    secrets_work(&stage, template("kryoptic"));
});

strict_test!(yubihsm_like, Profile::YubihsmLike, "", |stage| {
    keys_work(&stage, template("yubihsm"));
    let make = |options: TokenOptions, name| {
        let token = Token::open_with(&stage.config(USER_PIN), options).unwrap();
        let made = token.generate_secret(&label(name), SecretPurpose::KeyEncryption);
        (token, made)
    };
    // It has no AES-GCM: who says so beforehand gets no key for it, who does not gets one that cannot be used, which is said.
    let (_, refused) = make(template("yubihsm"), "test/none");
    assert!(
        matches!(&refused, Err(KeyStoreError::BadRequest(why)) if why.contains("'yubihsm'")),
        "{refused:?}"
    );
    let (token, kek) = make(TokenOptions::default(), "test/kek");
    kek.unwrap();
    let answer = token.wrap(&label("test/kek"), b"", &DataKey::from_bytes([5; 32]));
    assert!(
        matches!(answer, Err(KeyStoreError::BadRequest(_))),
        "{answer:?}"
    );
});

strict_test!(cloudhsm_like, Profile::CloudhsmLike, "", |stage| {
    keys_work(&stage, template("cloudhsm"));
    stage.control.reset_counters();
    secrets_work(&stage, template("cloudhsm"));
    // It makes its own nonces, and is not asked for random bytes that it would overwrite.
    assert_eq!(stage.control.calls(Function::GenerateRandom), 0);
});

strict_test!(ykcs_like, Profile::YkcsLike, "", |stage| {
    // A template that says what need not be said is refused, and nothing is left behind.
    let plain = stage.open();
    let answer = plain.generate(&label("test/key"), KeyAlgorithm::P256);
    assert!(
        matches!(answer, Err(KeyStoreError::BadRequest(_))),
        "{answer:?}"
    );
    assert_eq!(plain.list_keys().unwrap().len(), 0);
    let slots = "base = 'ykcs'\n[places]\n'test/key' = '02'\n'test/other' = '9c'\n";
    keys_work(&stage, from_text(slots));
    let token = Token::open_with(&stage.config(USER_PIN), from_text(slots)).unwrap();
    let other = token
        .generate(&label("test/other"), KeyAlgorithm::P384)
        .unwrap();
    assert_eq!(token.describe(other).unwrap().label, label("test/other"));
    for (name, expected) in [("test/other", "key exists"), ("test/third", "no place")] {
        let answer = token.generate(&label(name), KeyAlgorithm::P256);
        let said = answer.map_err(|e| e.to_string());
        assert!(
            said.as_ref().is_err_and(|said| said.contains(expected)),
            "{name}: {said:?}"
        );
    }
    let keys = token.list_keys().unwrap();
    let ids: Vec<_> = keys.into_iter().map(|key| key.unwrap().id).collect();
    assert_eq!(ids, [other]);
});

strict_test!(
    session_copies_work_on_every_vendor,
    Profile::NshieldLike,
    "",
    |stage| {
        let options = TokenOptions {
            session_copy: true,
            ..TokenOptions::default()
        };
        let key = stage.ready_with(KeyAlgorithm::P256, options);
        stage.control.kill_idle_sessions();
        // The copy died with the anchor session and is made again.
        key.sign().unwrap();
        assert_eq!(stage.control.calls(Function::CopyObject), 1);
        assert_eq!(stage.pins(), (1, 0));
    }
);

strict_test!(
    more_callers_than_sessions_all_get_their_turn,
    Profile::YubihsmLike,
    "max_sessions = 4\nlatency_us = 1000",
    |stage| {
        // The driver would open sixteen; the token gives four, one of which is the anchor.
        let key = stage.ready(KeyAlgorithm::P256);
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        key.sign().unwrap();
                    }
                });
            }
        });
        assert_eq!(stage.control.signatures_made(), 120);
        assert_eq!(stage.control.sessions_most(), 4);
    }
);

strict_test!(
    throttling_is_not_mistaken_for_a_lost_token,
    Profile::CloudhsmLike,
    "capacity = 2",
    |stage| {
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        let owner = move |_: &KeyStoreError| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let options = TokenOptions {
            when_lost: WhenLost::Tell(Arc::new(owner)),
            ..template("cloudhsm")
        };
        let key = stage.ready_with(KeyAlgorithm::P256, options);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        match key.sign() {
                            // A call that was shed when it signed cannot be told from one whose answer was lost.
                            Ok(_) | Err(KeyStoreError::Busy(_) | KeyStoreError::OutcomeUnknown) => {
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
        });
        key.sign().unwrap();
        // While others succeed, a device error is no reason to log in anew, nor to give the token up.
        assert_eq!((stage.pins(), told.load(Ordering::Relaxed)), ((0, 0), 0));
    }
);

strict_test!(
    a_key_that_came_out_readable_is_refused_and_removed,
    Profile::Plain,
    "generated = { SENSITIVE = false }",
    |stage| {
        let token = stage.open();
        for answer in [
            token
                .generate(&label("test/key"), KeyAlgorithm::P256)
                .map(|_| ()),
            token.generate_secret(&label("test/key"), SecretPurpose::Mac),
        ] {
            let Err(KeyStoreError::KeyRefused(why)) = answer else {
                panic!("{answer:?}");
            };
            assert!(why.contains("CKA_SENSITIVE"), "{why}");
        }
        assert_eq!(token.find(&label("test/key")), Ok(None));
        assert_eq!(token.list_keys().unwrap().len(), 0);
        assert_eq!(token.list_secrets().unwrap().len(), 0);
    }
);

strict_test!(
    a_key_of_unknown_origin_is_refused_and_removed,
    Profile::Plain,
    "missing_attributes = ['LOCAL']",
    |stage| {
        let token = stage.open();
        let answer = token.generate(&label("test/key"), KeyAlgorithm::P256);
        assert!(
            matches!(answer, Err(KeyStoreError::KeyRefused(_))),
            "{answer:?}"
        );
        assert_eq!(token.find(&label("test/key")), Ok(None));
    }
);

strict_test!(
    a_key_the_search_does_not_show_yet_is_unknown_until_then,
    Profile::NshieldLike,
    "new_objects = 'hidden'",
    |stage| {
        let token = stage.open();
        let id = token
            .generate(&label("test/key"), KeyAlgorithm::P256)
            .unwrap();
        let answer = token.describe(id);
        assert!(
            matches!(answer, Err(KeyStoreError::UnknownKey(_))),
            "{answer:?}"
        );
        assert_eq!(token.find(&label("test/key")), Ok(None));
    }
);
