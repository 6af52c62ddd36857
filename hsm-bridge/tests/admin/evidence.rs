//! Evidence of how a key was made is noted in the audit log before it is kept: a changed one is found, with nothing but files.

use std::fs;
use std::process::Output;

use hsm_bridge::admin::Operation;
use hsm_bridge::{KeyAlgorithm, KeyStore, SecretPurpose};

use crate::stage::{Stage, TOKEN, label, run};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// Holds a file against the log.
fn verify(stage: &Stage, file: &str, more: &[&str]) -> (bool, String) {
    let log = stage.house.path("audit").join(TOKEN);
    let arguments = ["verify", log.to_str().unwrap(), "--evidence", file];
    let output = stage.house.run("audit", &[&arguments, more].concat());
    (output.status.success(), said(&output))
}

/// The hash of a text, as another program computes it.
fn sha256(stage: &Stage, text: &str) -> String {
    fs::write(stage.house.path("hashed"), text).unwrap();
    let printed = run(&stage.house.path(""), "sha256sum", &["hashed"]);
    printed.split_whitespace().next().unwrap().to_owned()
}

/// Writes what is kept of a key to a file.
fn keep(stage: &Stage, name: &str, file: &str) {
    let printed = stage
        .house
        .run("evidence", &[name, "--config", "romduol.toml"]);
    assert!(printed.status.success(), "{printed:?}");
    fs::write(stage.house.path(file), printed.stdout).unwrap();
}

#[test]
fn evidence_of_every_key_is_in_the_log_and_one_changed_letter_is_found() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let ca = stage.house.client("ca");
    ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    stage
        .house
        .client("idp")
        .generate(&label("idp/sealed"), KeyAlgorithm::P256)
        .unwrap();
    stage
        .carry_out(Operation::GenerateSecret {
            label: label("idp/kek"),
            purpose: SecretPurpose::KeyEncryption,
        })
        .unwrap();
    stage
        .carry_out(Operation::MakeTransportKey {
            label: label("transport/g1"),
        })
        .unwrap();
    assert_eq!(daemon.stop(), Some(0));
    let rewrapped = stage.house.run("rewrap", &["--config", "romduol.toml"]);
    assert!(rewrapped.status.success(), "{rewrapped:?}");

    let rows = stage.house.audit_of(TOKEN);
    for name in [
        "sign/one",
        "idp/kek",
        "transport/g1",
        "bridge/audit/g1",
        "bridge/sealed/g1",
        "bridge/sealed/g2",
    ] {
        keep(&stage, name, "evidence.json");
        let (sound, words) = verify(&stage, "evidence.json", &[]);
        assert!(
            sound && words.contains(&format!("noted of {name}")),
            "{words}"
        );
        // By another reader: the hash in the line is that of the file, and the line stands before the key is told of.
        let text = fs::read_to_string(stage.house.path("evidence.json")).unwrap();
        let hash = sha256(&stage, text.trim_end());
        let row = rows
            .iter()
            .find(|row| row["operation"] == "evidence" && row["key"] == name)
            .unwrap();
        assert_eq!(row["digest"], hash.as_str());
    }

    keep(&stage, "sign/one", "one.json");
    let sound = fs::read_to_string(stage.house.path("one.json")).unwrap();
    for (from, to) in [
        ("\"CKA_EXTRACTABLE\":false", "\"CKA_EXTRACTABLE\":true"),
        ("\"software\":true", "\"software\":false"),
        ("sign/one", "sign/two"),
    ] {
        let bent = sound.replacen(from, to, 1);
        assert_ne!(bent, sound);
        fs::write(stage.house.path("bent.json"), bent).unwrap();
        let (found, words) = verify(&stage, "bent.json", &["--evidence", "one.json"]);
        assert!(
            !found
                && words.contains("bent.json: no line of this log tells of it")
                && words.contains("one.json: this is what was noted of sign/one"),
            "{words}"
        );
    }
    let absent = verify(&stage, "absent.json", &[]);
    assert!(!absent.0 && absent.1.contains("absent.json"), "{absent:?}");
}

#[test]
fn evidence_that_was_exchanged_in_the_token_is_found_and_so_is_a_log_that_was_made_to_fit() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let ca = stage.house.client("ca");
    ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let report = stage
        .carry_out(Operation::Attest {
            label: label("sign/one"),
        })
        .unwrap();
    let audit_key = report["attested"]["signed_with"].as_str().unwrap();
    fs::write(stage.house.path("audit.pem"), audit_key).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    keep(&stage, "sign/one", "true.json");
    let (sound, words) = verify(&stage, "true.json", &["--key", "audit.pem"]);
    assert!(sound && words.contains("a checkpoint covers it"), "{words}");

    // Somebody with the PIN puts another story beside the key.
    let truth = fs::read_to_string(stage.house.path("true.json")).unwrap();
    let lie = truth
        .trim_end()
        .replace("\"software\":true", "\"software\":false");
    fs::write(stage.house.path("lie"), &lie).unwrap();
    let record = ["--type", "data", "--label", "sign/one"];
    let tool = |work: &[&str]| stage.pkcs11_tool(&[&record, work].concat());
    tool(&["--delete-object"]);
    let application = "romduol hsm-bridge evidence";
    tool(&[
        "--write-object",
        "lie",
        "--private",
        "--application-label",
        application,
    ]);
    keep(&stage, "sign/one", "kept.json");
    let kept = fs::read_to_string(stage.house.path("kept.json")).unwrap();
    assert_eq!(kept.trim_end(), lie);
    let (found, words) = verify(&stage, "kept.json", &["--key", "audit.pem"]);
    assert!(
        !found && words.contains("no line of this log tells of it"),
        "{words}"
    );

    // Nor does it help to write the lie's hash into the log.
    let hash = |text: &str| sha256(&stage, text);
    let segment = stage.house.path("audit").join(TOKEN).join("00000001.jsonl");
    let log = fs::read_to_string(&segment).unwrap();
    let bent = log.replace(&hash(truth.trim_end()), &hash(&lie));
    assert_ne!(bent, log);
    fs::write(&segment, bent).unwrap();
    let (found, words) = verify(&stage, "kept.json", &["--key", "audit.pem"]);
    assert!(
        !found && words.contains("one of the two was changed"),
        "{words}"
    );
}
