//! Each fault and command of the control page, while the token runs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use cryptoki_sys::*;
use strict_token::{Control, Fault, Function, Plan, ckr};
use support::{PIN, alone, watched};

#[test]
fn a_code_strikes_the_calls_of_its_plan_alone() {
    alone("a_code_strikes_the_calls_of_its_plan_alone", "", |stage| {
        let session = stage.module.ready();
        let answers =
            |count: usize| -> Vec<_> { (0..count).map(|_| stage.module.random(session)).collect() };
        let fault = Fault::Answer(ckr::DEVICE_MEMORY);
        stage.control.arm(
            Function::GenerateRandom,
            Plan::always(fault).from(3).times(2),
        );
        let struck = CKR_DEVICE_MEMORY;
        assert_eq!(answers(6), [CKR_OK, CKR_OK, struck, struck, CKR_OK, CKR_OK]);
        assert_eq!(stage.control.hits(Function::GenerateRandom), 2);
        stage.control.always(Function::GenerateRandom, fault);
        assert_eq!(answers(2), [struck, struck]);
        stage.control.clear(Function::GenerateRandom);
        assert_eq!(answers(1), [CKR_OK]);
        assert_eq!(stage.control.calls(Function::GenerateRandom), 9);
    });
}

#[test]
fn a_storm_repeats() {
    alone("a_storm_repeats", "", |stage| {
        let session = stage.module.ready();
        let storm = || -> Vec<_> {
            stage.control.arm(
                Function::GenerateRandom,
                Plan::always(Fault::Answer(ckr::DEVICE_ERROR)).chance(200_000),
            );
            (0..200).map(|_| stage.module.random(session)).collect()
        };
        let first = storm();
        let struck = first.iter().filter(|code| **code != CKR_OK).count() as u64;
        assert_eq!(stage.control.hits(Function::GenerateRandom), struck);
        assert!((15..70).contains(&struck), "{struck}");
        assert_eq!(first, storm());
    });
}

#[test]
fn spoilt_signatures_do_not_verify_and_are_counted() {
    alone(
        "spoilt_signatures_do_not_verify_and_are_counted",
        "",
        |stage| {
            let (module, control) = (stage.module, &stage.control);
            let session = module.ready();
            let pair = module.signing_pair(session);
            let signed = || module.sign(session, pair.private, &[9; 32]);
            let verifies =
                |signature: &[u8]| module.verifies(session, pair.public, &[9; 32], signature);
            for (fault, length) in [
                (Fault::FlippedBit, 64),
                (Fault::OtherMessage, 64),
                (Fault::Short, 63),
                (Fault::Zeros, 64),
            ] {
                control.once(Function::Sign, fault);
                let (code, spoilt) = signed();
                assert_eq!((code, spoilt.len()), (CKR_OK, length), "{fault:?}");
                assert!(!verifies(&spoilt), "{fault:?}");
                assert_eq!(spoilt.iter().all(|byte| *byte == 0), fault == Fault::Zeros);
            }
            // A signature over another message is a signature all the same.
            control.once(Function::Sign, Fault::OtherMessage);
            let (_, other) = signed();
            let mut message = [9; 32];
            message[31] ^= 1;
            assert!(module.verifies(session, pair.public, &message, &other));
            assert!(verifies(&signed().1));
            // Made, and never given out.
            control.once(Function::Sign, Fault::AnswerLost(ckr::DEVICE_ERROR));
            assert_eq!(signed().0, CKR_DEVICE_ERROR);
            assert_eq!(control.signatures_made(), 7);
            assert_eq!(control.signatures_released(), 6);
            // Neither made nor given out; the operation stays open, as some tokens leave it.
            control.once(Function::Sign, Fault::Answer(ckr::DEVICE_ERROR));
            assert_eq!(signed().0, CKR_DEVICE_ERROR);
            assert_eq!(signed().0, CKR_OPERATION_ACTIVE);
            assert_eq!(control.signatures_made(), 7);
        },
    );
}

#[test]
fn a_call_hangs_until_it_is_let_go() {
    alone("a_call_hangs_until_it_is_let_go", "", |stage| {
        let module = stage.module;
        let session = module.ready();
        let other = module.open(module.token()).1;
        stage.control.always(Function::GenerateRandom, Fault::Hang);
        std::thread::scope(|scope| {
            let hanging = scope.spawn(move || module.random(session));
            while stage.control.hanging() == 0 {
                std::thread::yield_now();
            }
            assert!(!hanging.is_finished());
            // Other functions go on.
            assert_eq!(module.session_state(other).0, CKR_OK);
            stage.control.clear(Function::GenerateRandom);
            assert_eq!(hanging.join().unwrap(), CKR_OK);
        });
        assert_eq!(stage.control.hanging(), 0);
    });
}

#[test]
fn a_process_killed_while_it_hangs_holds_nothing_and_its_counts_stay() {
    watched(
        "a_process_killed_while_it_hangs_holds_nothing_and_its_counts_stay",
        |stage| {
            let session = stage.module.ready();
            stage.control.always(Function::GenerateRandom, Fault::Hang);
            stage.module.random(session);
        },
        |control, mut child| {
            while control.hanging() == 0 {
                std::thread::yield_now();
            }
            assert_eq!((control.sessions_open(), control.hanging()), (1, 1));
            child.kill().unwrap();
            // Killed is gone, waited for or not.
            while control.hanging() + control.sessions_open() > 0 {
                std::thread::yield_now();
            }
            assert!(!child.wait().unwrap().success());
            assert_eq!(control.login_attempts(), 2);
            assert_eq!(control.calls(Function::GenerateRandom), 1);
            assert_eq!(control.sessions_most(), 1);
        },
    );
}

#[test]
fn idle_sessions_die_and_the_login_with_them() {
    alone("idle_sessions_die_and_the_login_with_them", "", |stage| {
        let (module, control) = (stage.module, &stage.control);
        let session = module.ready();
        control.kill_idle_sessions();
        assert_eq!(module.session_state(session).0, CKR_SESSION_HANDLE_INVALID);
        assert_eq!(module.close(session), CKR_SESSION_HANDLE_INVALID);
        assert_eq!(control.sessions_open(), 0);
        let (_, session) = module.open(module.token());
        assert_eq!(
            module.session_state(session),
            (CKR_OK, CKS_RW_PUBLIC_SESSION)
        );
        assert_eq!(module.login(session, PIN), CKR_OK);
    });
}

#[test]
fn the_login_is_dropped_on_command() {
    alone("the_login_is_dropped_on_command", "", |stage| {
        let module = stage.module;
        let session = module.ready();
        let pair = module.signing_pair(session);
        stage.control.drop_login();
        assert_eq!(
            module.session_state(session),
            (CKR_OK, CKS_RW_PUBLIC_SESSION)
        );
        assert_ne!(module.sign_init(session, CKM_ECDSA, pair.private), CKR_OK);
        assert_eq!(module.login(session, PIN), CKR_OK);
        assert_eq!(module.session_state(session).1, CKS_RW_USER_FUNCTIONS);
    });
}

#[test]
fn a_token_taken_out_is_not_present_and_comes_back_without_its_sessions() {
    alone(
        "a_token_taken_out_is_not_present_and_comes_back_without_its_sessions",
        "",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            let slot = module.token();
            stage.control.remove_token();
            assert_eq!(module.slots(), (CKR_OK, vec![]));
            assert_eq!(module.session_state(session).0, CKR_TOKEN_NOT_PRESENT);
            assert_eq!(module.open(slot).0, CKR_TOKEN_NOT_PRESENT);
            assert_eq!(module.token_info(slot).0, CKR_TOKEN_NOT_PRESENT);
            stage.control.restore_token();
            assert_eq!(module.session_state(session).0, CKR_SESSION_HANDLE_INVALID);
            let (code, session) = module.open(slot);
            assert_eq!(code, CKR_OK);
            assert_eq!(module.login(session, PIN), CKR_OK);
        },
    );
}

#[test]
fn a_server_that_was_down_needs_a_new_life() {
    alone("a_server_that_was_down_needs_a_new_life", "", |stage| {
        let (module, control) = (stage.module, &stage.control);
        let session = module.ready();
        control.stop_server();
        assert_eq!(module.session_state(session).0, CKR_DEVICE_ERROR);
        assert_eq!(module.slots().0, CKR_DEVICE_ERROR);
        control.start_server();
        assert_eq!(module.session_state(session).0, CKR_DEVICE_ERROR);
        assert_eq!(module.slots().0, CKR_DEVICE_ERROR);
        control.stop_server();
        assert_eq!(module.finalize(), CKR_OK);
        assert_eq!(module.initialize(), CKR_DEVICE_ERROR);
        control.start_server();
        assert_eq!(module.initialize(), CKR_OK);
        let (code, session) = module.open(module.token());
        assert_eq!(code, CKR_OK);
        assert_eq!(module.login(session, PIN), CKR_OK);
    });
}

#[test]
fn a_link_dies_of_its_calls() {
    alone(
        "a_link_dies_of_its_calls",
        "dies_after_calls = 10\ndeath_code = 'SESSION_CLOSED'",
        |stage| {
            let module = stage.module;
            let slot = module.make_token(); // three calls on a session
            let (_, session) = module.open(slot);
            for _ in 0..7 {
                assert_eq!(module.random(session), CKR_OK);
            }
            assert_eq!(module.random(session), CKR_SESSION_CLOSED);
            assert_eq!(module.open(slot).0, CKR_SESSION_CLOSED);
            assert_eq!(module.finalize(), CKR_OK);
            assert_eq!(module.initialize(), CKR_OK);
            let (_, session) = module.open(module.token());
            assert_eq!(module.random(session), CKR_OK);
            stage.control.let_link_die();
            assert_eq!(module.random(session), CKR_SESSION_CLOSED);
        },
    );
}

#[test]
fn a_control_file_is_made_once_and_known_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("control");
    let control = Control::create(&file).unwrap();
    let again = Control::create(&file).unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    // Two holders see the same page.
    let other = Control::open(&file).unwrap();
    control.once(Function::Sign, Fault::Zeros);
    assert_eq!((other.hits(Function::Sign), other.sessions_open()), (0, 0));
    drop((control, other));
    std::fs::write(&file, b"something else").unwrap();
    let refused = Control::open(&file).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
}
