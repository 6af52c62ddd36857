//! One attempt per PIN, whenever a process ends: a PIN counts as offered from just before `C_Login`, and not before that.

use hsm_bridge::{KeyAlgorithm, KeyStore, KeyStoreError};
use strict_token::{Fault, Function};

use crate::scene::{SIGNS, Scene, label};

/// How a daemon ends whose only token refuses its PIN.
const EXIT_PIN: i32 = 77;

/// Makes a key with a token that is sound.
fn serves(scene: &mut Scene) {
    scene.start();
    let client = scene.patient().unwrap();
    client.generate(&label(SIGNS), KeyAlgorithm::P256).unwrap();
    scene.stop();
}

#[test]
fn a_pin_that_never_reached_its_token_may_be_offered_still() {
    let mut scene = Scene::fresh();
    scene.control.always(Function::Initialize, Fault::Hang);
    // One worker is given up while its module hangs, and the next is killed with its daemon.
    let ended = scene.house.serve().0.wait().unwrap().code();
    assert_ne!(ended, Some(0));
    scene.start();
    scene.await_hits(Function::Initialize, 2);
    scene.kill();
    scene.control.clear_all();
    assert_eq!(scene.control.login_attempts(), 0);
    serves(&mut scene);
    assert_eq!(scene.control.login_attempts(), 1);
}

#[test]
fn a_login_of_which_nobody_knows_the_end_is_the_only_one() {
    let mut scene = Scene::fresh();
    scene.control.always(Function::Login, Fault::Hang);
    // The worker is given up in the middle of its login.
    let ended = scene.house.serve().0.wait().unwrap().code();
    assert_ne!(ended, Some(0));
    scene.control.clear_all();
    let ended = scene.house.serve().0.wait().unwrap().code();
    assert_eq!((ended, scene.control.login_attempts()), (Some(EXIT_PIN), 1));
    scene.write_pin_anew();
    serves(&mut scene);
    assert_eq!(
        (scene.control.login_attempts(), scene.control.wrong_pins()),
        (2, 0)
    );
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_login_makes_no_second_attempt() {
    let mut scene = Scene::fresh();
    scene.control.always(Function::Login, Fault::Hang);
    scene.start();
    scene.await_hits(Function::Login, 1);
    scene.kill();
    scene.control.clear_all();
    let ended = scene.house.serve().0.wait().unwrap().code();
    assert_eq!((ended, scene.control.login_attempts()), (Some(EXIT_PIN), 1));
    scene.write_pin_anew();
    serves(&mut scene);
}

#[test]
fn a_pin_changed_under_a_running_worker_is_offered_once_and_the_daemon_remembers() {
    let mut scene = Scene::build();
    let logins = scene.control.login_attempts();
    let fault = Fault::Answer(strict_token::ckr::PIN_INCORRECT);
    scene.control.always(Function::Login, fault);
    scene.control.kill_idle_sessions();
    let client = scene.patient().unwrap();
    for _ in 0..5 {
        let answer = client.find(&label(SIGNS));
        assert_eq!(answer, Err(KeyStoreError::PinRefused));
    }
    scene.await_no_worker();
    scene.kill();
    let ended = scene.house.serve().0.wait().unwrap().code();
    assert_eq!(ended, Some(EXIT_PIN));
    assert_eq!(scene.control.login_attempts(), logins + 1);
}

#[test]
fn a_login_that_fails_without_a_word_of_its_pin_is_the_only_one() {
    let mut scene = Scene::fresh();
    // What some modules say of a PIN that they did not take.
    let fault = Fault::Answer(strict_token::ckr::FUNCTION_FAILED);
    scene.control.always(Function::Login, fault);
    for expected in [None, Some(EXIT_PIN), Some(EXIT_PIN)] {
        let ended = scene.house.serve().0.wait().unwrap().code();
        assert!(expected.is_none() || ended == expected, "{ended:?}");
        assert_eq!(scene.control.login_attempts(), 1);
    }
    scene.control.clear_all();
    scene.write_pin_anew();
    serves(&mut scene);
}

#[test]
fn whoever_looks_at_a_token_offers_no_pin_that_was_refused() {
    let mut scene = Scene::fresh();
    let fault = Fault::Answer(strict_token::ckr::PIN_INCORRECT);
    scene.control.always(Function::Login, fault);
    for _ in 0..2 {
        for look in ["check", "keys", "rewrap"] {
            let looked = scene.house.run(look, &["--log", "off"]);
            assert!(!looked.status.success(), "{look}: {looked:?}");
        }
    }
    let ended = scene.house.serve().0.wait().unwrap().code();
    assert_eq!((ended, scene.control.login_attempts()), (Some(EXIT_PIN), 1));
    scene.control.clear_all();
    scene.write_pin_anew();
    assert!(scene.house.run("check", &["--log", "off"]).status.success());
    serves(&mut scene);
    assert_eq!(
        (scene.control.login_attempts(), scene.control.wrong_pins()),
        (3, 0)
    );
}

#[test]
fn a_pin_file_that_is_written_while_it_is_used_is_read_again() {
    let mut scene = Scene::fresh();
    let right = std::fs::read(scene.house.path("user.pin")).unwrap();
    std::fs::write(scene.house.path("user.pin"), "0000-wrong\n").unwrap();
    scene.control.always(Function::Initialize, Fault::Hang);
    let mut daemon = scene.house.serve();
    // The worker has read the file by now, and asks for leave to offer its PIN next.
    scene.await_hits(Function::Initialize, 1);
    std::fs::write(scene.house.path("user.pin"), right).unwrap();
    scene.control.clear_all();
    assert_ne!(daemon.0.wait().unwrap().code(), Some(EXIT_PIN));
    drop(daemon);
    serves(&mut scene);
    assert_eq!(
        (scene.control.login_attempts(), scene.control.wrong_pins()),
        (1, 0)
    );
}
