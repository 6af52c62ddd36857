//! Where objects are is learnt once: keys are then used without a search, and an index that is out of date misleads nobody.

use hsm_bridge::{KeyAlgorithm, KeyStore, KeyStoreError};
use strict_token::{Function, Profile};

use crate::stage::{Key, Stage, label, strict_test};

/// Enough keys that a search for each would show.
const KEYS: usize = 24;

fn made(stage: &Stage) -> Vec<Key> {
    let token = stage.open();
    let scheme = KeyAlgorithm::P256.default_scheme();
    let make = |number: usize| {
        let label = label(&format!("test/many/{number}"));
        token.generate(&label, KeyAlgorithm::P256).unwrap()
    };
    let ids: Vec<_> = (0..KEYS).map(make).collect();
    let other = stage.open();
    let key = |id| Key {
        token: other.clone(),
        id,
        scheme,
    };
    ids.into_iter().map(key).collect()
}

strict_test!(
    no_key_is_searched_for_once_all_objects_were_seen,
    Profile::Plain,
    "",
    |stage| {
        let keys = made(&stage);
        let listed = keys[0].token.list_keys().unwrap();
        assert_eq!(listed.iter().flatten().count(), KEYS);
        let searches = stage.control.calls(Function::FindObjectsInit);
        for key in &keys {
            key.sign().unwrap();
        }
        let label = label("test/many/7");
        assert_eq!(keys[0].token.find(&label).unwrap(), Some(keys[7].id));
        assert_eq!(stage.control.calls(Function::FindObjectsInit), searches);
    }
);

strict_test!(
    what_was_made_and_destroyed_since_is_known,
    Profile::Plain,
    "",
    |stage| {
        let keys = made(&stage);
        let token = &keys[0].token;
        token.list_keys().unwrap();
        let name = label("test/late");
        let id = token.generate(&name, KeyAlgorithm::P256).unwrap();
        let searches = stage.control.calls(Function::FindObjectsInit);
        let late = Key {
            token: token.clone(),
            id,
            scheme: KeyAlgorithm::P256.default_scheme(),
        };
        late.sign().unwrap();
        assert_eq!(stage.control.calls(Function::FindObjectsInit), searches);
        token.destroy(id).unwrap();
        assert!(matches!(late.sign(), Err(KeyStoreError::UnknownKey(_))));
        assert_eq!(token.find(&name).unwrap(), None);
        let again = token.generate(&name, KeyAlgorithm::P256).unwrap();
        assert_eq!(token.find(&name).unwrap(), Some(again));
    }
);

strict_test!(
    what_others_did_since_is_found_out,
    Profile::Plain,
    "",
    |stage| {
        let keys = made(&stage);
        let token = &keys[0].token;
        token.list_keys().unwrap();
        let others = stage.open();
        others.destroy(keys[3].id).unwrap();
        let name = label("test/many/3");
        let id = others.generate(&name, KeyAlgorithm::P256).unwrap();
        assert!(matches!(keys[3].sign(), Err(KeyStoreError::UnknownKey(_))));
        assert_eq!(token.find(&name).unwrap(), Some(id));
        let twice = label("test/many/5");
        assert_eq!(
            token.generate(&twice, KeyAlgorithm::P256),
            Err(KeyStoreError::KeyExists(twice.to_string()))
        );
        for key in keys.iter().filter(|key| key.id != keys[3].id) {
            key.sign().unwrap();
        }
    }
);
