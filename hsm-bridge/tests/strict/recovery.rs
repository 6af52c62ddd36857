//! Each class of recovery once: what the caller hears, how often the token is asked, and that one PIN is offered once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hsm_bridge::pkcs11::{Token, TokenOptions, WhenLost};
use hsm_bridge::{Health, KeyAlgorithm, KeyStore, KeyStoreError};
use strict_token::{Fault, Function, Plan, Profile, ckr};

use crate::stage::{label, strict_test};

/// Codes with the function that answers them.
type Cases = [(Function, u64)];

strict_test!(
    a_callers_error_is_told_and_not_repeated,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        let cases: &Cases = &[
            (Function::SignInit, ckr::MECHANISM_INVALID),
            (Function::SignInit, ckr::KEY_FUNCTION_NOT_PERMITTED),
            (Function::SignInit, ckr::KEY_SIZE_RANGE),
            (Function::Sign, ckr::DATA_LEN_RANGE),
        ];
        for (function, code) in cases {
            let before = stage.control.calls(*function);
            stage.control.always(*function, Fault::Answer(*code));
            let answer = key.sign();
            assert!(
                matches!(answer, Err(KeyStoreError::BadRequest(_))),
                "{answer:?}"
            );
            assert_eq!(stage.control.calls(*function), before + 1);
            stage.control.clear_all();
            key.sign().unwrap();
        }
        assert_eq!(stage.pins(), (0, 0));
        assert_eq!(stage.control.signatures_made(), 4);
    }
);

strict_test!(
    a_session_at_fault_is_replaced_once,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        let cases: &Cases = &[
            (Function::SignInit, ckr::SESSION_HANDLE_INVALID),
            (Function::SignInit, ckr::SESSION_CLOSED),
            (Function::SignInit, ckr::OPERATION_ACTIVE),
            (Function::Sign, ckr::OPERATION_NOT_INITIALIZED),
        ];
        for (function, code) in cases {
            stage.control.once(*function, Fault::Answer(*code));
            key.sign().unwrap();
            let before = stage.control.calls(*function);
            stage.control.always(*function, Fault::Answer(*code));
            let answer = key.sign();
            assert!(
                matches!(answer, Err(KeyStoreError::TokenUnavailable(_))),
                "{answer:?}"
            );
            assert_eq!(
                stage.control.calls(*function),
                before + 2,
                "tried twice, no more"
            );
            stage.control.clear_all();
        }
        key.sign().unwrap();
        assert_eq!(stage.pins(), (0, 0));
        assert_eq!(stage.control.signatures_made(), 5);
    }
);

strict_test!(
    a_full_token_is_busy_and_not_asked_again,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        let cases: &Cases = &[
            (Function::Sign, ckr::DEVICE_MEMORY),
            (Function::Sign, ckr::HOST_MEMORY),
            (Function::SignInit, ckr::FUNCTION_REJECTED),
            (Function::SignInit, ckr::SESSION_COUNT),
        ];
        for (function, code) in cases {
            let before = stage.control.calls(*function);
            stage.control.always(*function, Fault::Answer(*code));
            let answer = key.sign();
            assert!(matches!(answer, Err(KeyStoreError::Busy(_))), "{answer:?}");
            assert_eq!(stage.control.calls(*function), before + 1);
            stage.control.clear_all();
            key.sign().unwrap();
        }
        // No session to be had while none is open but the anchor.
        stage.control.kill_idle_sessions();
        stage
            .control
            .always(Function::OpenSession, Fault::Answer(ckr::SESSION_COUNT));
        let answer = key.sign();
        assert!(matches!(answer, Err(KeyStoreError::Busy(_))), "{answer:?}");
        stage.control.clear_all();
        key.sign().unwrap();
        assert_eq!(stage.control.wrong_pins(), 0);
    }
);

strict_test!(
    a_stale_handle_is_looked_up_again_once,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        for code in [
            ckr::KEY_HANDLE_INVALID,
            ckr::OBJECT_HANDLE_INVALID,
            ckr::GENERAL_ERROR,
        ] {
            let searches = stage.control.calls(Function::FindObjectsInit);
            stage.control.once(Function::SignInit, Fault::Answer(code));
            key.sign().unwrap();
            assert!(stage.control.calls(Function::FindObjectsInit) > searches);
            let before = stage.control.calls(Function::SignInit);
            stage
                .control
                .always(Function::SignInit, Fault::Answer(code));
            let answer = key.sign();
            assert!(
                matches!(answer, Err(KeyStoreError::UnknownKey(_))),
                "{answer:?}"
            );
            assert_eq!(stage.control.calls(Function::SignInit), before + 2);
            stage.control.clear_all();
        }
        key.sign().unwrap();
        assert_eq!(stage.pins(), (0, 0));
    }
);

strict_test!(a_lost_login_is_renewed_once, Profile::Plain, "", |stage| {
    let key = stage.ready(KeyAlgorithm::P256);
    stage.control.drop_login();
    key.sign().unwrap();
    assert_eq!(stage.pins(), (1, 0));
    // A token that only says so is believed once, and its login is looked at before a PIN is offered.
    stage
        .control
        .once(Function::SignInit, Fault::Answer(ckr::USER_NOT_LOGGED_IN));
    key.sign().unwrap();
    assert_eq!(stage.pins(), (1, 0));
    stage
        .control
        .always(Function::SignInit, Fault::Answer(ckr::USER_NOT_LOGGED_IN));
    let answer = key.sign();
    assert!(
        matches!(answer, Err(KeyStoreError::TokenUnavailable(_))),
        "{answer:?}"
    );
    assert_eq!(stage.pins(), (1, 0));
});

strict_test!(
    sessions_that_died_idle_are_replaced,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        for round in 1..=3 {
            stage.control.kill_idle_sessions();
            key.sign().unwrap();
            // The login went with the anchor session.
            assert_eq!(stage.pins(), (round, 0));
        }
        assert_eq!(stage.control.sessions_open(), 2);
    }
);

strict_test!(
    a_token_that_comes_back_is_found_again,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        stage.control.remove_token();
        for _ in 0..3 {
            let answer = key.sign();
            assert!(
                matches!(answer, Err(KeyStoreError::TokenUnavailable(_))),
                "{answer:?}"
            );
            assert!(key.token.health().is_err());
        }
        assert_eq!(stage.pins(), (0, 0));
        stage.control.restore_token();
        key.sign().unwrap();
        key.token.health().unwrap();
        assert_eq!(stage.pins(), (1, 0));
    }
);

strict_test!(
    a_hiccup_of_the_device_is_survived,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        for code in [
            ckr::DEVICE_ERROR,
            ckr::DEVICE_REMOVED,
            ckr::TOKEN_NOT_PRESENT,
            ckr::TOKEN_NOT_RECOGNIZED,
            ckr::FUNCTION_FAILED,
            ckr::CRYPTOKI_NOT_INITIALIZED,
            ckr::SLOT_ID_INVALID,
        ] {
            stage.control.once(Function::SignInit, Fault::Answer(code));
            key.sign().unwrap();
            stage
                .control
                .always(Function::SignInit, Fault::Answer(code));
            let answer = key.sign();
            // It signed a moment ago and its anchor session answers: what load explains as well is not called a loss.
            let may_be_load = matches!(code, ckr::DEVICE_ERROR | ckr::FUNCTION_FAILED);
            match answer {
                Err(KeyStoreError::Busy(_)) if may_be_load => {}
                Err(KeyStoreError::TokenUnavailable(_)) if !may_be_load => {}
                other => panic!("{code:#x} {other:?}"),
            }
            stage.control.clear_all();
            key.sign().unwrap();
        }
        assert_eq!(stage.control.wrong_pins(), 0);
    }
);

strict_test!(
    a_server_that_died_costs_no_pin_and_no_waiting,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        stage.control.stop_server();
        for _ in 0..3 {
            let answer = key.sign();
            assert!(
                matches!(answer, Err(KeyStoreError::TokenUnavailable(_))),
                "{answer:?}"
            );
        }
        // Back, but not for a process that knew it before: this is why a worker ends and is started anew.
        stage.control.start_server();
        let answer = key.sign();
        assert!(
            matches!(answer, Err(KeyStoreError::TokenUnavailable(_))),
            "{answer:?}"
        );
        assert_eq!(stage.pins(), (0, 0));
        assert_eq!(stage.control.signatures_made(), 0);
    }
);

strict_test!(
    the_owner_hears_of_a_lost_token_and_of_nothing_less,
    Profile::Plain,
    "",
    |stage| {
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        let owner = move |_: &KeyStoreError| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let options = TokenOptions {
            when_lost: WhenLost::Tell(Arc::new(owner)),
            ..TokenOptions::default()
        };
        let key = stage.ready_with(KeyAlgorithm::P256, options);
        stage.control.kill_idle_sessions();
        key.sign().unwrap();
        for (function, code) in [
            (Function::SignInit, ckr::OPERATION_ACTIVE),
            (Function::SignInit, ckr::GENERAL_ERROR),
            (Function::Sign, ckr::DEVICE_MEMORY),
            (Function::SignInit, ckr::MECHANISM_INVALID),
        ] {
            stage.control.once(function, Fault::Answer(code));
            let _either_way = key.sign();
        }
        assert_eq!(told.load(Ordering::Relaxed), 0);
        let pins = stage.pins();
        stage.control.stop_server();
        let answer = key.sign();
        assert!(
            matches!(answer, Err(KeyStoreError::TokenUnavailable(_))),
            "{answer:?}"
        );
        assert_eq!(told.load(Ordering::Relaxed), 1);
        // No second try, and no PIN: what is lost is lost for this process.
        assert_eq!(stage.pins(), pins);
    }
);

strict_test!(
    a_wrong_pin_is_offered_once,
    Profile::Plain,
    "pin_tries = 3",
    |stage| {
        let refused = Token::open(&stage.config("not-the-pin"));
        assert_eq!(refused.err(), Some(KeyStoreError::PinRefused));
        assert_eq!(stage.pins(), (1, 1));
        let key = stage.ready(KeyAlgorithm::P256);
        stage.control.reset_counters();
        // The PIN was changed elsewhere while we were logged in.
        stage
            .control
            .always(Function::Login, Fault::Answer(ckr::PIN_INCORRECT));
        stage.control.drop_login();
        for _ in 0..10 {
            assert_eq!(key.sign(), Err(KeyStoreError::PinRefused));
            assert_eq!(
                key.token.find(&label("test/key")),
                Err(KeyStoreError::PinRefused)
            );
        }
        assert_eq!(stage.control.login_attempts(), 1);
        // Not even when the token would take it again: an operator must say so.
        stage.control.clear_all();
        assert_eq!(key.sign(), Err(KeyStoreError::PinRefused));
        assert_eq!(stage.control.login_attempts(), 1);
        assert_eq!(key.token.login_attempts(), 2);
    }
);

strict_test!(
    a_locked_pin_is_not_offered_at_all,
    Profile::Plain,
    "pin_tries = 3",
    |stage| {
        for _ in 0..3 {
            let refused = Token::open(&stage.config("not-the-pin"));
            assert_eq!(refused.err(), Some(KeyStoreError::PinRefused));
        }
        assert_eq!(stage.pins(), (3, 3));
        let locked = Token::open(&stage.config(hsm_bridge::testing::USER_PIN));
        assert_eq!(locked.err(), Some(KeyStoreError::PinLocked));
        assert_eq!(stage.pins(), (3, 3));
    }
);

strict_test!(
    a_pin_that_locks_meanwhile_stops_everything,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        stage
            .control
            .always(Function::Login, Fault::Answer(ckr::PIN_LOCKED));
        stage.control.drop_login();
        for _ in 0..5 {
            assert_eq!(key.sign(), Err(KeyStoreError::PinLocked));
        }
        assert_eq!(stage.control.login_attempts(), 1);
    }
);

strict_test!(
    one_hanging_call_holds_up_no_other,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        for function in [Function::SignInit, Function::SignLength, Function::Sign] {
            stage.control.reset_counters();
            stage.control.arm(function, Plan::once(Fault::Hang));
            std::thread::scope(|scope| {
                let hanging = scope.spawn(|| key.sign());
                while stage.control.hanging() == 0 {
                    std::thread::yield_now();
                }
                for _ in 0..20 {
                    key.sign().unwrap();
                }
                assert!(!hanging.is_finished());
                stage.control.clear(function);
                hanging.join().unwrap().unwrap();
            });
            assert_eq!(stage.control.signatures_made(), 21);
            assert_eq!(stage.pins(), (0, 0));
        }
    }
);
