//! What templates change in the making of keys, and the evidence that is kept of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hsm_bridge::pkcs11::{Template, Token, TokenOptions};
use hsm_bridge::testing::USER_PIN;
use hsm_bridge::{DataKey, KeyAlgorithm, KeyStore, KeyStoreError, SecretPurpose, SecretStore};
use strict_token::{Fault, Function, Profile, ckr};

use crate::stage::{Key, Stage, label, strict_test};

/// Options with a template of the program.
pub(crate) fn template(name: &str) -> TokenOptions {
    TokenOptions {
        template: Template::load(name).unwrap(),
        ..TokenOptions::default()
    }
}

/// Options with a template that a site wrote.
pub(crate) fn from_text(text: &str) -> TokenOptions {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.toml");
    std::fs::write(&path, text).unwrap();
    template(path.to_str().unwrap())
}

fn open(stage: &Stage, options: TokenOptions) -> Token {
    Token::open_with(&stage.config(USER_PIN), options).unwrap()
}

fn some_afternoon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

strict_test!(
    keys_are_found_where_no_id_can_be_set_afterwards,
    Profile::Plain,
    "",
    |stage| {
        let options = || from_text("key_id = 'at-generation'");
        stage.control.always(
            Function::SetAttributeValue,
            Fault::Answer(ckr::ATTRIBUTE_READ_ONLY),
        );
        let refused = stage
            .open()
            .generate(&label("test/key"), KeyAlgorithm::P256);
        assert!(refused.is_err(), "{refused:?}");
        let first = stage.ready_with(KeyAlgorithm::P256, options());
        let second = first
            .token
            .generate(&label("test/second"), KeyAlgorithm::Ed25519)
            .unwrap();
        // Another process knows the keys by their ids all the same.
        let again = open(&stage, options());
        assert_eq!(again.find(&label("test/key")), Ok(Some(first.id)));
        assert_eq!(again.describe(second).unwrap().label, label("test/second"));
        let key = Key {
            token: again.clone(),
            id: second,
            scheme: KeyAlgorithm::Ed25519.default_scheme(),
        };
        key.sign().unwrap();
        assert_eq!(again.list_keys().unwrap().len(), 2);
        again.destroy(second).unwrap();
        assert_eq!(again.find(&label("test/second")), Ok(None));
        first.sign().unwrap();
    }
);

strict_test!(
    a_curve_may_be_called_by_its_name,
    Profile::Plain,
    "",
    |stage| {
        let options = from_text("edwards_curve = 'name'");
        stage
            .ready_with(KeyAlgorithm::Ed25519, options)
            .sign()
            .unwrap();
    }
);

strict_test!(
    a_token_that_was_to_make_nonces_and_does_not_wraps_nothing,
    Profile::Plain,
    "",
    |stage| {
        let token = open(&stage, from_text("gcm_nonce = 'token'"));
        let kek = label("test/kek");
        token
            .generate_secret(&kek, SecretPurpose::KeyEncryption)
            .unwrap();
        let answer = token.wrap(&kek, b"", &DataKey::from_bytes([5; 32]));
        assert!(
            matches!(answer, Err(KeyStoreError::Configuration(_))),
            "{answer:?}"
        );
    }
);

strict_test!(
    what_a_template_leaves_out_is_read_back_all_the_same,
    Profile::Plain,
    "",
    |stage| {
        // What a module makes of a key that it is told too little about is its own affair: a key that decrypts too, or cannot sign.
        let token = open(&stage, from_text("[private]\nomit = ['SIGN', 'DECRYPT']"));
        let answer = token.generate(&label("test/key"), KeyAlgorithm::Rsa2048);
        let Err(KeyStoreError::KeyRefused(why)) = answer else {
            panic!("{answer:?}");
        };
        assert!(
            why.contains("CKA_DECRYPT is not false") || why.contains("CKA_SIGN is not true"),
            "{why}"
        );
        assert_eq!(token.list_keys().unwrap().len(), 0);
    }
);

strict_test!(
    evidence_lies_beside_a_key_and_goes_with_it,
    Profile::Plain,
    "",
    |stage| {
        let options = || TokenOptions {
            clock: Some(some_afternoon),
            ..template("softhsm")
        };
        let token = open(&stage, options());
        let name = label("test/key");
        let id = token.generate(&name, KeyAlgorithm::P256).unwrap();
        let text = token.evidence(&name).unwrap();
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["key_id"], id.to_string());
        assert_eq!(found["made_at"], 1_790_000_000);
        assert_eq!(found["when"], "generation");
        assert_eq!(found["software"], true);
        assert_eq!(found["mechanism"], "CKM_EC_KEY_PAIR_GEN");
        assert_eq!(found["token"]["label"], "strict");
        assert!(!found["token"]["serial"].as_str().unwrap().is_empty());
        let private = &found["attributes"]["private"];
        for (attribute, value) in [
            ("CKA_NEVER_EXTRACTABLE", true),
            ("CKA_LOCAL", true),
            ("CKA_SIGN", true),
            ("CKA_DECRYPT", false),
        ] {
            assert_eq!(private[attribute], value, "{attribute}");
        }
        // Canonical: what a reader writes again, members in order, is what was kept.
        assert_eq!(in_order(&found), text);
        // It is kept, not made anew: a process that would say otherwise reads the same.
        let later = open(&stage, template("luna"));
        assert_eq!(later.evidence(&name).unwrap(), text);
        later.destroy(id).unwrap();
        assert_eq!(
            later.evidence(&name),
            Err(KeyStoreError::UnknownKey(name.to_string()))
        );
        let secret = label("test/mac");
        token.generate_secret(&secret, SecretPurpose::Mac).unwrap();
        let text = token.evidence(&secret).unwrap();
        assert!(text.contains(r#""algorithm":"hmac""#), "{text}");
        // Made anew under the label, the key has evidence of its own.
        let other = token.generate(&name, KeyAlgorithm::Ed25519).unwrap();
        assert!(token.evidence(&name).unwrap().contains(&other.to_string()));
    }
);

/// JSON with the members of every object in the order of their names, and no space.
fn in_order(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(members) => {
            let sorted: std::collections::BTreeMap<_, _> = members.iter().collect();
            let text: Vec<_> = sorted
                .into_iter()
                .map(|(name, value)| format!("{}:{}", serde_json::json!(name), in_order(value)))
                .collect();
            format!("{{{}}}", text.join(","))
        }
        other => other.to_string(),
    }
}

strict_test!(
    without_room_for_evidence_there_is_no_key,
    Profile::Plain,
    "",
    |stage| {
        let token = stage.open();
        stage
            .control
            .always(Function::CreateObject, Fault::Answer(ckr::DEVICE_MEMORY));
        let name = label("test/key");
        let answers = [
            token.generate(&name, KeyAlgorithm::P256).map(|_| ()),
            token.generate_secret(&name, SecretPurpose::Mac),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(KeyStoreError::Busy(_))), "{answer:?}");
        }
        stage.control.clear_all();
        assert_eq!(token.list_keys().unwrap().len(), 0);
        assert_eq!(token.list_secrets().unwrap().len(), 0);
        // Where none is kept, the key is made and its attributes can be read at any time.
        let bare = open(&stage, from_text("evidence = false"));
        bare.generate(&name, KeyAlgorithm::P256).unwrap();
        assert_eq!(stage.control.calls(Function::CreateObject), 2);
        let text = bare.evidence(&name).unwrap();
        assert!(text.ends_with(r#""when":"now"}"#), "{text}");
        assert!(!text.contains("made_at"), "{text}");
    }
);

strict_test!(
    evidence_whose_answer_was_lost_leaves_no_second,
    Profile::Plain,
    "",
    |stage| {
        let token = stage.open();
        let name = label("test/key");
        for lost in [ckr::DEVICE_ERROR, ckr::FUNCTION_FAILED] {
            stage
                .control
                .once(Function::CreateObject, Fault::AnswerLost(lost));
            let made = token.generate(&name, KeyAlgorithm::P256);
            stage.control.clear_all();
            let id = made.or_else(|_| token.generate(&name, KeyAlgorithm::P256));
            let id = id.unwrap();
            assert!(token.evidence(&name).unwrap().contains(&id.to_string()));
            token.destroy(id).unwrap();
            assert_eq!(token.find(&name).unwrap(), None);
        }
        // The same for a symmetric key.
        stage
            .control
            .once(Function::CreateObject, Fault::AnswerLost(ckr::DEVICE_ERROR));
        if token.generate_secret(&name, SecretPurpose::Mac).is_err() {
            token.generate_secret(&name, SecretPurpose::Mac).unwrap();
        }
        assert!(token.evidence(&name).unwrap().contains("test/key"));
    }
);
