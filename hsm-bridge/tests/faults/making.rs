//! What a token makes or destroys while one of its calls fails: afterwards it is there and works, or it is not there and can be made, or
//! half of it is there and is refused by its name; and no caller was told otherwise.

use std::time::Instant;

use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore, SignatureVerifier,
};
use strict_token::{Fault, Function, Plan, ckr};

use crate::scene::{PATIENCE, Scene, label};
use crate::work::{Stopwatch, Work};

/// How often a cell is tried whose function was not called.
const TRIES: u32 = 3;

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
    let (mut number, mut cells, mut met) = (0, 0, 0);
    let works = [Work::Generate, Work::GenerateSecret, Work::Destroy];
    let plan = works.map(|work| {
        number += 1;
        (work, called(&scene, work, number))
    });
    for (work, functions) in plan {
        assert!(functions.len() > 1, "{work:?}: {functions:?}");
        for function in functions {
            for fault in FAULTS {
                let cell = format!("{work:?}, {} x {fault:?}", function.name());
                cells += 1;
                for _ in 0..TRIES {
                    number += 1;
                    scene.rest();
                    let ran = run(&scene, work, number, function, fault);
                    scene.control.clear_all();
                    match ran {
                        Ok(true) => {
                            met += 1;
                            break;
                        }
                        // A session that is open already is not opened, and a worker of before may have been about to end.
                        Ok(false) => {}
                        Err(why) => {
                            failures.push(format!("{cell}: {why}"));
                            break;
                        }
                    }
                }
            }
        }
    }
    println!("{met} of {cells} cells");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        met * 10 >= cells * 8,
        "too few calls were met by their fault"
    );
}

/// The functions that a request calls, found out by watching.
fn called(scene: &Scene, work: Work, number: u32) -> Vec<Function> {
    let client = scene.patient().unwrap();
    let ready = work.prepare(&client, number).unwrap();
    scene.control.reset_counters();
    ready.ask(&client, &mut Stopwatch::default()).unwrap();
    let all = Function::ALL.into_iter();
    all.filter(|function| scene.control.calls(*function) > 0)
        .collect()
}

/// Plays one cell; false when the function was not called.
fn run(
    scene: &Scene,
    work: Work,
    number: u32,
    function: Function,
    fault: Fault,
) -> Result<bool, String> {
    let client = scene.patient()?;
    let name = &label(&format!("fault/made/{number}"));
    let Ok(ready) = work.prepare(&client, number) else {
        return Ok(false);
    };
    scene.control.arm(function, Plan::once(fault));
    let answer = scene
        .caller()
        .and_then(|caller| ready.ask(&caller, &mut Stopwatch::default()));
    let met = scene.control.hits(function) > 0;
    // What hangs goes on now, and comes to its end without anybody who waits for it.
    scene.control.clear_all();
    let settled = match work {
        Work::GenerateSecret => secret_settles(&client, name, answer.is_ok()),
        _ => pair_settles(&client, name, (work, answer.is_ok())),
    };
    settled
        .map(|()| met)
        .map_err(|why| format!("{why}, after {answer:?}"))
}

/// Tries until it is settled; an error is one for good when it is still there at the end of all patience.
fn in_the_end<T>(mut step: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    let began = Instant::now();
    loop {
        let why = match step() {
            Ok(Some(settled)) => return Ok(settled),
            Ok(None) => "nothing comes of it".to_owned(),
            Err(why) => why,
        };
        if began.elapsed() > PATIENCE {
            return Err(why);
        }
        std::thread::yield_now();
    }
}

/// A pair of keys: there is one that signs, or one can be made; then it can be destroyed, and there is no other. One that is half made is
/// refused by its name, and never used.
fn pair_settles(client: &Client, name: &KeyLabel, told: (Work, bool)) -> Result<(), String> {
    let (mut first, mut exists) = (true, false);
    let found = in_the_end(|| {
        let found = match client.find(name) {
            Err(KeyStoreError::KeyRefused(why)) if why.contains(name.as_str()) => {
                return Ok(Some(None));
            }
            found => found.map_err(|e| format!("looking: {e}"))?,
        };
        let wanted = told.0 == Work::Generate;
        if std::mem::take(&mut first) && told.1 && found.is_some() != wanted {
            return Ok(Some(Some(Err(format!(
                "told that it was done, and found {found:?}"
            )))));
        }
        match found {
            Some(id) => signs(client, name)
                .map(|()| Some(Some(Ok(id))))
                .map_err(|e| format!("there, and does not sign: {e}")),
            None => match client.generate(name, KeyAlgorithm::P256) {
                Ok(_) => Ok(None),
                // Half of it is there, and stays so.
                Err(KeyStoreError::KeyExists(_)) if exists => Ok(Some(None)),
                Err(error) => {
                    exists = matches!(error, KeyStoreError::KeyExists(_));
                    Err(format!("gone, and cannot be made: {error}"))
                }
            },
        }
    })?;
    let Some(id) = found else {
        println!("half made, and refused: {name}");
        return if told == (Work::Generate, true) {
            Err("told that it was made, and refused".to_owned())
        } else {
            Ok(())
        };
    };
    let id = id?;
    in_the_end(|| {
        client
            .describe(id)
            .map_err(|e| format!("describing: {e}"))?;
        match client.destroy(id) {
            Ok(()) | Err(KeyStoreError::UnknownKey(_)) => Ok(Some(())),
            Err(error) => Err(format!("destroying: {error}")),
        }
    })?;
    in_the_end(|| client.find(name).map(Some).map_err(|e| e.to_string()))?
        .map_or(Ok(()), |_| Err("there were two".to_owned()))
}

/// A secret key: there is one, or one can be made.
fn secret_settles(client: &Client, name: &KeyLabel, told: bool) -> Result<(), String> {
    let mut first = true;
    in_the_end(|| match client.hmac(name, b"message") {
        Ok(_) => Ok(Some(Ok(()))),
        Err(KeyStoreError::UnknownKey(_)) if std::mem::take(&mut first) && told => Ok(Some(Err(
            "told that it was made, and is not there".to_owned(),
        ))),
        Err(error) => client
            .generate_secret(name, SecretPurpose::Mac)
            .map(|()| None)
            .map_err(|e| format!("can neither be used ({error}) nor made: {e}")),
    })?
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
