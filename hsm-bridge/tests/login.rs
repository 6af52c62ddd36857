//! Tokens that others log in, seen from the callers of a daemon.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod support;

use std::fs;
use std::time::Duration;

use hsm_bridge::client::{Client, ClientOptions};
use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError};
use strict_token::{Control, Settings};
use support::House;

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

/// A house whose first token is behind the strict module, logged in to as these settings say.
fn house(settings: &str) -> (House, Control) {
    let house = House::build();
    let control = Control::create(&house.path("control")).unwrap();
    Settings::new(SOFTHSM_MODULE, house.path("control"))
        .write(&house.path("strict.toml"))
        .unwrap();
    let strict = strict_token::module_file().unwrap();
    let text = format!(
        "[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\n\
         [[bridge.token]]\nname = 'main'\nmodule = '{}'\nlabel = 'house'\n{settings}\n\
         [[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n",
        strict.display()
    );
    fs::write(house.path("romduol.toml"), text).unwrap();
    (house, control)
}

/// What a client is told that waits no longer than this.
fn connect(house: &House, deadline: Duration) -> Result<Client, KeyStoreError> {
    let door = house.path("ca.sock");
    while !door.exists() {
        std::thread::yield_now();
    }
    let options = ClientOptions {
        deadline,
        ..ClientOptions::default()
    };
    Client::connect_with(&door, options)
}

#[test]
fn callers_of_a_token_without_its_quorum_are_told_so_and_no_pin_is_offered() {
    let (house, control) = house("login = 'preloaded'");
    let daemon = house.serve();
    // Longer than the pause between two looks at the token: a second worker has seen no login either.
    for _ in 0..2 {
        let answer = connect(&house, Duration::from_millis(1_500));
        assert_eq!(answer.err(), Some(KeyStoreError::awaiting_quorum()));
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!((control.login_attempts(), control.wrong_pins()), (0, 0));
}

#[test]
fn a_credential_of_systemd_opens_the_token_and_evidence_tells_how_a_key_was_made() {
    let (house, control) =
        house("login = 'credential'\npin_file = 'token-pin'\ntemplate = 'softhsm'");
    let folder = house.path("credentials");
    fs::create_dir(&folder).unwrap();
    fs::copy(house.path("user.pin"), folder.join("token-pin")).unwrap();
    support::set_mode(&folder.join("token-pin"), 0o440);
    let daemon = {
        let mut command = house.command("serve", &["--log", "warn"]);
        command.env("CREDENTIALS_DIRECTORY", &folder);
        support::Running(command.spawn().unwrap())
    };
    let ca = connect(&house, Duration::from_secs(20)).unwrap();
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!((control.login_attempts(), control.wrong_pins()), (1, 0));
    let told = house
        .command("evidence", &["sign/one"])
        .env("CREDENTIALS_DIRECTORY", &folder)
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    let evidence: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(evidence["key_id"], id.to_string());
    assert_eq!(evidence["software"], true);
    assert!(evidence["made_at"].as_u64().unwrap() > 1_700_000_000);
    // Without the folder that systemd names there is no PIN, and that is said.
    let lost = house.run("evidence", &["sign/one"]);
    assert_eq!(lost.status.code(), Some(78));
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(said.contains("credential"), "{said}");
}

#[test]
fn a_refused_credential_is_offered_once_however_often_the_service_is_started() {
    let (house, control) = house("login = 'credential'\npin_file = 'token-pin'");
    let folder = house.path("credentials");
    fs::create_dir(&folder).unwrap();
    let start = |pin: &str| {
        // As systemd does: a new file at every start.
        let path = folder.join("token-pin");
        let _first_time = fs::remove_file(&path);
        fs::write(&path, pin).unwrap();
        support::set_mode(&path, 0o400);
        let mut command = house.command("serve", &["--log", "warn"]);
        command.env("CREDENTIALS_DIRECTORY", &folder);
        command
    };
    for _ in 0..3 {
        let ended = start("0000-wrong").output().unwrap();
        assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    }
    assert_eq!((control.login_attempts(), control.wrong_pins()), (1, 1));
    // The operator acts: the right PIN, and the memory of the wrong one removed.
    fs::remove_file(house.path("state/main.pin.json")).unwrap();
    let right = fs::read_to_string(house.path("user.pin")).unwrap();
    let daemon = support::Running(start(&right).spawn().unwrap());
    connect(&house, Duration::from_secs(20)).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!((control.login_attempts(), control.wrong_pins()), (2, 1));
}
