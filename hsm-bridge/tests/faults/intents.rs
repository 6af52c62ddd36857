//! What is done to keys whose records must last stands in the log before it is done.

use hsm_bridge::{KeyAlgorithm, KeyStore, KeyStoreError};
use strict_token::{Fault, Function};

use crate::scene::{Scene, label};

#[test]
fn a_key_that_is_made_or_destroyed_when_the_bridge_ends_is_in_the_log() {
    let mut scene = Scene::build();
    let id = scene
        .patient()
        .unwrap()
        .generate(&label("fault/doomed"), KeyAlgorithm::P256)
        .unwrap();
    for (function, operation) in [
        (Function::DestroyObject, "destroy"),
        (Function::GenerateKeyPair, "generate"),
    ] {
        drop(scene.patient().unwrap());
        scene.control.once(function, Fault::Hang);
        let client = scene.caller().unwrap();
        let answer = match operation {
            "destroy" => client.destroy(id),
            _ => client
                .generate(&label("fault/halfway"), KeyAlgorithm::P256)
                .map(|_| ()),
        };
        assert_eq!(answer, Err(KeyStoreError::OutcomeUnknown), "{operation}");
        scene.kill();
        let rows = scene.house.audit();
        let of = |event: &str| {
            let mut rows = rows.iter().rev();
            rows.find(|row| row["event"] == event && row["operation"] == operation)
                .cloned()
                .unwrap_or_default()
        };
        let intent = of("bridge.key.intent");
        assert!(intent["key"].is_string(), "{operation}: {intent}");
        assert_ne!(of("bridge.key.used")["intent"], intent["sequence"]);
        scene.control.clear_all();
        scene.start();
    }
}
