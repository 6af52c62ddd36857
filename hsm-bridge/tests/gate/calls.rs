//! What goes through the gate is what goes through the socket.

use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    Health, KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SignatureVerifier, Signer,
};

use crate::pki::Wanted;
use crate::stage::{Stage, open};

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

fn verify(signer: &dyn Signer, message: &[u8], signature: &[u8]) {
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), message, signature)
        .unwrap();
}

#[test]
fn a_service_on_another_host_uses_its_keys_and_no_others() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca")); // it is up
    let gate = stage.open();
    let ca = stage.client(&gate);
    ca.health().unwrap();
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let signer = ca.signer(id, None).unwrap();
    for length in [0, 1, 60_000, 300_000, 1_500_000] {
        let message = vec![7; length];
        verify(&*signer, &message, &signer.sign(&message).unwrap());
    }
    let messages: Vec<Vec<u8>> = (0..200_u8)
        .map(|number| vec![number; 1 + 400 * usize::from(number)])
        .collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    for (message, signature) in messages.iter().zip(signer.sign_batch(&messages)) {
        verify(&*signer, message, &signature.unwrap());
    }
    assert_eq!(
        ca.generate(&label("idp/one"), KeyAlgorithm::P256),
        Err(KeyStoreError::NotPermitted)
    );
    // A refusal from inside leaves the connection in step.
    ca.health().unwrap();
    assert_eq!(gate.process.stop(), Some(0));
    assert_eq!(daemon.stop(), Some(0));
    let rows = stage.house.audit();
    let done = rows.iter().filter(|row| {
        row["caller"] == "ca" && row["operation"] == "sign" && row["result"] == "done"
    });
    assert_eq!(done.count(), 205);
}

#[test]
fn callers_are_known_by_name_uri_certificate_or_key_and_go_to_their_own_socket() {
    let mut stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let tls = stage.path("tls");
    let unnamed = Wanted {
        dns: vec![],
        ..Wanted::default()
    };
    let by_uri = Wanted {
        uris: vec!["urn:example:idp"],
        ..unnamed.clone()
    };
    let (whole, key) = (
        stage.authority.issue(&unnamed),
        stage.authority.issue(&unnamed),
    );
    // As tools print it.
    let digest = |bytes: &[u8]| {
        let pairs = openssl::sha::sha256(bytes).map(|byte| format!("{byte:02X}"));
        pairs.join(":")
    };
    let more = format!(
        "[[gate.caller]]\nname = 'idp'\nuri = 'urn:example:idp'\nsocket = 'idp.sock'\n\
         [[gate.caller]]\nname = 'idp-whole'\ncertificate_sha256 = '{}'\nsocket = 'idp.sock'\n\
         [[gate.caller]]\nname = 'idp-key'\nkey_sha256 = '{}'\nsocket = 'idp.sock'\n",
        digest(&whole.certificate.to_der().unwrap()),
        digest(&key.key.public_key_to_der().unwrap()),
    );
    stage.callers.push_str(&more);
    let gate = stage.open();
    let mut known = vec![stage.client_files("uri", &by_uri)];
    known.push(whole.write(&tls, "whole", &[]));
    known.push(key.write(&tls, "key", &[]));
    // The same key under a renewed certificate is the same caller.
    let renewed = stage.authority.certify(
        &Wanted {
            serial: 8,
            ..unnamed
        },
        key.key,
    );
    known.push(renewed.write(&tls, "renewed", &[]));
    for (number, files) in known.iter().enumerate() {
        let idp = open(stage.remote(gate.address, files)).unwrap();
        idp.generate(&label(&format!("idp/{number}")), KeyAlgorithm::P256)
            .unwrap();
        assert_eq!(
            idp.generate(&label("sign/one"), KeyAlgorithm::P256),
            Err(KeyStoreError::NotPermitted)
        );
    }
    drop(daemon);
}

#[test]
fn a_kill_of_the_gate_loses_no_signature_and_repeats_none_that_must_not_be() {
    let mut stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let gate = stage.open();
    stage.listen = gate.address;
    let ca = stage.client(&gate);
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let signer = ca.signer(id, None).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|number| {
                let signer = &signer;
                scope.spawn(move || {
                    for round in 0..40_u8 {
                        let message = [number, round];
                        verify(&**signer, &message, &signer.sign(&message).unwrap());
                    }
                })
            })
            .collect();
        gate.process.kill();
        let again = stage.open();
        for thread in threads {
            thread.join().unwrap();
        }
        drop(again);
    });
    drop(daemon);
}
