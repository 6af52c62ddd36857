//! Every call that signing makes times every code of a broken token: no panic, no wrong signature, no PIN burnt, and well again after.

use hsm_bridge::{KeyAlgorithm, KeyStoreError};
use strict_token::{Fault, Function, Plan, Profile, ckr};

use crate::stage::strict_test;

const FUNCTIONS: [Function; 12] = [
    Function::GetSlotList,
    Function::GetTokenInfo,
    Function::OpenSession,
    Function::CloseSession,
    Function::GetSessionInfo,
    Function::FindObjectsInit,
    Function::FindObjects,
    Function::FindObjectsFinal,
    Function::GetAttributeValue,
    Function::SignInit,
    Function::SignLength,
    Function::Sign,
];

const CODES: [u64; 12] = [
    ckr::DEVICE_ERROR,
    ckr::DEVICE_REMOVED,
    ckr::TOKEN_NOT_PRESENT,
    ckr::SESSION_HANDLE_INVALID,
    ckr::SESSION_COUNT,
    ckr::USER_NOT_LOGGED_IN,
    ckr::PIN_LOCKED,
    ckr::HOST_MEMORY,
    ckr::GENERAL_ERROR,
    ckr::FUNCTION_FAILED,
    ckr::OBJECT_HANDLE_INVALID,
    ckr::DATA_LEN_RANGE,
];

strict_test!(
    every_call_times_every_code,
    Profile::Plain,
    "pin_tries = 3",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        let mut signed = 0;
        for function in FUNCTIONS {
            for code in CODES {
                for plan in [
                    Plan::once(Fault::Answer(code)),
                    Plan::always(Fault::Answer(code)).times(2),
                    Plan::always(Fault::Answer(code)),
                ] {
                    // Sessions and handles are had anew, so that the fault meets all that comes before a signature.
                    stage.control.kill_idle_sessions();
                    stage.control.arm(function, plan);
                    signed += u64::from(key.sign().is_ok());
                    stage.control.clear_all();
                    let well = key.sign();
                    assert!(
                        well.is_ok(),
                        "after {} {code:#x} {plan:?}: {well:?}",
                        function.name()
                    );
                    signed += 1;
                }
            }
        }
        assert_eq!(stage.control.signatures_made(), signed);
        assert_eq!(stage.control.signatures_released(), signed);
        assert_eq!(stage.control.wrong_pins(), 0);
        assert!(
            stage.control.sessions_open() < 10,
            "{}",
            stage.control.sessions_open()
        );
    }
);

strict_test!(
    a_login_that_fails_for_the_tokens_sake_may_be_tried_again,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        for code in CODES.into_iter().filter(|code| *code != ckr::PIN_LOCKED) {
            stage.control.reset_counters();
            stage.control.drop_login();
            stage.control.always(Function::Login, Fault::Answer(code));
            let answer = key.sign();
            assert!(answer.is_err());
            assert_ne!(answer, Err(KeyStoreError::PinRefused));
            assert!(stage.control.login_attempts() <= 2, "{code:#x}");
            stage.control.clear_all();
            key.sign().unwrap();
        }
        assert_eq!(stage.control.wrong_pins(), 0);
    }
);
