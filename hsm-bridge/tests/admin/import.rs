//! One key in two unlike tokens: made elsewhere, wrapped for each, taken in by order, and served by whichever is there.

use std::path::Path;
use std::time::Duration;

use hsm_bridge::admin::{ImportedKey, Oaep, Operation, wrap};
use hsm_bridge::client::{Client, ClientOptions};
use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyId, KeyStore, KeyStoreError, SignatureVerifier};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use serde_json::Value;
use strict_token::{Control, Settings};

use crate::stage::{Stage, TOKEN, id_of, label, p256, token};

const TRANSPORT: &str = "transport/g1";

fn transport(stage: &Stage, token: &str) -> PKey<Public> {
    let order = Operation::MakeTransportKey {
        label: label(TRANSPORT),
    };
    let made = stage.carry_out_in(token, order).unwrap();
    PKey::public_key_from_pem(made["public_key"].as_str().unwrap().as_bytes()).unwrap()
}

fn import(name: &str, key: &PKey<Private>, wrapped: Vec<u8>) -> Operation {
    let public_key = key.public_key_to_der().unwrap();
    let key = ImportedKey::new(
        label(name),
        &public_key,
        label(TRANSPORT),
        Oaep::Sha1,
        wrapped,
    );
    Operation::Import(key.unwrap())
}

fn wrapped(key: &PKey<Private>, transport: &PKey<Public>) -> Vec<u8> {
    wrap(key, transport, Oaep::Sha1).unwrap()
}

fn evidence(stage: &Stage, name: &str) -> Value {
    let printed = stage
        .house
        .run("evidence", &[name, "--config", "romduol.toml"]);
    assert!(printed.status.success(), "{printed:?}");
    serde_json::from_slice(&printed.stdout).unwrap()
}

#[test]
fn keys_of_every_kind_are_taken_in_and_are_as_safe_as_those_made_here() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let transport = transport(&stage, TOKEN);
    let p384 = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let keys = [
        ("sign/p256", p256()),
        (
            "sign/p384",
            PKey::from_ec_key(EcKey::generate(&p384).unwrap()).unwrap(),
        ),
        (
            "sign/rsa",
            PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap(),
        ),
    ];
    let ids = keys.each_ref().map(|(name, key)| {
        let report = stage.carry_out(import(name, key, wrapped(key, &transport)));
        let id = id_of(&report.unwrap_or_else(|error| panic!("{name}: {error}")));
        assert_eq!(id, KeyId::of_der(&key.public_key_to_der().unwrap()));
        stage.signs(id).unwrap();
        id
    });
    // SoftHSM 2.6.1 makes Ed25519 keys and takes none in: that is said before anything is in the token.
    let before = objects(&stage);
    let edwards = PKey::generate_ed25519().unwrap();
    let refused = stage.carry_out(import(
        "sign/edwards",
        &edwards,
        wrapped(&edwards, &transport),
    ));
    assert!(
        matches!(&refused, Err(KeyStoreError::BadRequest(why)) if why.contains("'softhsm' takes in no ed25519 keys")),
        "{refused:?}"
    );
    assert_eq!(objects(&stage), before);
    let made = stage.house.client("ca");
    let made = made.generate(&label("sign/edwards"), KeyAlgorithm::Ed25519);
    stage.signs(made.unwrap()).unwrap();
    daemon.kill();
    let daemon = stage.house.serve();
    for id in ids {
        stage.signs(id).unwrap();
    }
    assert_eq!(daemon.stop(), Some(0));

    let told = evidence(&stage, "sign/p384");
    assert_eq!(
        (&told["when"], &told["mechanism"]),
        (&"import".into(), &"CKM_RSA_AES_KEY_WRAP".into())
    );
    assert_eq!(
        (&told["imported"]["author"], &told["imported"]["approvers"]),
        (&"sok".into(), &serde_json::json!(["vanna", "dara"]))
    );
    let rows = stage.rows(TOKEN);
    let row = rows
        .iter()
        .find(|row| row["key"] == "sign/p384" && row["result"] == "done")
        .unwrap();
    assert_eq!(told["imported"]["order_sha256"], row["digest"]);
    assert!(
        row["detail"]
            .as_str()
            .unwrap()
            .contains(told["imported"]["order"].as_str().unwrap())
    );

    seen_by_another_program(&stage);
}

/// Every object of the token, as another program lists them.
fn objects(stage: &Stage) -> String {
    stage.pkcs11_tool(&["--list-objects"])
}

/// Another program's view of the private halves.
fn seen_by_another_program(stage: &Stage) {
    let listed = stage.pkcs11_tool(&["-O", "--type", "privkey"]);
    for part in listed.split("Private Key Object").skip(1) {
        let access = part
            .lines()
            .find(|line| line.trim_start().starts_with("Access:"))
            .unwrap();
        let access: Vec<_> = access.split([':', ',']).map(str::trim).collect();
        assert!(
            access.contains(&"sensitive") && !access.contains(&"extractable"),
            "{part}"
        );
        let usage = part
            .lines()
            .find(|line| line.trim_start().starts_with("Usage:"))
            .unwrap();
        let wanted = if part.contains(TRANSPORT) {
            "unwrap"
        } else {
            "sign"
        };
        assert_eq!(usage.split_once(':').unwrap().1.trim(), wanted, "{part}");
        let imported = part.contains("sign/") && !part.contains("sign/edwards");
        assert_eq!(imported, !access.contains(&"local"), "{part}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let transport = transport(&stage, TOKEN);
    let ca = stage.house.client("ca");
    let (key, other) = (p256(), p256());
    let sound = wrapped(&key, &transport);
    let bent = |at: usize| {
        let mut bent = sound.clone();
        bent[at] ^= 1;
        bent
    };
    let other_transport = PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap();
    let other_transport =
        PKey::public_key_from_der(&other_transport.public_key_to_der().unwrap()).unwrap();
    let cases = [
        ("outer layer", import("sign/one", &key, bent(100))),
        ("inner layer", import("sign/one", &key, bent(400))),
        ("cut short", import("sign/one", &key, sound[..300].to_vec())),
        (
            "cut at the end",
            import("sign/one", &key, sound[..sound.len() - 8].to_vec()),
        ),
        (
            "another key's public half",
            import("sign/one", &other, sound.clone()),
        ),
        (
            "wrapped for another",
            import("sign/one", &key, wrapped(&key, &other_transport)),
        ),
    ];
    for (what, operation) in cases {
        let refused = stage.carry_out(operation);
        assert!(
            matches!(refused, Err(KeyStoreError::BadRequest(_))),
            "{what}: {refused:?}"
        );
        assert_eq!(ca.find(&label("sign/one")), Ok(None), "{what}");
    }
    let sealed = stage.carry_out(import("idp/one", &key, sound.clone()));
    assert!(
        matches!(&sealed, Err(KeyStoreError::BadRequest(why)) if why.contains("seals")),
        "{sealed:?}"
    );

    let id = id_of(
        &stage
            .carry_out(import("sign/one", &key, sound.clone()))
            .unwrap(),
    );
    stage.signs(id).unwrap();
    for name in ["sign/one", "sign/again"] {
        let again = stage.carry_out(import(name, &key, sound.clone()));
        assert!(
            matches!(again, Err(KeyStoreError::KeyExists(_))),
            "{again:?}"
        );
    }
    stage.signs(id).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    // The same worker all the while: a damaged key is no lost token.
    let starts = stage.house.audit_of(TOKEN);
    assert_eq!(
        starts
            .iter()
            .filter(|row| row["event"] == "bridge.started")
            .count(),
        1
    );
}

#[test]
fn a_transport_key_signs_nothing_and_nothing_else_carries_keys() {
    let stage = Stage::build();
    let _daemon = stage.house.serve();
    let sound = transport(&stage, TOKEN);
    let key = p256();
    let sound = wrapped(&key, &sound);
    let ca = stage.house.client("ca");
    let signing = ca
        .generate(&label("sign/other"), KeyAlgorithm::Rsa3072)
        .unwrap();
    let public_key = key.public_key_to_der().unwrap();
    let by = |name: &str| {
        let key = ImportedKey::new(
            label("sign/one"),
            &public_key,
            label(name),
            Oaep::Sha1,
            sound.clone(),
        );
        stage.carry_out(Operation::Import(key.unwrap()))
    };
    let refused = by("sign/other");
    assert!(
        matches!(&refused, Err(KeyStoreError::KeyRefused(why)) if why.contains("no transport key")),
        "{refused:?}"
    );
    assert!(matches!(
        by("transport/absent"),
        Err(KeyStoreError::UnknownKey(_))
    ));
    stage.signs(signing).unwrap();
    let id = stage.house.run("keys", &["--config", "romduol.toml"]);
    let listed = String::from_utf8(id.stdout).unwrap();
    let line = listed.lines().find(|line| line.starts_with(TRANSPORT));
    let id = line.unwrap().split_whitespace().nth(2).unwrap();
    let (name, id) = (label(TRANSPORT), id.parse().unwrap());
    let retire = Operation::Retire {
        label: name.clone(),
        id,
    };
    stage.carry_out(retire).unwrap();
    let retired = stage.carry_out(import("sign/one", &key, sound.clone()));
    assert!(
        matches!(&retired, Err(KeyStoreError::KeyRefused(why)) if why.contains("retired")),
        "{retired:?}"
    );
    let listed = stage.house.run("keys", &["--config", "romduol.toml"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("{id} retired")), "{listed}");
    stage
        .carry_out(Operation::Restore { label: name, id })
        .unwrap();
    stage
        .carry_out(import("sign/one", &key, sound.clone()))
        .unwrap();
}

#[test]
fn a_key_without_its_record_is_not_used_and_gives_way_to_the_next_attempt() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let transport = transport(&stage, TOKEN);
    let key = p256();
    let id = id_of(
        &stage
            .carry_out(import("sign/one", &key, wrapped(&key, &transport)))
            .unwrap(),
    );
    stage.signs(id).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    // As if the attempt had been cut short before its last step.
    let record = ["--type", "data", "--label", "sign/one"];
    stage.pkcs11_tool(&[&["--delete-object"], &record[..]].concat());
    let _daemon = stage.house.serve();
    let refused = stage.signs(id);
    assert!(
        matches!(&refused, Err(KeyStoreError::KeyRefused(_))),
        "{refused:?}"
    );
    let again = stage
        .carry_out(import("sign/one", &key, wrapped(&key, &transport)))
        .unwrap();
    assert_eq!(id_of(&again), id);
    stage.signs(id).unwrap();
}

#[test]
fn two_tokens_with_one_key_serve_it_by_order() {
    let strict = strict_token::module_file().unwrap();
    let tokens = [
        token("first", "house", &strict),
        token("second", "spare", Path::new(SOFTHSM_MODULE)),
        "[[bridge.route]]\nkeys = 'sign/*'\ntokens = ['first', 'second']\n".to_owned(),
    ];
    let stage = Stage::with(&tokens.concat());
    stage.house.add_token("spare");
    let control = Control::create(&stage.house.path("control")).unwrap();
    Settings::new(SOFTHSM_MODULE, stage.house.path("control"))
        .write(&stage.house.path("strict.toml"))
        .unwrap();
    let daemon = stage.house.serve();
    let key = p256();
    let ids = ["first", "second"].map(|token| {
        let transport = transport(&stage, token);
        let operation = import("sign/one", &key, wrapped(&key, &transport));
        id_of(&stage.carry_out_in(token, operation).unwrap())
    });
    assert_eq!(ids[0], ids[1]);
    let patient = ClientOptions {
        deadline: Duration::from_secs(20),
        ..ClientOptions::default()
    };
    let ca = Client::connect_with(&stage.house.path("ca.sock"), patient).unwrap();
    let signer = ca.signer(ids[0], None).unwrap();
    let public_key = key.public_key_to_der().unwrap();
    let public_key = der::Decode::from_der(&public_key).unwrap();
    let sign = |message: &[u8]| {
        let signature = signer.sign(message).unwrap();
        OpenSslVerifier
            .verify(&public_key, signer.scheme(), message, &signature)
            .unwrap();
    };
    sign(b"on the first");
    control.stop_server();
    sign(b"on the second");
    control.start_server();
    assert_eq!(daemon.stop(), Some(0));
    let signatures = |token: &str| {
        let rows = stage.house.audit_of(token);
        rows.iter()
            .filter(|row| row["operation"] == "sign" && row["result"] == "done")
            .count()
    };
    assert_eq!((signatures("first"), signatures("second")), (1, 1));
}

/// A SoftHSM token whose template does not know what it takes in: the token itself is asked, and what it began with goes away again.
#[test]
fn a_token_that_refuses_a_kind_of_key_by_itself_keeps_nothing_of_it() {
    let settings = token(TOKEN, "house", Path::new(SOFTHSM_MODULE));
    let stage = Stage::with(&settings.replace("'softhsm'", "'generic'"));
    let daemon = stage.house.serve();
    let transport = transport(&stage, TOKEN);
    let edwards = PKey::generate_ed25519().unwrap();
    let before = objects(&stage);
    let refused = stage.carry_out(import("sign/one", &edwards, wrapped(&edwards, &transport)));
    assert!(
        matches!(&refused, Err(KeyStoreError::BadRequest(why)) if why.contains("takes in no keys of its kind")),
        "{refused:?}"
    );
    assert_eq!(objects(&stage), before);
    let key = p256();
    let made = stage.carry_out(import("sign/one", &key, wrapped(&key, &transport)));
    stage.signs(id_of(&made.unwrap())).unwrap();
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_token_without_a_way_in_says_so_before_anything_is_made() {
    let strict = strict_token::module_file().unwrap();
    let stage = Stage::with(&token(TOKEN, "house", &strict));
    let configure = |absent: &str| {
        let mut settings = Settings::new(SOFTHSM_MODULE, stage.house.path("control"));
        settings.knobs = format!("absent_mechanisms = [{absent}]").parse().unwrap();
        settings.write(&stage.house.path("strict.toml")).unwrap();
    };
    let checked = || {
        let checked = stage.house.run("check", &["--config", "romduol.toml"]);
        assert!(checked.status.success(), "{checked:?}");
        String::from_utf8(checked.stdout).unwrap()
    };
    configure("");
    let said = checked();
    assert_eq!(said, "hsm-bridge: everything is in place\n");
    let daemon = stage.house.serve();
    let public = transport(&stage, TOKEN);
    assert_eq!(daemon.stop(), Some(0));
    for (absent, word) in [
        (
            "'AES_KEY_WRAP_PAD'",
            "CKM_AES_KEY_WRAP_KWP (0x210B), cannot be asked for",
        ),
        ("'0x9'", "does not offer CKM_RSA_PKCS_OAEP"),
    ] {
        configure(absent);
        let said = checked();
        assert!(
            said.contains("everything is in place") && said.contains("note: "),
            "{said}"
        );
        assert!(said.contains(word), "{said}");
        let daemon = stage.house.serve();
        drop(stage.house.client("ca"));
        let before = objects(&stage);
        let key = p256();
        for operation in [
            Operation::MakeTransportKey {
                label: label("transport/g2"),
            },
            import("sign/one", &key, wrapped(&key, &public)),
        ] {
            let refused = stage.carry_out(operation);
            assert!(
                matches!(&refused, Err(KeyStoreError::BadRequest(why)) if why.contains(word)),
                "{refused:?}"
            );
        }
        assert_eq!(objects(&stage), before);
        assert_eq!(daemon.stop(), Some(0));
    }
}
