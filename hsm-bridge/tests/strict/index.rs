//! Where objects are is learnt once: keys are then used without a search, and an index that is out of date misleads nobody.

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::Session;
use hsm_bridge::{KeyAlgorithm, KeyStore, KeyStoreError};
use strict_token::{Function, Profile};

use crate::stage::{Key, Stage, label, strict_test};

/// Enough keys that a search for each would show.
const KEYS: usize = 24;

/// A session past the driver. The module is initialised and logged in to by the token that is open: both are of the process.
fn session_of_others(stage: &Stage) -> Session {
    let context = Pkcs11::new(stage.module()).unwrap();
    let slots = context.get_slots_with_initialized_token().unwrap();
    context.open_rw_session(*slots.first().unwrap()).unwrap()
}

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

strict_test!(
    a_label_that_others_gave_to_another_key_means_that_one,
    Profile::Plain,
    "",
    |stage| {
        let keys = made(&stage);
        let token = &keys[0].token;
        token.list_keys().unwrap();
        let session = session_of_others(&stage);
        let halves = |name: &str| {
            let label = Attribute::Label(name.into());
            let found = session.find_objects(&[label]).unwrap();
            let is_key = |it: &_| {
                let id = session.get_attributes(*it, &[AttributeType::Id]);
                id.is_ok_and(|id| !id.is_empty())
            };
            found.into_iter().filter(is_key).collect::<Vec<_>>()
        };
        let (three, four) = ("test/many/3", "test/many/4");
        let (of_three, of_four) = (halves(three), halves(four));
        assert_eq!((of_three.len(), of_four.len()), (2, 2));
        for (objects, name) in [(of_three, four), (of_four, three)] {
            for object in objects {
                let renamed = [Attribute::Label(name.into())];
                session.update_attributes(object, &renamed).unwrap();
            }
        }
        assert_eq!(token.find(&label(three)).unwrap(), Some(keys[4].id));
        assert_eq!(token.find(&label(four)).unwrap(), Some(keys[3].id));
    }
);

strict_test!(
    many_keys_are_made_after_one_look_and_none_twice,
    Profile::Plain,
    "",
    |stage| {
        let token = stage.open();
        let names = |from: usize| -> Vec<_> {
            let name = |number| label(&format!("test/many/{number}"));
            (from..from + KEYS).map(name).collect()
        };
        let ids = token.generate_many(&names(0), KeyAlgorithm::P256).unwrap();
        let searches = stage.control.calls(Function::FindObjectsInit);
        let more = token.generate_many(&names(KEYS), KeyAlgorithm::P256);
        assert_eq!(stage.control.calls(Function::FindObjectsInit), searches);
        assert_eq!(token.find(&label("test/many/7")).unwrap(), Some(ids[7]));
        assert_eq!(more.unwrap().len(), KEYS);
        for taken in [names(KEYS / 2), vec![label("test/new"), label("test/new")]] {
            let refused = token.generate_many(&taken, KeyAlgorithm::P256);
            assert!(matches!(refused, Err(KeyStoreError::KeyExists(_))));
        }
    }
);

strict_test!(
    a_key_without_an_id_is_named_and_what_to_do_with_it_is_said,
    Profile::Plain,
    "",
    |stage| {
        let token = stage.open();
        token
            .generate(&label("test/whole"), KeyAlgorithm::P256)
            .unwrap();
        // What a worker that is killed between making a pair and naming it leaves.
        let session = session_of_others(&stage);
        let curve = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let of = |private| {
            vec![
                Attribute::Token(true),
                Attribute::Private(private),
                Attribute::Label("test/half".into()),
            ]
        };
        let mut public = of(false);
        public.push(Attribute::EcParams(curve.into()));
        session
            .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &of(true))
            .unwrap();
        let listed = token.list_keys().unwrap();
        let told: Vec<_> = listed.into_iter().filter_map(Result::err).collect();
        let [told] = &told[..] else {
            panic!("{told:?}")
        };
        let told = told.to_string();
        assert!(
            told.contains("'test/half'") && told.contains("--delete-object"),
            "{told}"
        );
        let half = label("test/half");
        assert!(matches!(
            token.generate(&half, KeyAlgorithm::P256),
            Err(KeyStoreError::KeyExists(_))
        ));
    }
);
