//! What is done: each operation, what it leaves in the token, and what is written down about it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64ct::{Base64, Encoding};
use hsm_bridge::admin::Operation;
use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SecretPurpose};

use crate::stage::{Stage, TOKEN, id_of, label, run, signs, token};
use crate::support::set_mode;

fn retire(label: &KeyLabel, id: KeyId) -> Operation {
    Operation::Retire {
        label: label.clone(),
        id,
    }
}

fn destroy(label: &KeyLabel, id: KeyId) -> Operation {
    Operation::Destroy {
        label: label.clone(),
        id,
    }
}

#[test]
fn keys_are_made_by_order_and_the_record_names_who_ordered_them() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let name = label("sign/one");
    let made = stage
        .carry_out(Operation::Generate {
            label: name.clone(),
            algorithm: KeyAlgorithm::P384,
        })
        .unwrap();
    let ca = stage.house.client("ca");
    assert_eq!(ca.find(&name), Ok(Some(id_of(&made))));
    stage.signs(id_of(&made)).unwrap();
    assert!(
        made["public_key"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    let again = stage.carry_out(Operation::Generate {
        label: name,
        algorithm: KeyAlgorithm::P256,
    });
    assert!(matches!(again, Err(KeyStoreError::KeyExists(_))));
    stage
        .carry_out(Operation::GenerateSecret {
            label: label("idp/kek"),
            purpose: SecretPurpose::KeyEncryption,
        })
        .unwrap();
    let held = stage.carry_out(Operation::Generate {
        label: label("sign/held/x"),
        algorithm: KeyAlgorithm::P256,
    });
    assert!(matches!(held, Err(KeyStoreError::BadRequest(text)) if text.contains("holder")));
    assert_eq!(daemon.stop(), Some(0));
    let listed = stage.house.run("keys", &["--config", "romduol.toml"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("sign/one") && listed.contains("aes256   wraps data keys"),
        "{listed}"
    );

    let rows = stage.rows(TOKEN);
    let words: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["event"].as_str().unwrap(),
                row["operation"].as_str().unwrap(),
                row["result"].as_str(),
            )
        })
        .collect();
    let (intent, used) = ("bridge.key.intent", "bridge.key.used");
    assert_eq!(
        words,
        [
            (intent, "order.generate", None),
            (used, "order.generate", Some("done")),
            (intent, "order.generate", None),
            (used, "order.generate", Some("key-exists")),
            (intent, "order.generate-secret", None),
            (used, "order.generate-secret", Some("done")),
            (intent, "order.generate", None),
            (used, "order.generate", Some("bad-request")),
        ]
    );
    for pair in rows.chunks(2) {
        assert_eq!(pair[1]["intent"], pair[0]["sequence"]);
        assert_eq!(
            (&pair[0]["digest"], &pair[0]["detail"]),
            (&pair[1]["digest"], &pair[1]["detail"])
        );
        let detail = pair[0]["detail"].as_str().unwrap();
        assert!(
            detail.ends_with(" by sok, approved by vanna, dara"),
            "{detail}"
        );
    }
    let log = stage.house.path("audit").join(TOKEN);
    let verified = stage.house.run("audit", &["verify", log.to_str().unwrap()]);
    assert!(verified.status.success(), "{verified:?}");
}

/// Retires, restores and destroys a key of the token and a sealed one, across restarts.
#[test]
fn a_retired_key_is_there_and_signs_no_more_until_it_is_restored() {
    let stage = Stage::build();
    let mut daemon = stage.house.serve();
    for (caller, name) in [("ca", "sign/one"), ("idp", "idp/one")] {
        let name = label(name);
        let client = stage.house.client(caller);
        let id = client.generate(&name, KeyAlgorithm::P256).unwrap();
        let other = client
            .generate(&label(&format!("{name}-other")), KeyAlgorithm::P256)
            .unwrap();
        signs(&client, id).unwrap();
        let misnamed = stage.carry_out(retire(&name, other)).unwrap_err();
        assert!(
            misnamed.to_string().contains("nothing was done"),
            "{misnamed}"
        );
        let unknown = stage.carry_out(retire(&label("sign/absent"), id));
        assert!(matches!(unknown, Err(KeyStoreError::UnknownKey(_))));
        signs(&client, id).unwrap();
        // A signer that was opened before the key was retired.
        let signer = client.signer(id, None).unwrap();
        stage.carry_out(retire(&name, id)).unwrap();
        let refused = |client: &dyn KeyStore| match signs(client, id) {
            Err(KeyStoreError::KeyRefused(why)) => assert!(why.contains("retired"), "{why}"),
            other => unreachable!("{other:?}"),
        };
        refused(&client);
        assert!(matches!(
            signer.sign(b"x"),
            Err(KeyStoreError::KeyRefused(_))
        ));
        assert_eq!(client.find(&name), Ok(Some(id)));
        signs(&client, other).unwrap();
        daemon.kill();
        daemon = stage.house.serve();
        let client = stage.house.client(caller);
        refused(&client);
        let again = client.generate(&name, KeyAlgorithm::P256);
        assert!(matches!(again, Err(KeyStoreError::KeyExists(_))));
        stage
            .carry_out(Operation::Restore {
                label: name.clone(),
                id,
            })
            .unwrap();
        signs(&client, id).unwrap();
        // A key that takes the label of one that was retired and destroyed is not retired.
        stage.carry_out(retire(&name, id)).unwrap();
        stage.carry_out(destroy(&name, id)).unwrap();
        assert_eq!(client.find(&name), Ok(None));
        let fresh = client.generate(&name, KeyAlgorithm::P256).unwrap();
        signs(&client, fresh).unwrap();
    }
    assert_eq!(daemon.stop(), Some(0));
    let text = fs::read_to_string(stage.house.path("romduol.toml")).unwrap();
    assert!(text.contains("softhsm"));
}

#[test]
fn a_key_is_destroyed_by_both_its_names_alone() {
    let stage = Stage::build();
    let _daemon = stage.house.serve();
    let ca = stage.house.client("ca");
    let (one, two) = (label("sign/one"), label("sign/two"));
    let first = ca.generate(&one, KeyAlgorithm::P256).unwrap();
    let second = ca.generate(&two, KeyAlgorithm::P256).unwrap();
    for (name, id) in [
        (&one, second),
        (&two, first),
        (&one, KeyId::from_bytes([1; 20])),
    ] {
        let refused = stage.carry_out(destroy(name, id));
        assert!(
            matches!(refused, Err(KeyStoreError::BadRequest(_))),
            "{refused:?}"
        );
    }
    stage.signs(first).unwrap();
    stage.carry_out(destroy(&one, first)).unwrap();
    assert_eq!((ca.find(&one), ca.find(&two)), (Ok(None), Ok(Some(second))));
}

#[test]
fn openssl_verifies_what_the_bridge_attests() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let ca = stage.house.client("ca");
    let name = label("sign/one");
    let id = ca.generate(&name, KeyAlgorithm::P256).unwrap();
    stage.carry_out(retire(&name, id)).unwrap();
    let report = stage.carry_out(Operation::Attest { label: name }).unwrap();
    let attested = &report["attested"];
    let file = |name: &str, content: &[u8]| fs::write(stage.house.path(name), content).unwrap();
    file(
        "attestation",
        attested["attestation"].as_str().unwrap().as_bytes(),
    );
    file(
        "key.pem",
        attested["signed_with"].as_str().unwrap().as_bytes(),
    );
    file(
        "signature",
        &Base64::decode_vec(attested["signature"].as_str().unwrap()).unwrap(),
    );
    let verify = [
        "dgst",
        "-sha256",
        "-verify",
        "key.pem",
        "-signature",
        "signature",
        "attestation",
    ];
    let folder = stage.house.path("");
    assert_eq!(run(&folder, "openssl", &verify), "Verified OK\n");
    let document: serde_json::Value =
        serde_json::from_str(attested["attestation"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&document["retired"], &document["tier"]),
        (&true.into(), &"token".into())
    );
    assert_eq!((id_of(&document), id_of(&document["evidence"])), (id, id));
    assert_eq!(
        document["evidence"]["attributes"]["private"]["CKA_EXTRACTABLE"],
        false
    );
    let sealed = stage
        .house
        .client("idp")
        .generate(&label("idp/one"), KeyAlgorithm::P256)
        .unwrap();
    let report = stage
        .carry_out(Operation::Attest {
            label: label("idp/one"),
        })
        .unwrap();
    let text = report["attested"]["attestation"].as_str().unwrap();
    assert!(
        id_of(&report) == sealed && text.contains("\"tier\":\"sealed\""),
        "{text}"
    );
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_worker_with_a_user_of_its_own_takes_orders() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("not run: changing the user takes root");
        return;
    }
    let token = token(TOKEN, "house", Path::new(SOFTHSM_MODULE));
    let nobody = "uid = 65534\ngid = 65534\npaths = ['tokens']\nread_paths = ['softhsm2.conf']\n";
    let stage = Stage::with(&[token.as_str(), nobody].concat());
    let folder = stage.house.path("");
    set_mode(&folder, 0o711);
    run(&folder, "chown", &["-R", "65534:65534", "tokens"]);
    for round in 0..2 {
        let daemon = stage.house.serve();
        let name = label(&format!("sign/{round}"));
        let algorithm = KeyAlgorithm::P256;
        let made = stage.carry_out(Operation::Generate {
            label: name,
            algorithm,
        });
        stage.signs(id_of(&made.unwrap())).unwrap();
        daemon.kill();
    }
    let used = fs::read_dir(stage.house.path("state/orders").join(TOKEN)).unwrap();
    let owners: Vec<_> = used
        .map(|file| file.unwrap().metadata().unwrap().uid())
        .collect();
    assert_eq!(owners, [65534, 65534]);
}
