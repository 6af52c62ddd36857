//! Symmetric keys: how they are retired, restored and ended by order, and what stands in the way of an end.

use std::fs;
use std::path::PathBuf;

use hsm_bridge::admin::{Loss, Operation};
use hsm_bridge::client::Client;
use hsm_bridge::{
    DataKey, KeyAlgorithm, KeyId, KeyStore, KeyStoreError, SecretPurpose, SecretStore,
};

use crate::stage::{Stage, TOKEN, label, signs};

const WRAPS: SecretPurpose = SecretPurpose::KeyEncryption;
const AUTHENTICATES: SecretPurpose = SecretPurpose::Mac;

fn make(name: &str, purpose: SecretPurpose) -> Operation {
    let label = label(name);
    Operation::GenerateSecret { label, purpose }
}

fn retire(name: &str, purpose: SecretPurpose) -> Operation {
    let label = label(name);
    Operation::RetireSecret { label, purpose }
}

fn restore(name: &str, purpose: SecretPurpose) -> Operation {
    let label = label(name);
    Operation::RestoreSecret { label, purpose }
}

fn destroy(name: &str, purpose: SecretPurpose) -> Operation {
    let sealed = name.starts_with("bridge/sealed/");
    Operation::DestroySecret {
        label: label(name),
        purpose,
        loses: (!sealed).then(|| Loss::from(purpose)),
    }
}

/// Refused with these words, and said to have changed nothing.
fn refused(stage: &Stage, operation: Operation, words: &str) {
    match stage.carry_out(operation) {
        Err(KeyStoreError::BadRequest(why)) => {
            assert!(
                why.contains(words) && why.contains("nothing was done"),
                "{why}"
            );
        }
        other => unreachable!("{words}: {other:?}"),
    }
}

fn is_retired<T: std::fmt::Debug>(answer: &Result<T, KeyStoreError>) -> bool {
    matches!(answer, Err(KeyStoreError::KeyRefused(why)) if why.contains("retired"))
}

fn listed(stage: &Stage) -> String {
    let listed = stage.house.run("keys", &["--config", "romduol.toml"]);
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout).unwrap()
}

/// What `check` says, and whether all is well.
fn checked(stage: &Stage) -> (bool, String) {
    let checked = stage.house.run("check", &["--config", "romduol.toml"]);
    let said = String::from_utf8(checked.stdout).unwrap();
    (checked.status.success(), said)
}

#[test]
fn a_key_that_wraps_is_retired_opens_on_and_ends_when_that_is_ordered_as_well() {
    const KEK: &str = "idp/kek";
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let kek = label(KEK);
    stage.carry_out(make(KEK, WRAPS)).unwrap();
    let idp = stage.house.client("idp");
    let data_key = DataKey::from_bytes([7; 32]);
    let wrapped = idp.wrap(&kek, b"person", &data_key).unwrap();
    let opens = |idp: &Client| {
        let opened = idp.unwrap(&kek, b"person", &wrapped).unwrap();
        assert_eq!(opened.as_bytes(), data_key.as_bytes());
    };
    // Its end takes two orders, by its own name and purpose.
    refused(&stage, destroy(KEK, WRAPS), "is in use");
    for operation in [retire, restore, destroy] {
        refused(
            &stage,
            operation(KEK, AUTHENTICATES),
            "is a key that wraps, not one that authenticates",
        );
        let absent = stage.carry_out(operation("idp/absent", WRAPS));
        assert!(
            matches!(absent, Err(KeyStoreError::UnknownKey(_))),
            "{absent:?}"
        );
    }
    idp.wrap(&kek, b"person", &data_key).unwrap();

    stage.carry_out(retire(KEK, WRAPS)).unwrap();
    assert!(is_retired(&idp.wrap(&kek, b"person", &data_key)));
    opens(&idp);
    daemon.kill();
    let daemon = stage.house.serve();
    let idp = stage.house.client("idp");
    assert!(is_retired(&idp.wrap(&kek, b"person", &data_key)));
    opens(&idp);
    assert!(listed(&stage).contains("aes256   wraps data keys retired"));
    stage.carry_out(restore(KEK, WRAPS)).unwrap();
    idp.wrap(&kek, b"person", &data_key).unwrap();
    refused(&stage, destroy(KEK, WRAPS), "is in use");

    stage.carry_out(retire(KEK, WRAPS)).unwrap();
    stage.carry_out(destroy(KEK, WRAPS)).unwrap();
    let gone = idp.unwrap(&kek, b"person", &wrapped);
    assert!(
        matches!(gone, Err(KeyStoreError::UnknownKey(_))),
        "{gone:?}"
    );
    assert!(!listed(&stage).contains(KEK));
    // A key that takes the label is another one, and is not retired.
    stage.carry_out(make(KEK, WRAPS)).unwrap();
    let other = idp.unwrap(&kek, b"person", &wrapped);
    assert!(
        matches!(other, Err(KeyStoreError::BadRequest(_))),
        "{other:?}"
    );
    idp.wrap(&kek, b"person", &data_key).unwrap();
    assert_eq!(daemon.stop(), Some(0));

    let rows = stage.rows(TOKEN);
    let told = |operation: &str, result: &str| {
        let mut rows = rows.iter().filter(|row| {
            row["operation"] == operation && row["result"] == result && row["key"] == KEK
        });
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("{operation} {result}"));
        assert!(
            row["detail"]
                .as_str()
                .unwrap()
                .ends_with(" by sok, approved by vanna, dara")
        );
    };
    for operation in [
        "order.retire-secret",
        "order.restore-secret",
        "order.destroy-secret",
    ] {
        told(operation, "done");
        told(operation, "bad-request");
    }
}

#[test]
fn a_key_that_authenticates_does_nothing_while_it_is_retired() {
    const MAC: &str = "idp/index";
    let stage = Stage::build();
    let _daemon = stage.house.serve();
    stage.carry_out(make(MAC, AUTHENTICATES)).unwrap();
    let (idp, mac) = (stage.house.client("idp"), label(MAC));
    let before = idp.hmac(&mac, b"x").unwrap();
    stage.carry_out(retire(MAC, AUTHENTICATES)).unwrap();
    assert!(is_retired(&idp.hmac(&mac, b"x")));
    stage.carry_out(restore(MAC, AUTHENTICATES)).unwrap();
    assert_eq!(idp.hmac(&mac, b"x"), Ok(before));
    stage.carry_out(retire(MAC, AUTHENTICATES)).unwrap();
    stage.carry_out(destroy(MAC, AUTHENTICATES)).unwrap();
    let gone = idp.hmac(&mac, b"x");
    assert!(
        matches!(gone, Err(KeyStoreError::UnknownKey(_))),
        "{gone:?}"
    );
    // No order of key pairs touches a symmetric key, nor the other way round.
    stage.carry_out(make(MAC, AUTHENTICATES)).unwrap();
    let id = KeyId::from_bytes([1; 20]);
    let pair = stage.carry_out(Operation::Destroy {
        label: mac.clone(),
        id,
    });
    assert!(
        matches!(pair, Err(KeyStoreError::UnknownKey(_))),
        "{pair:?}"
    );
    let ca = stage.house.client("ca");
    let signing = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let secret = stage.carry_out(destroy("sign/one", WRAPS));
    assert!(
        matches!(secret, Err(KeyStoreError::UnknownKey(_))),
        "{secret:?}"
    );
    stage.signs(signing).unwrap();
    idp.hmac(&mac, b"x").unwrap();
}

fn sealed_files(stage: &Stage) -> Vec<PathBuf> {
    let folder = stage.house.path("state/sealed").join(TOKEN);
    let leaves = fs::read_dir(folder).unwrap();
    let files = leaves.flat_map(|leaf| fs::read_dir(leaf.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

fn rewrap(stage: &Stage) -> String {
    let done = stage.house.run("rewrap", &["--config", "romduol.toml"]);
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_generation_ends_once_nothing_lies_under_it_and_its_absence_is_told() {
    const OLD: &str = "bridge/sealed/g1";
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let idp = stage.house.client("idp");
    let ids = ["idp/one", "idp/two", "idp/three"]
        .map(|name| idp.generate(&label(name), KeyAlgorithm::P256).unwrap());
    let count = "still lie under bridge/sealed/g1 and would be lost: 3;";
    refused(&stage, destroy(OLD, WRAPS), count);
    refused(
        &stage,
        destroy(OLD, WRAPS),
        "hsm-bridge rewrap --token main",
    );
    // Retired, it opens what it holds and takes nothing more.
    stage.carry_out(retire(OLD, WRAPS)).unwrap();
    signs(&idp, ids[0]).unwrap();
    assert!(is_retired(
        &idp.generate(&label("idp/four"), KeyAlgorithm::P256)
    ));
    let (sound, said) = checked(&stage);
    assert!(!sound && said.contains("no key can be sealed"), "{said}");
    refused(&stage, destroy(OLD, WRAPS), count);
    assert_eq!(daemon.stop(), Some(0));

    let copy = sealed_files(&stage).remove(0);
    let held = fs::read(&copy).unwrap();
    let said = rewrap(&stage);
    assert!(
        said.contains("admin draft destroy-secret --label bridge/sealed/g1"),
        "{said}"
    );
    let renewed = fs::read(&copy).unwrap();
    let daemon = stage.house.serve();
    refused(
        &stage,
        destroy("bridge/sealed/g2", WRAPS),
        "would be lost: 3;",
    );
    // Files that were brought back, or say nothing, keep the generation alive.
    fs::write(&copy, &held).unwrap();
    refused(&stage, destroy(OLD, WRAPS), "would be lost: 1;");
    fs::write(&copy, b"RSK").unwrap();
    refused(
        &stage,
        destroy(OLD, WRAPS),
        "may lie under bridge/sealed/g1: 1;",
    );
    fs::write(&copy, &renewed).unwrap();
    stage.carry_out(destroy(OLD, WRAPS)).unwrap();
    let idp = stage.house.client("idp");
    for id in ids {
        signs(&idp, id).unwrap();
    }
    let four = idp
        .generate(&label("idp/four"), KeyAlgorithm::P256)
        .unwrap();
    assert_eq!(daemon.stop(), Some(0));
    let told = listed(&stage);
    assert!(
        told.contains("gone from the token: g1 of bridge/sealed/"),
        "{told}"
    );
    assert!(checked(&stage).0);

    // A copy of before opens no more, and that is said where keys are looked at.
    fs::write(&copy, &held).unwrap();
    let told = listed(&stage);
    assert!(
        told.contains("generation 1, which is not in the token: it cannot be opened"),
        "{told}"
    );
    let (sound, said) = checked(&stage);
    assert!(
        !sound
            && said.contains(
                "1 sealed keys are wrapped by bridge/sealed/g1, which is not in the token"
            ),
        "{said}"
    );
    let _daemon = stage.house.serve();
    let idp = stage.house.client("idp");
    let lost = ids.iter().filter(|id| {
        let refused = signs(&idp, **id);
        matches!(refused, Err(KeyStoreError::KeyRefused(why)) if why.contains("does not open"))
    });
    assert_eq!(lost.count(), 1);
    signs(&idp, four).unwrap();
}

#[test]
fn the_generation_that_seals_does_not_end_even_when_nothing_lies_under_it() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let idp = stage.house.client("idp");
    let id = idp.generate(&label("idp/one"), KeyAlgorithm::P256).unwrap();
    stage
        .carry_out(Operation::Destroy {
            label: label("idp/one"),
            id,
        })
        .unwrap();
    refused(
        &stage,
        destroy("bridge/sealed/g1", WRAPS),
        "which makes bridge/sealed/g2",
    );
    idp.generate(&label("idp/two"), KeyAlgorithm::P256).unwrap();
    assert_eq!(daemon.stop(), Some(0));
}
