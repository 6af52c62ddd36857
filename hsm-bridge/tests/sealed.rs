//! Sealed keys through the daemon: a client sees no difference, and the token opens them for nobody else.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::sync::mpsc;

use base64ct::{Base64UrlUnpadded, Encoding};
use hsm_bridge::activation::{Assertion, HeldKeys, Holder};
use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureScheme, SignatureVerifier,
};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sign::Signer as Passkey;
use sha2::{Digest, Sha256};
use support::House;

const GRANTS: &str = "[[grant]]\ncaller = 'idp'\nkeys = 'idp/*'\noperations = ['generate', 'sign', 'destroy']\n\
    [[grant]]\ncaller = 'ca'\nkeys = 'sign/*'\noperations = ['generate', 'sign', 'destroy']\n";
const SEALED: &str = "[[key]]\nkeys = 'idp/*'\ntier = 'sealed'\n\
    [[key]]\nkeys = 'sign/*'\ntier = 'sealed'\nproof = 'activation'\ndurable = true\n";
const RP_ID: &str = "id.example";
const ORIGIN: &str = "https://id.example";

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

fn house() -> House {
    let house = House::build();
    set_policy(&house, SEALED);
    house
}

fn set_policy(house: &House, rules: &str) {
    fs::write(house.path("policy.toml"), format!("{GRANTS}{rules}")).unwrap();
}

/// Signs something and checks it.
fn signs(client: &Client, id: KeyId, message: &[u8]) -> Result<(), KeyStoreError> {
    let signer = client.signer(id, None)?;
    let signature = signer.sign(message)?;
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), message, &signature)
        .unwrap();
    assert_eq!(KeyId::of(signer.public_key()), Ok(id));
    Ok(())
}

#[test]
fn a_sealed_key_serves_like_any_other_and_is_in_no_token() {
    let house = house();
    let daemon = house.serve();
    let idp = house.client("idp");
    let kinds = [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Ed25519,
    ];
    let made = kinds.map(|kind| {
        let name = label(&format!("idp/{kind}"));
        let id = idp.generate(&name, kind).unwrap();
        let again = idp.generate(&name, kind);
        assert_eq!(again, Err(KeyStoreError::KeyExists(name.to_string())));
        signs(&idp, id, b"header.payload").unwrap();
        (name, id)
    });
    // Longer than a frame: it reaches the bridge in pieces.
    signs(&idp, made[0].1, &vec![7; 400_000]).unwrap();
    let rsa = idp.generate(&label("idp/rsa"), KeyAlgorithm::Rsa3072);
    assert!(matches!(rsa, Err(KeyStoreError::BadRequest(_))), "{rsa:?}");
    assert!(matches!(
        house.client("ca").signer(made[0].1, None),
        Err(KeyStoreError::NotPermitted)
    ));
    assert_eq!(daemon.stop(), Some(0));
    let listing = house.run("keys", &["--config", "romduol.toml"]);
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(listing.contains("bridge/sealed/g1"));
    for (name, id) in &made {
        let line = listing.lines().find(|line| line.starts_with(name.as_str()));
        let line = line.unwrap();
        assert!(
            line.contains(&id.to_string()) && line.ends_with("sealed, generation 1"),
            "{line}"
        );
    }

    let daemon = house.serve();
    let idp = house.client("idp");
    for (name, id) in &made {
        assert_eq!(idp.find(name), Ok(Some(*id)));
        signs(&idp, *id, b"header.payload").unwrap();
    }
    let (name, id) = &made[1];
    idp.destroy(*id).unwrap();
    assert_eq!(idp.find(name), Ok(None));
    let gone = signs(&house.client("idp"), *id, b"x");
    assert!(
        matches!(gone, Err(KeyStoreError::UnknownKey(_))),
        "{gone:?}"
    );
    assert_eq!(daemon.stop(), Some(0));
    let rows = house.audit();
    let uses = rows.iter().filter(|row| row["result"] == "done");
    let uses: Vec<_> = uses.filter(|row| row["caller"] == "idp").collect();
    assert_eq!(uses.len(), 3 + 3 + 1 + 3 + 1);
    assert!(uses.iter().all(|row| row["detail"] == "tier sealed"));
}

#[test]
fn the_end_of_the_bridge_in_the_middle_leaves_whole_keys_or_none() {
    let house = house();
    for round in 0..4 {
        let daemon = house.serve();
        // It does not wait long for a bridge that is gone.
        let idp = house.impatient_client("idp");
        let (answered, answers) = mpsc::channel();
        let maker = std::thread::spawn(move || {
            for number in 0..10_000 {
                let name = format!("idp/{round}/{number}");
                let Ok(id) = idp.generate(&label(&name), KeyAlgorithm::P256) else {
                    return number;
                };
                // The other side stops listening before this side stops making.
                let _heard = answered.send((number, id));
            }
            unreachable!("the bridge was to be killed meanwhile");
        });
        let mut made: Vec<_> = answers.iter().take(5 + 7 * round).collect();
        daemon.kill();
        let unanswered = maker.join().unwrap();
        made.extend(answers.try_iter());
        let daemon = house.serve();
        let idp = house.client("idp");
        for (number, id) in made {
            let name = label(&format!("idp/{round}/{number}"));
            assert_eq!(idp.find(&name), Ok(Some(id)));
            signs(&idp, id, b"x").unwrap();
        }
        let name = label(&format!("idp/{round}/{unanswered}"));
        match idp.find(&name).unwrap() {
            Some(id) => signs(&idp, id, b"x").unwrap(),
            None => {
                idp.generate(&name, KeyAlgorithm::P256).unwrap();
            }
        }
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn a_rule_that_became_stricter_holds_for_sealed_keys_too() {
    let house = house();
    let daemon = house.serve();
    let name = label("idp/one");
    let id = house.client("idp").generate(&name, KeyAlgorithm::P256);
    let id = id.unwrap();
    assert_eq!(daemon.stop(), Some(0));
    let bound = "[[key]]\nkeys = 'idp/one'\nsigns = ['certificate-list']\n";
    for rules in ["", bound] {
        set_policy(&house, rules);
        let daemon = house.serve();
        let idp = house.client("idp");
        let refusal = signs(&idp, id, b"x").unwrap_err();
        let by_rule = matches!(
            refusal,
            KeyStoreError::KeyRefused(_) | KeyStoreError::BadRequest(_)
        );
        assert!(by_rule, "{refusal}");
        // Nor is a second key made beside it.
        let twice = idp.generate(&name, KeyAlgorithm::P256);
        assert_eq!(twice, Err(KeyStoreError::KeyExists(name.to_string())));
        let fresh = label("idp/two");
        if idp.find(&fresh).unwrap().is_none() {
            idp.generate(&fresh, KeyAlgorithm::P256).unwrap();
        }
        assert_eq!(daemon.stop(), Some(0));
    }
    // And a key that was made in the token is used from there when the rule says sealed.
    set_policy(&house, SEALED);
    let _daemon = house.serve();
    let idp = house.client("idp");
    signs(&idp, id, b"x").unwrap();
    let two = idp.find(&label("idp/two")).unwrap().unwrap();
    signs(&idp, two, b"x").unwrap();
    let twice = idp.generate(&label("idp/two"), KeyAlgorithm::P256);
    assert!(matches!(twice, Err(KeyStoreError::KeyExists(_))));
}

#[test]
fn another_token_opens_nothing() {
    let house = house();
    let daemon = house.serve();
    let idp = house.client("idp");
    let stolen = idp.generate(&label("idp/one"), KeyAlgorithm::P256).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    house.add_token("other");
    let config = fs::read_to_string(house.path("romduol.toml")).unwrap();
    let config = config.replace("label = 'house'", "label = 'other'");
    fs::write(house.path("romduol.toml"), config).unwrap();
    let checked = house.run("check", &["--config", "romduol.toml"]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        said.contains("1 sealed keys are wrapped by bridge/sealed/g1, which is not"),
        "{said}"
    );
    let daemon = house.serve();
    let idp = house.client("idp");
    // The other token has a first generation as well.
    let own = idp.generate(&label("idp/two"), KeyAlgorithm::P256).unwrap();
    signs(&idp, own, b"x").unwrap();
    let refusal = signs(&idp, stolen, b"x").unwrap_err();
    assert!(matches!(refusal, KeyStoreError::KeyRefused(_)), "{refusal}");
    assert_eq!(daemon.stop(), Some(0));
    // Looking opens nothing and removes nothing, not even what another process may be writing; what is damaged is said.
    let check = || {
        let checked = house.run("check", &["--config", "romduol.toml"]);
        (
            checked.status.code(),
            String::from_utf8(checked.stdout).unwrap(),
        )
    };
    assert_eq!(check().0, Some(0), "{check:?}", check = check());
    let leaf = house.path("state/sealed/house").join(&own.to_string()[..3]);
    let draft = leaf.join("draft.tmp");
    fs::write(&draft, "half a key").unwrap();
    let file = fs::read_dir(&leaf).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        (path != draft).then_some(path)
    });
    let file = file.unwrap();
    let text = fs::read(&file).unwrap();
    fs::write(&file, &text[..text.len() - 1]).unwrap();
    let (code, said) = check();
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("{own}: its sealed file is damaged")),
        "{said}"
    );
    assert!(draft.exists());
}

#[test]
fn a_new_generation_is_made_while_the_daemon_is_stopped() {
    let house = house();
    let rewrap = || house.run("rewrap", &["--config", "romduol.toml", "--token", "house"]);
    let nothing = rewrap();
    assert!(nothing.status.success(), "{nothing:?}");
    let daemon = house.serve();
    let idp = house.client("idp");
    let ids: Vec<_> = (0..5)
        .map(|number| {
            let name = label(&format!("idp/{number}"));
            idp.generate(&name, KeyAlgorithm::P256).unwrap()
        })
        .collect();
    assert!(!rewrap().status.success());
    assert_eq!(daemon.stop(), Some(0));
    let done = rewrap();
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("bridge/sealed/g2 wraps 5 keys"), "{said}");
    let daemon = house.serve();
    let idp = house.client("idp");
    for id in ids {
        signs(&idp, id, b"x").unwrap();
    }
    assert_eq!(daemon.stop(), Some(0));
    let rows = house.audit();
    let told = rows.iter().filter(|row| row["operation"] == "rewrap");
    let told: Vec<_> = told.filter_map(|row| row["detail"].as_str()).collect();
    assert_eq!(
        told,
        [
            "begun",
            "no sealed keys",
            "begun",
            "generation 2: 5 rewrapped, 0 before, 0 failed"
        ]
    );
}

#[test]
fn a_confined_worker_keeps_its_keys_through_a_change_of_user_and_generation() {
    let house = house();
    let settings = |more: &str| {
        let text = fs::read_to_string(house.path("romduol.toml")).unwrap();
        let (before, after) = text.split_once("name = 'house'\n").unwrap();
        let text = format!("{before}name = 'house'\n{more}\n{after}");
        fs::write(house.path("romduol.toml"), text).unwrap();
    };
    settings("paths = ['tokens']\nread_paths = ['softhsm2.conf']");
    let daemon = house.serve();
    let idp = house.client("idp");
    let ids =
        ["idp/one", "idp/two"].map(|name| idp.generate(&label(name), KeyAlgorithm::P256).unwrap());
    idp.destroy(ids[1]).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        settings("uid = 65534\ngid = 65534");
        support::set_mode(&house.path(""), 0o711);
        give(&house.path("tokens"), 65_534);
    } else {
        println!("not run: changing the user takes root");
    }
    for generation in 2..4 {
        let daemon = house.serve();
        let idp = house.client("idp");
        signs(&idp, ids[0], b"x").unwrap();
        let name = format!("idp/of-{generation}");
        idp.generate(&label(&name), KeyAlgorithm::P256).unwrap();
        assert_eq!(daemon.stop(), Some(0));
        let done = house.run("rewrap", &["--config", "romduol.toml"]);
        assert!(done.status.success(), "{done:?}");
        // The command line was run by somebody else, and SoftHSM's new files are that one's.
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            give(&house.path("tokens"), 65_534);
        }
    }
    let _daemon = house.serve();
    signs(&house.client("idp"), ids[0], b"x").unwrap();
}

fn give(path: &Path, to: u32) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), to);
        }
    }
    chown(path, Some(to), Some(to)).unwrap();
}

#[test]
fn a_sealed_key_of_a_person_signs_what_its_holder_allowed() {
    let house = house();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let passkey = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let holder = Holder::new(&passkey.public_key_to_der().unwrap(), RP_ID, ORIGIN).unwrap();
    let answer = |challenge: &[u8; 32]| {
        let challenge = Base64UrlUnpadded::encode_string(challenge);
        let client_data = format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"{challenge}\",\"origin\":\"{ORIGIN}\",\"crossOrigin\":false}}"
        )
        .into_bytes();
        // Relying party, user present and verified, counter.
        let authenticator_data = [&Sha256::digest(RP_ID)[..], &[0x05], &[0, 0, 0, 1]].concat();
        let covered = [&authenticator_data[..], &Sha256::digest(&client_data)].concat();
        let mut signer = Passkey::new(MessageDigest::sha256(), &passkey).unwrap();
        let signature = signer.sign_oneshot_to_vec(&covered).unwrap();
        (client_data, authenticator_data, signature)
    };
    let sign = |ca: &Client, key, message: &[u8], challenge: &[u8; 32]| {
        let (client_data, authenticator_data, signature) = answer(challenge);
        let assertion = Assertion {
            client_data_json: &client_data,
            authenticator_data: &authenticator_data,
            signature: &signature,
        };
        ca.sign_held(key, SignatureScheme::EcdsaP256Sha256, message, &assertion)
    };
    let daemon = house.serve();
    let ca = house.client("ca");
    let name = label("sign/one");
    let bare = ca.generate(&name, KeyAlgorithm::P256);
    assert!(matches!(bare, Err(KeyStoreError::BadRequest(_))));
    let key = ca
        .generate_held(&name, KeyAlgorithm::P256, &holder)
        .unwrap();
    assert_eq!(daemon.stop(), Some(0));

    let daemon = house.serve();
    let ca = house.client("ca");
    let again = ca.generate_held(&name, KeyAlgorithm::P256, &holder);
    assert_eq!(again, Ok(key));
    let agreed = &b"what was agreed"[..];
    let begin = || {
        ca.activate(key, b"request", &[&Sha256::digest(agreed)])
            .unwrap()
    };
    let refused = Err(KeyStoreError::NotPermitted);
    let signer = ca.signer(key, None).unwrap();
    assert_eq!(signer.sign(agreed), refused);
    let challenge = begin();
    assert_eq!(sign(&ca, key, b"what was not", &challenge), refused);
    let signature = sign(&ca, key, agreed, &begin()).unwrap();
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), agreed, &signature)
        .unwrap();
    assert_eq!(daemon.stop(), Some(0));

    // The holder is in the key's file: a policy that forgets the proof does not release the key.
    set_policy(&house, "[[key]]\nkeys = 'sign/*'\ntier = 'sealed'\n");
    let _daemon = house.serve();
    let ca = house.client("ca");
    assert_eq!(ca.signer(key, None).unwrap().sign(agreed), refused);
}
