//! What a token makes or destroys while one of its calls fails: afterwards it is there and works, or it is not there and can be made, and
//! no caller was told otherwise.

use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore, SignatureVerifier,
};
use strict_token::{Fault, Function, Plan, ckr};

use crate::scene::{Scene, label};
use crate::work::{Stopwatch, Work};

/// How a call fails: before its work, after it, and after it without an answer until its worker is given up.
const FAULTS: [Fault; 3] = [
    Fault::Answer(ckr::DEVICE_ERROR),
    Fault::AnswerLost(ckr::DEVICE_ERROR),
    Fault::HangAfter,
];

#[test]
fn what_is_made_or_destroyed_while_a_call_fails_is_whole_or_not_there() {
    let mut scene = Scene::build();
    let mut failures = Vec::new();
    let mut number = 0;
    for work in [Work::Generate, Work::GenerateSecret, Work::Destroy] {
        let functions = called(&scene, work);
        assert!(functions.len() > 1, "{work:?}: {functions:?}");
        for function in functions {
            for fault in FAULTS {
                number += 1;
                scene.rest();
                let name = label(&format!("fault/made/{number}"));
                if let Err(why) = run(&scene, work, number, &name, function, fault) {
                    failures.push(format!("{work:?}, {} x {fault:?}: {why}", function.name()));
                }
                scene.control.clear_all();
            }
        }
    }
    println!("{number} cells");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The functions that a request calls, found out by watching.
fn called(scene: &Scene, work: Work) -> Vec<Function> {
    let client = scene.patient().unwrap();
    let ready = work.prepare(&client, 100_000).unwrap();
    scene.control.reset_counters();
    ready.ask(&client, &mut Stopwatch::default()).unwrap();
    let all = Function::ALL.into_iter();
    all.filter(|function| scene.control.calls(*function) > 0)
        .collect()
}

fn run(
    scene: &Scene,
    work: Work,
    number: u32,
    name: &KeyLabel,
    function: Function,
    fault: Fault,
) -> Result<(), String> {
    let client = scene.patient()?;
    let ready = work
        .prepare(&client, number)
        .map_err(|e| format!("preparing: {e}"))?;
    scene.control.arm(function, Plan::once(fault));
    let answer = scene
        .caller()
        .and_then(|caller| ready.ask(&caller, &mut Stopwatch::default()));
    let met = scene.control.hits(function) > 0;
    // What hangs goes on now, and comes to its end without anybody who waits for it.
    scene.control.clear_all();
    if !met {
        return Err(format!("never met: {answer:?}"));
    }
    let told = |what: &str, error: KeyStoreError| format!("{what}, after {answer:?}: {error}");
    match work {
        Work::GenerateSecret => {
            // It is there, or it can be made.
            if let Err(error) = client.hmac(name, b"message") {
                if answer.is_ok() {
                    return Err(told("made, and of no use", error));
                }
                match client.generate_secret(name, SecretPurpose::Mac) {
                    Ok(()) | Err(KeyStoreError::KeyExists(_)) => {}
                    Err(error) => return Err(told("can neither be used nor made", error)),
                }
                client
                    .hmac(name, b"message")
                    .map_err(|e| told("made anew", e))?;
            }
        }
        _ => {
            let found = client.find(name).map_err(|e| told("looking", e))?;
            let wanted = work == Work::Generate;
            if answer.is_ok() && found.is_some() != wanted {
                return Err(format!("told that it was done, and found {found:?}"));
            }
            if found.is_some() {
                signs(&client, name).map_err(|e| told("there, and does not sign", e))?;
            } else {
                match client.generate(name, KeyAlgorithm::P256) {
                    Ok(_) | Err(KeyStoreError::KeyExists(_)) => {}
                    Err(error) => return Err(told("gone, and cannot be made", error)),
                }
                signs(&client, name).map_err(|e| told("made anew", e))?;
            }
            let id = client.find(name).map_err(|e| told("looking again", e))?;
            let id = id.ok_or("gone again")?;
            client.describe(id).map_err(|e| told("describing", e))?;
            client.destroy(id).map_err(|e| told("destroying", e))?;
            if client.find(name) != Ok(None) {
                return Err("there are two".to_owned());
            }
        }
    }
    Ok(())
}

fn signs(client: &Client, name: &KeyLabel) -> Result<(), KeyStoreError> {
    let id = client
        .find(name)?
        .ok_or_else(|| KeyStoreError::UnknownKey(name.to_string()))?;
    let signer = client.signer(id, None)?;
    let signature = signer.sign(b"message")?;
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), b"message", &signature)
        .map_err(|_| KeyStoreError::VerifyFailed)
}
