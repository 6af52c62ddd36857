//! The ceremony: what it makes holds together, and is never made twice.

use hsm_bridge::{KeyLabel, KeyStore};
use service::cli::Context;
use service::{Clock, Sources, SystemClock};
use store::{Schema, Store};

use super::fixture::Held;
use super::judges;
use crate::ceremony::{self, CeremonyError};
use crate::{App, Config};

fn sources() -> Sources {
    Sources::test(SystemClock.now(), 3).0
}

#[test]
fn the_results_are_sound_and_openssl_accepts_every_chain() {
    let held = Held::new(&sources());
    let report = ceremony::verify(&held.results()).expect("sound");
    assert_eq!(report.transcript, held.outcome.transcript);
    assert_eq!((report.certificates, report.crls), (6, 5));
    let text = std::fs::read_to_string(held.file("transcript.txt")).expect("a transcript");
    assert!(text.contains("Romduol Issuing CA Persons G1") && text.contains(&held.outcome.root));

    let root_token = held.root.open().expect("a token");
    let online = held.online.open().expect("a token");
    let root = KeyLabel::parse("ca/root/g1").expect("a label");
    assert!(root_token.find(&root).expect("a search").is_some());
    assert!(
        online.find(&root).expect("a search").is_none(),
        "the root key is in its token alone"
    );

    let Some(openssl) = judges::find("openssl") else {
        return;
    };
    let root = held.file("certificates/ca-root-g1.pem");
    for (leaf, issuer) in [
        ("ca-persons-g1", None),
        ("ca-servers-g1", None),
        ("ocsp-persons-g1", Some("ca-persons-g1")),
        ("ocsp-servers-g1", Some("ca-servers-g1")),
        ("tsa-main-g1", Some("ca-servers-g1")),
    ] {
        let leaf = held.file(&format!("certificates/{leaf}.pem"));
        let issuer = issuer.map(|name| held.file(&format!("certificates/{name}.pem")));
        let mut arguments = vec!["verify", "-x509_strict", "-CAfile", root.as_str()];
        if let Some(issuer) = &issuer {
            arguments.extend(["-untrusted", issuer.as_str()]);
        }
        arguments.push(&leaf);
        let (content, said) = judges::run(&openssl, &arguments);
        assert!(content, "{said}");
    }
}

#[test]
fn pkilint_finds_nothing_in_certificates_and_lists() {
    let held = Held::new(&sources());
    if let Some(lint) = judges::find("lint_pkix_cert") {
        for name in [
            "ca-root-g1",
            "ca-persons-g1",
            "ocsp-persons-g1",
            "tsa-main-g1",
        ] {
            let file = held.file(&format!("certificates/{name}.pem"));
            let (content, said) = judges::run(&lint, &["lint", "-s", "WARNING", &file]);
            assert!(content, "{name}: {said}");
        }
    }
    if let Some(lint) = judges::find("lint_crl") {
        let lists = walk(&held.results().join("crls"));
        assert_eq!(lists.len(), 5);
        for file in lists {
            let arguments = [
                "lint",
                "-t",
                "CRL",
                "-p",
                "PKIX",
                "-s",
                "WARNING",
                file.as_str(),
            ];
            let (content, said) = judges::run(&lint, &arguments);
            assert!(content, "{file}: {said}");
        }
    }
}

fn walk(directory: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        if entry.path().is_dir() {
            files.extend(walk(&entry.path()));
        } else {
            files.push(entry.path().to_string_lossy().into_owned());
        }
    }
    files
}

#[test]
fn a_second_ceremony_is_refused_and_changes_nothing() {
    let held = Held::new(&sources());
    let base = held.directory.path();
    let again = ceremony::run(&held.plan, base, &held.results(), &sources(), &mut |_| {});
    assert!(
        matches!(again, Err(CeremonyError::NotEmpty(_))),
        "{again:?}"
    );
    let elsewhere = base.join("elsewhere");
    let again = ceremony::run(&held.plan, base, &elsewhere, &sources(), &mut |_| {});
    assert!(
        matches!(again, Err(CeremonyError::KeyExists(..))),
        "{again:?}"
    );
    assert!(ceremony::verify(&held.results()).is_ok());
}

#[test]
fn whatever_is_changed_afterwards_is_found() {
    let held = Held::new(&sources());
    let exchange = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let path = held.results().join(name);
        let sound = std::fs::read(&path).expect("a file");
        std::fs::write(&path, change(sound.clone())).expect("a file");
        let verdict = ceremony::verify(&held.results());
        std::fs::write(&path, sound).expect("a file");
        assert!(verdict.is_err(), "{name}");
    };
    for name in [
        "certificates/ca-root-g1.pem",
        "hierarchy.json",
        "peers.json",
        "ceremony.toml",
    ] {
        exchange(name, &|bytes| [bytes, b"\n".to_vec()].concat());
    }
    let other = std::fs::read(held.file("certificates/ca-servers-g1.pem")).expect("a file");
    exchange("certificates/ca-persons-g1.pem", &|_| other.clone());
    exchange("transcript.jsonl", &|bytes| {
        String::from_utf8_lossy(&bytes)
            .replace("Witness", "Nobody1")
            .into_bytes()
    });
    std::fs::write(held.results().join("extra"), b"x").expect("a file");
    assert!(
        ceremony::verify(&held.results()).is_err(),
        "a file that nobody recorded"
    );
}

#[tokio::test]
async fn no_authority_runs_beside_a_root_key() {
    let sources = sources();
    let held = Held::new(&sources);
    let root = held.root.open().expect("a token");
    let config = Config {
        ceremony: held.results(),
        ..Config::default()
    };
    let store = Store::in_memory(Schema::Ca).expect("a database");
    let refused = App::build(
        config,
        store,
        std::sync::Arc::new(hsm_bridge::activation::Holders::new(root)),
        &Context::new(sources),
    );
    assert!(
        refused
            .expect_err("refused")
            .to_string()
            .contains("root key")
    );
}
