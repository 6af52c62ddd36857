//! Each quirk that a profile may set, on SoftHSM, seen through the C interface.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use cryptoki_sys::*;
use strict_token::Function;
use support::module::flag;
use support::{PIN, alone};

#[test]
fn a_plain_token_answers_what_the_wrapped_module_answers() {
    alone(
        "a_plain_token_answers_what_the_wrapped_module_answers",
        "",
        |stage| {
            let (module, control) = (stage.module, &stage.control);
            let session = module.ready();
            let pair = module.signing_pair(session);
            let (code, signature) = module.sign(session, pair.private, &[7; 32]);
            assert_eq!((code, signature.len()), (CKR_OK, 64));
            assert!(module.verifies(session, pair.public, &[7; 32], &signature));
            assert!(!module.verifies(session, pair.public, &[8; 32], &signature));
            assert_eq!(
                module.attribute(session, pair.private, CKA_LOCAL),
                (CKR_OK, vec![1])
            );
            assert_eq!(control.signatures_made(), 1);
            assert_eq!(control.signatures_released(), 1);
            assert_eq!(control.calls(Function::Sign), 1);
            assert_eq!(control.calls(Function::SignLength), 1);
            assert_eq!((control.login_attempts(), control.wrong_pins()), (2, 0));
            assert_eq!((control.sessions_open(), control.sessions_most()), (1, 1));
            assert_eq!(module.close(session), CKR_OK);
            assert_eq!(control.sessions_open(), 0);
            // Counters outlive the life of the module.
            assert_eq!(module.finalize(), CKR_OK);
            assert_eq!(control.signatures_made(), 1);
            control.reset_counters();
            assert_eq!(control.signatures_made() + control.calls(Function::Sign), 0);
        },
    );
}

#[test]
fn one_session_more_than_the_most_is_refused() {
    alone(
        "one_session_more_than_the_most_is_refused",
        "max_sessions = 3",
        |stage| {
            let module = stage.module;
            let slot = module.make_token();
            let sessions: Vec<_> = (0..3).map(|_| module.open(slot)).collect();
            assert!(sessions.iter().all(|(code, _)| *code == CKR_OK));
            assert_eq!(module.open(slot).0, CKR_SESSION_COUNT);
            assert_eq!(module.token_info(slot).1.ulMaxSessionCount, 3);
            assert_eq!(module.close(sessions[0].1), CKR_OK);
            assert_eq!(module.open(slot).0, CKR_OK);
            assert_eq!(stage.control.sessions_most(), 3);
            // C_Finalize closes what was open.
            assert_eq!(module.finalize(), CKR_OK);
            assert_eq!(stage.control.sessions_open(), 0);
        },
    );
}

#[test]
fn read_only_sessions_may_be_refused() {
    alone(
        "read_only_sessions_may_be_refused",
        "read_only_session = 'ARGUMENTS_BAD'",
        |stage| {
            let slot = stage.module.make_token();
            let (code, _) = stage.module.open_with(slot, CKF_SERIAL_SESSION);
            assert_eq!(code, CKR_ARGUMENTS_BAD);
            assert_eq!(stage.module.open(slot).0, CKR_OK);
        },
    );
}

#[test]
fn the_pin_locks_at_its_last_try_and_stays_locked() {
    alone(
        "the_pin_locks_at_its_last_try_and_stays_locked",
        "pin_tries = 3",
        |stage| {
            let (module, control) = (stage.module, &stage.control);
            let slot = module.make_token();
            let (_, session) = module.open(slot);
            // A right PIN forgives the wrong ones before it.
            assert_eq!(module.login(session, b"wrong-pin"), CKR_PIN_INCORRECT);
            assert_ne!(module.token_flags(slot) & CKF_USER_PIN_COUNT_LOW, 0);
            assert_eq!(module.login(session, PIN), CKR_OK);
            assert_eq!(control.pin_failures(), 0);
            assert_eq!(module.close(session), CKR_OK);
            let (_, session) = module.open(slot);
            for _ in 0..3 {
                assert_eq!(module.login(session, b"wrong-pin"), CKR_PIN_INCORRECT);
            }
            assert_ne!(module.token_flags(slot) & CKF_USER_PIN_LOCKED, 0);
            assert_eq!(module.login(session, PIN), CKR_PIN_LOCKED);
            assert_eq!(module.finalize(), CKR_OK);
            assert_eq!(module.initialize(), CKR_OK);
            let (_, session) = module.open(module.token());
            assert_eq!(module.login(session, PIN), CKR_PIN_LOCKED);
            assert_eq!(control.wrong_pins(), 4);
            control.unlock_pin();
            assert_eq!(module.login(session, PIN), CKR_OK);
        },
    );
}

#[test]
fn templates_are_refused_as_vendors_refuse_them() {
    alone(
        "templates_are_refused_as_vendors_refuse_them",
        "single_purpose = true\n[refuse_private]\nEXTRACTABLE = 'ATTRIBUTE_TYPE_INVALID'\nLOCAL = 'ATTRIBUTE_READ_ONLY'",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            let made = |private: &[_]| module.generate_pair(session, private).0;
            let signs = flag(CKA_SIGN, true);
            assert_eq!(
                made(&[signs.clone(), flag(CKA_DERIVE, true)]),
                CKR_TEMPLATE_INCONSISTENT
            );
            assert_eq!(
                made(&[signs.clone(), flag(CKA_EXTRACTABLE, false)]),
                CKR_ATTRIBUTE_TYPE_INVALID
            );
            assert_eq!(
                made(&[signs.clone(), flag(CKA_LOCAL, true)]),
                CKR_ATTRIBUTE_READ_ONLY
            );
            assert_eq!(made(&[signs, flag(CKA_DERIVE, false)]), CKR_OK);
            let pair = module.signing_pair(session);
            assert_eq!(
                module.set_attribute(session, pair.private, &flag(CKA_EXTRACTABLE, false)),
                CKR_ATTRIBUTE_TYPE_INVALID
            );
            assert_eq!(
                module.set_attribute(session, pair.private, &(CKA_ID, vec![1, 2])),
                CKR_OK
            );
        },
    );
}

#[test]
fn a_key_may_come_out_other_than_it_was_asked_for() {
    alone(
        "a_key_may_come_out_other_than_it_was_asked_for",
        "missing_attributes = ['LOCAL']\ngenerated = { SENSITIVE = false }",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            let pair = module.signing_pair(session);
            assert_eq!(
                module.attribute(session, pair.private, CKA_SENSITIVE),
                (CKR_OK, vec![0])
            );
            let (code, value) = module.attribute(session, pair.private, CKA_LOCAL);
            assert_eq!((code, value.len()), (CKR_ATTRIBUTE_TYPE_INVALID, 64));
        },
    );
}

#[test]
fn absent_mechanisms_are_neither_listed_nor_begun() {
    alone(
        "absent_mechanisms_are_neither_listed_nor_begun",
        "absent_mechanisms = ['ECDSA', '0x250']",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            let slot = module.token();
            let listed = module.mechanisms(slot);
            assert!(!listed.contains(&CKM_ECDSA) && !listed.contains(&CKM_SHA256));
            assert!(listed.contains(&CKM_EC_KEY_PAIR_GEN) && listed.contains(&CKM_AES_GCM));
            assert_eq!(
                module.mechanism_info(slot, CKM_ECDSA),
                CKR_MECHANISM_INVALID
            );
            assert_eq!(module.mechanism_info(slot, CKM_AES_GCM), CKR_OK);
            let pair = module.signing_pair(session);
            assert_eq!(
                module.sign_init(session, CKM_ECDSA, pair.private),
                CKR_MECHANISM_INVALID
            );
        },
    );
}

#[test]
fn the_token_may_make_the_nonce_itself() {
    alone(
        "the_token_may_make_the_nonce_itself",
        "gcm_nonce_by_token = true",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            let key = module.aes_key(session);
            let mut nonces = [[0; 12]; 2];
            for nonce in &mut nonces {
                let (code, sealed) = module.gcm(session, key, nonce, true, b"secret");
                assert_eq!(code, CKR_OK);
                let (code, opened) = module.gcm(session, key, &mut nonce.clone(), false, &sealed);
                assert_eq!((code, opened.as_slice()), (CKR_OK, b"secret".as_slice()));
            }
            assert!(nonces[0] != nonces[1] && !nonces.contains(&[0; 12]));
        },
    );
}

#[test]
fn objects_made_after_the_login_may_stay_unseen() {
    alone(
        "objects_made_after_the_login_may_stay_unseen",
        "new_objects = 'hidden'",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            let pair = module.signing_pair(session);
            let copy = module.aes_key(session);
            // What lies in a session alone is nobody else's business.
            assert_eq!(module.objects(session), vec![copy]);
            // The maker may use what it made.
            assert_eq!(module.sign(session, pair.private, &[1; 32]).0, CKR_OK);
            assert_eq!(module.finalize(), CKR_OK);
            assert_eq!(module.initialize(), CKR_OK);
            let (_, session) = module.open(module.token());
            assert_eq!(module.login(session, PIN), CKR_OK);
            assert_eq!(module.objects(session).len(), 2);
        },
    );
}

#[test]
fn own_objects_may_be_seen_all_the_same() {
    alone(
        "own_objects_may_be_seen_all_the_same",
        "new_objects = 'own-visible'",
        |stage| {
            let module = stage.module;
            let session = module.ready();
            module.signing_pair(session);
            assert_eq!(module.objects(session).len(), 2);
            // A new login gives the private object a new handle, and it is our own still.
            stage.control.drop_login();
            assert_eq!(module.objects(session).len(), 1);
            assert_eq!(module.login(session, PIN), CKR_OK);
            assert_eq!(module.objects(session).len(), 2);
        },
    );
}

#[test]
fn slot_ids_change_with_each_life() {
    alone(
        "slot_ids_change_with_each_life",
        "permuted_slots = true",
        |stage| {
            let module = stage.module;
            let first = module.make_token();
            assert_eq!(module.finalize(), CKR_OK);
            assert_eq!(module.initialize(), CKR_OK);
            let second = module.token();
            assert_ne!(first, second);
            assert_eq!(module.token_info(first).0, CKR_SLOT_ID_INVALID);
            let (code, session) = module.open(second);
            assert_eq!(code, CKR_OK);
            assert_eq!(module.login(session, PIN), CKR_OK);
        },
    );
}

#[test]
fn a_stale_handle_may_have_another_name() {
    alone(
        "a_stale_handle_may_have_another_name",
        "stale_handle_at_sign_init = 'GENERAL_ERROR'",
        |stage| {
            let session = stage.module.ready();
            let code = stage.module.sign_init(session, CKM_ECDSA, 4_711);
            assert_eq!(code, CKR_GENERAL_ERROR);
        },
    );
}

#[test]
fn the_device_takes_its_time_and_works_on_so_many_at_once() {
    alone(
        "the_device_takes_its_time_and_works_on_so_many_at_once",
        "latency_us = 3000\ncapacity = 2",
        |stage| {
            let module = stage.module;
            let slot = module.make_token();
            let sessions: Vec<_> = (0..8).map(|_| module.open(slot).1).collect();
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for session in &sessions {
                    scope.spawn(move || assert_eq!(module.random(*session), CKR_OK));
                }
            });
            assert!(begun.elapsed() >= Duration::from_millis(8 / 2 * 3));
            // What the module answers from its own memory takes no time.
            let begun = Instant::now();
            for _ in 0..100 {
                assert_eq!(module.session_state(sessions[0]).0, CKR_OK);
            }
            assert!(begun.elapsed() < Duration::from_millis(300));
        },
    );
}
