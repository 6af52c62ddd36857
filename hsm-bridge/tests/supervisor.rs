//! What a supervisor is for: workers that are killed, stopped, hung or without their token, and callers who do not notice.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod support;

use std::fs;
use std::time::Duration;

use hsm_bridge::client::{Client, ClientOptions};
use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    Health, KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SignatureVerifier, Signer,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use strict_token::{Control, Fault, Function, Settings};
use support::{House, Running};

const POLICY: &str = "[[grant]]\ncaller = 'ca'\nkeys = 'sign/*'\noperations = ['generate', 'sign']\n\
    [[grant]]\ncaller = 'idp'\nkeys = 'idp/*'\noperations = ['generate', 'sign']\n";

/// Two tokens: `first` behind the strict module, which can be told to fail, and `second`; keys of `ca` are on the first and may
/// be served by the second, those of `idp` are on the second alone.
struct Pair {
    house: House,
    control: Control,
}

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

impl Pair {
    fn build(section: &str) -> Self {
        let house = House::build();
        house.add_token("spare");
        let control = Control::create(&house.path("control")).unwrap();
        Settings::new(SOFTHSM_MODULE, house.path("control"))
            .write(&house.path("strict.toml"))
            .unwrap();
        fs::write(house.path("policy.toml"), POLICY).unwrap();
        fs::copy(house.path("user.pin"), house.path("spare.pin")).unwrap();
        support::set_mode(&house.path("spare.pin"), 0o600);
        let strict = strict_token::module_file().unwrap();
        let text = format!(
            "[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\n{section}\n\
             [[bridge.token]]\nname = 'first'\nmodule = '{}'\nlabel = 'house'\npin_file = 'user.pin'\nsession_copy = false\n\
             [[bridge.token]]\nname = 'second'\nmodule = '{SOFTHSM_MODULE}'\nlabel = 'spare'\npin_file = 'spare.pin'\n\
             [[bridge.route]]\nkeys = 'idp/*'\ntokens = ['second']\n\
             [[bridge.route]]\nkeys = 'sign/*'\ntokens = ['first', 'second']\n\
             [[bridge.socket]]\nname = 'idp'\npath = 'idp.sock'\n[[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n",
            strict.display()
        );
        fs::write(house.path("romduol.toml"), text).unwrap();
        Self { house, control }
    }

    fn client(&self, caller: &str, deadline: Duration) -> Client {
        drop(self.house.client(caller));
        let options = ClientOptions {
            deadline,
            ..ClientOptions::default()
        };
        Client::connect_with(&self.house.path(&format!("{caller}.sock")), options).unwrap()
    }

    fn audited(&self, token: &str, operation: &str, result: &str) -> usize {
        let rows = self.house.audit_of(token);
        rows.iter()
            .filter(|row| row["operation"] == operation && row["result"] == result)
            .count()
    }
}

/// The process id of a token's worker.
fn worker(daemon: &Running, token: &str) -> Pid {
    let number = daemon.0.id();
    let tasks = fs::read_dir(format!("/proc/{number}/task")).unwrap();
    let name = format!("hsm-bridge worker {token}");
    for task in tasks {
        let children =
            fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if line.starts_with(&name) {
                return Pid::from_raw(child.parse().unwrap()).unwrap();
            }
        }
    }
    panic!("token {token} has no worker");
}

/// Stops a process and returns when none of its threads runs any more; one may go on for a moment after the signal.
fn stop(process: Pid) {
    kill_process(process, Signal::STOP).unwrap();
    let tasks = format!("/proc/{}/task", process.as_raw_nonzero());
    let runs = || {
        fs::read_dir(&tasks).unwrap().any(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status"));
            status.is_ok_and(|status| !status.contains("State:\tT"))
        })
    };
    while runs() {
        std::thread::yield_now();
    }
}

fn sign_and_verify(signer: &dyn Signer, message: &[u8]) -> Result<(), KeyStoreError> {
    let signature = signer.sign(message)?;
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), message, &signature)
        .unwrap();
    Ok(())
}

fn signer(client: &Client, name: &str) -> Box<dyn Signer> {
    let id = match client.find(&label(name)).unwrap() {
        Some(id) => id,
        None => client.generate(&label(name), KeyAlgorithm::P256).unwrap(),
    };
    client.signer(id, None).unwrap()
}

#[test]
fn a_killed_worker_is_replaced_and_its_callers_and_the_other_token_go_on() {
    let pair = Pair::build("fail_back_after_s = 0");
    let daemon = pair.house.serve();
    let (ca, idp) = (
        pair.client("ca", Duration::from_secs(20)),
        pair.house.client("idp"),
    );
    let (ca_signer, idp_signer) = (signer(&ca, "sign/one"), signer(&idp, "idp/one"));
    let other = worker(&daemon, "second");
    for round in 0..3_u8 {
        let killed = worker(&daemon, "second");
        assert_eq!(killed, other);
        let first = worker(&daemon, "first");
        kill_process(first, Signal::KILL).unwrap();
        sign_and_verify(idp_signer.as_ref(), &[round]).unwrap();
        // The key is on the first token alone: the second says that it does not know it, until the first is back.
        while let Err(error) = sign_and_verify(ca_signer.as_ref(), &[round]) {
            assert!(matches!(error, KeyStoreError::UnknownKey(_)), "{error}");
        }
        assert_ne!(worker(&daemon, "first"), first);
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(pair.control.wrong_pins(), 0);
    assert_eq!(pair.audited("second", "sign", "done"), 3);
}

#[test]
fn a_call_that_hangs_costs_its_worker_and_nobody_else() {
    let pair = Pair::build("fail_back_after_s = 0\ncall_limit_ms = 300");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_millis(1_500));
    let idp = pair.house.client("idp");
    let (ca_signer, idp_signer) = (signer(&ca, "sign/one"), signer(&idp, "idp/one"));
    let (first, second) = (worker(&daemon, "first"), worker(&daemon, "second"));
    pair.control.always(Function::Sign, Fault::Hang);
    let answered = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ca_signer.sign(b"hangs"));
        for round in 0..50_u8 {
            sign_and_verify(idp_signer.as_ref(), &[round]).unwrap();
        }
        waiting.join().unwrap()
    });
    assert!(answered.is_err(), "no signature can have come");
    assert_eq!(worker(&daemon, "second"), second);
    pair.control.clear_all();
    let patient = pair.client("ca", Duration::from_secs(20));
    let patient = patient.signer(hsm_bridge::KeyId::of(ca_signer.public_key()).unwrap(), None);
    let patient = patient
        .or_else(|_| ca.signer(hsm_bridge::KeyId::of(ca_signer.public_key()).unwrap(), None))
        .unwrap();
    while let Err(error) = sign_and_verify(patient.as_ref(), b"again") {
        assert!(matches!(error, KeyStoreError::UnknownKey(_)), "{error}");
    }
    assert_ne!(worker(&daemon, "first"), first);
}

/// How long callers of a token wait whose server is stopped, and how much later two busy cores may wake them.
const SHORT: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_millis(700);

#[test]
fn when_a_tokens_server_is_stopped_its_callers_are_answered_in_time_and_those_of_another_token_served()
 {
    let pair = Pair::build("fail_back_after_s = 0\nopen_limit_ms = 500");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    let idp = pair.house.client("idp");
    let (ca_signer, idp_signer) = (signer(&ca, "sign/one"), signer(&idp, "idp/one"));
    let id = hsm_bridge::KeyId::of(ca_signer.public_key()).unwrap();
    let callers: Vec<_> = (0..4)
        .map(|_| pair.client("ca", SHORT).signer(id, None).unwrap())
        .collect();
    // As SIGSTOP of a network token's server does: every call hangs, and none fails.
    for function in Function::ALL {
        pair.control.always(function, Fault::Hang);
    }
    let latest = std::thread::scope(|scope| {
        let waiting: Vec<_> = callers
            .iter()
            .map(|caller| {
                scope.spawn(|| {
                    let mut latest = Duration::ZERO;
                    for round in 0..4_u8 {
                        let asked = std::time::Instant::now();
                        assert!(caller.sign(&[round]).is_err(), "no signature can have come");
                        latest = latest.max(asked.elapsed());
                    }
                    latest
                })
            })
            .collect();
        for round in 0..100_u8 {
            sign_and_verify(idp_signer.as_ref(), &[round]).unwrap();
        }
        let latest = waiting.into_iter().map(|waiting| waiting.join().unwrap());
        latest.max().unwrap()
    });
    assert!(latest <= SHORT + GRACE, "{latest:?}");
    pair.control.clear_all();
    while let Err(error) = sign_and_verify(ca_signer.as_ref(), b"after") {
        assert!(matches!(error, KeyStoreError::UnknownKey(_)), "{error}");
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(pair.control.wrong_pins(), 0);
}

#[test]
fn a_module_that_hangs_while_it_is_opened_does_not_hold_up_the_other_token() {
    let pair = Pair::build("fail_back_after_s = 0\nopen_limit_ms = 500");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    let ca_signer = signer(&ca, "sign/one");
    assert_eq!(daemon.stop(), Some(0));
    // A PIN that was never offered: it is not counted as such by a module that hangs before its login.
    let draft = pair.house.path("draft.pin");
    fs::copy(pair.house.path("user.pin"), &draft).unwrap();
    support::set_mode(&draft, 0o600);
    fs::rename(&draft, pair.house.path("user.pin")).unwrap();
    pair.control.always(Function::Initialize, Fault::Hang);
    let daemon = pair.house.serve();
    sign_and_verify(
        signer(&pair.house.client("idp"), "idp/one").as_ref(),
        b"meanwhile",
    )
    .unwrap();
    pair.control.clear_all();
    while let Err(error) = sign_and_verify(ca_signer.as_ref(), b"after") {
        assert!(matches!(error, KeyStoreError::UnknownKey(_)), "{error}");
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(pair.control.wrong_pins(), 0);
}

#[test]
fn a_stopped_worker_is_found_by_its_silence() {
    let pair = Pair::build("fail_back_after_s = 0\nsilence_limit_ms = 500");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    let ca_signer = signer(&ca, "sign/one");
    let first = worker(&daemon, "first");
    stop(first);
    while let Err(error) = sign_and_verify(ca_signer.as_ref(), b"after") {
        assert!(matches!(error, KeyStoreError::UnknownKey(_)), "{error}");
    }
    assert_ne!(worker(&daemon, "first"), first);
}

#[test]
fn callers_move_to_the_next_token_and_back_when_the_first_is_sound_again() {
    let pair = Pair::build("fail_back_after_s = 1");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    let name = label("sign/one");
    let on_first = ca.generate(&name, KeyAlgorithm::P256).unwrap();
    pair.control.stop_server();
    // Every call of the first token fails: the second has no key of this name yet, and makes its own.
    assert_eq!(ca.find(&name).unwrap(), None);
    let on_second = ca.generate(&name, KeyAlgorithm::P256).unwrap();
    assert_ne!(on_first, on_second);
    sign_and_verify(ca.signer(on_second, None).unwrap().as_ref(), b"x").unwrap();
    pair.control.start_server();
    while ca.find(&name).unwrap() != Some(on_first) {
        ca.health().unwrap_or_default();
    }
    sign_and_verify(ca.signer(on_first, None).unwrap().as_ref(), b"y").unwrap();
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_refused_pin_is_offered_once_whatever_is_started_again() {
    let pair = Pair::build("fail_back_after_s = 0");
    let right = fs::read(pair.house.path("user.pin")).unwrap();
    fs::write(pair.house.path("user.pin"), "0000-wrong\n").unwrap();
    for _ in 0..3 {
        let daemon = pair.house.serve();
        // The other token serves all the same.
        pair.house.client("idp").health().unwrap_or_default();
        signer(&pair.house.client("idp"), "idp/one");
        daemon.kill();
    }
    assert_eq!(
        (pair.control.login_attempts(), pair.control.wrong_pins()),
        (1, 1)
    );
    fs::write(pair.house.path("user.pin"), right).unwrap();
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    signer(&ca, "sign/one");
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(pair.control.login_attempts(), 2);
}

/// What `hsm-bridge status` says, and its exit status.
fn status(pair: &Pair) -> (serde_json::Value, Option<i32>) {
    let told = pair
        .house
        .run("status", &["--config", "romduol.toml", "--json"]);
    let json = serde_json::from_slice(&told.stdout).unwrap_or_default();
    (json, told.status.code())
}

#[test]
fn the_status_tells_which_token_is_lost_since_when_and_who_serves_its_keys() {
    let pair = Pair::build("fail_back_after_s = 0");
    assert_eq!(status(&pair).1, Some(69), "no daemon runs");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    signer(&ca, "sign/one");
    let (sound, code) = status(&pair);
    assert_eq!(code, Some(0), "{sound}");
    let first = &sound["tokens"][0];
    assert_eq!(
        (&first["name"], &first["condition"], &first["restarts"]),
        (&"first".into(), &"sound".into(), &0.into())
    );
    assert_eq!(first["serves"], json!(["sign/*", "*"]));
    assert_eq!(sound["tokens"][1]["serves"], json!(["idp/*"]));
    let socket = pair.house.path("state/status.sock");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // It asks nothing of whoever connects, and a peer that says nothing and takes nothing delays nobody.
    let silent = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    pair.control.stop_server();
    kill_process(worker(&daemon, "first"), Signal::KILL).unwrap();
    let lost = loop {
        let (now, code) = status(&pair);
        if now["tokens"][0]["condition"] == "lost" {
            assert_eq!(code, Some(1));
            break now;
        }
    };
    let first = &lost["tokens"][0];
    assert!(
        first["reason"].is_string() && first["since"].is_string(),
        "{first}"
    );
    assert_eq!(first["serves"], json!([]));
    assert_eq!(lost["tokens"][1]["serves"], json!(["idp/*", "sign/*"]));
    assert_eq!(lost["unserved"], json!(["*"]));
    drop(silent);
    pair.control.start_server();
    let back = loop {
        let (now, code) = status(&pair);
        if code == Some(0) {
            break now;
        }
    };
    assert_eq!(back["tokens"][0]["restarts"], 1);
    let words = pair.house.run("status", &["--config", "romduol.toml"]);
    let words = String::from_utf8(words.stdout).unwrap();
    let line = words.lines().next().unwrap();
    assert!(
        line.starts_with("first: sound since ")
            && line.ends_with(", came back once, serves sign/*, all other keys"),
        "{words}"
    );
    assert_eq!(daemon.stop(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn the_status_tells_of_a_refused_pin_and_of_a_login_that_hangs() {
    let pair = Pair::build("fail_back_after_s = 0\nopen_limit_ms = 60000");
    fs::write(pair.house.path("user.pin"), "0000-wrong\n").unwrap();
    let daemon = pair.house.serve();
    let both = json!(["pin-refused", "sound"]);
    while {
        let (told, _) = status(&pair);
        json!([
            told["tokens"][0]["condition"],
            told["tokens"][1]["condition"]
        ]) != both
    } {}
    assert_eq!(daemon.stop(), Some(0));
    // While it hangs, the supervisor still answers.
    pair.control.always(Function::Login, Fault::Hang);
    let right = fs::read(pair.house.path("spare.pin")).unwrap();
    fs::write(pair.house.path("user.pin"), right).unwrap();
    let _daemon = pair.house.serve();
    while pair.control.hanging() == 0 {
        std::thread::yield_now();
    }
    let (told, code) = status(&pair);
    assert_eq!(
        (&told["tokens"][0]["condition"], code),
        (&"opening".into(), Some(1))
    );
    pair.control.clear_all();
    while status(&pair).1 != Some(0) {}
}

#[test]
fn every_signature_of_the_token_is_in_the_record() {
    let pair = Pair::build("canary_ms = 0");
    let daemon = pair.house.serve();
    let ca = pair.client("ca", Duration::from_secs(20));
    let ca_signer = signer(&ca, "sign/one");
    for round in 0..20_u8 {
        sign_and_verify(ca_signer.as_ref(), &[round]).unwrap();
    }
    pair.control.once(Function::Sign, Fault::FlippedBit);
    assert_eq!(ca_signer.sign(b"spoilt"), Err(KeyStoreError::VerifyFailed));
    assert_eq!(daemon.stop(), Some(0));
    let rows = pair.house.audit_of("first");
    let checkpoints = rows
        .iter()
        .filter(|row| row["event"] == "bridge.checkpoint")
        .count();
    let recorded =
        pair.audited("first", "sign", "done") + pair.audited("first", "sign", "verify-failed");
    assert_eq!((recorded, checkpoints > 0), (21, true));
    assert_eq!(
        pair.control.signatures_made(),
        u64::try_from(recorded + checkpoints).unwrap()
    );
}

/// Looks until something holds.
fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_token_whose_canary_does_not_verify_is_no_longer_sound() {
    let pair = Pair::build("canary_ms = 500\nfail_back_after_s = 0");
    let daemon = pair.house.serve();
    drop(pair.client("ca", Duration::from_secs(20)));
    let condition = || status(&pair).0["tokens"][0]["condition"].clone();
    await_that("it never was sound", || condition() == "sound");
    pair.control.always(Function::Sign, Fault::FlippedBit);
    await_that("wrong signatures were not noticed", || {
        condition() != "sound"
    });
    assert!(pair.audited("first", "sign", "verify-failed") > 0);
    pair.control.clear_all();
    await_that("the token did not come back", || condition() == "sound");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_idle_token_is_asked_for_a_signature_and_its_loss_is_noticed_by_nobody_s_asking() {
    let pair = Pair::build("canary_ms = 500\nfail_back_after_s = 0");
    let daemon = pair.house.serve();
    drop(pair.client("ca", Duration::from_secs(20)));
    let canaries = || {
        let rows = pair.house.audit_of("first");
        let canary = |row: &&serde_json::Value| {
            row["caller"] == "bridge" && row["operation"] == "sign" && row["result"] == "done"
        };
        rows.iter().filter(canary).count()
    };
    await_that("no canary", || canaries() >= 2);
    pair.control.stop_server();
    let condition = || status(&pair).0["tokens"][0]["condition"].clone();
    await_that("the loss was not noticed", || condition() != "sound");
    pair.control.start_server();
    await_that("the token did not come back", || condition() == "sound");
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(pair.control.wrong_pins(), 0);
}
