//! No signature leaves that does not verify, and every one that the token made is accounted for.

use hsm_bridge::{KeyAlgorithm, KeyStore, KeyStoreError, SignatureScheme};
use strict_token::{Fault, Function, Plan, Profile, ckr};

use crate::stage::{Key, label, strict_test};

const SPOILT: [Fault; 4] = [
    Fault::FlippedBit,
    Fault::OtherMessage,
    Fault::Short,
    Fault::Zeros,
];

strict_test!(
    spoilt_signatures_are_withheld_for_every_scheme,
    Profile::Plain,
    "",
    |stage| {
        let token = stage.open();
        let mut made = 0;
        for algorithm in [
            KeyAlgorithm::P256,
            KeyAlgorithm::P384,
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::Rsa2048,
        ] {
            let id = token
                .generate(&label(&format!("test/{algorithm}")), algorithm)
                .unwrap();
            let fitting = SignatureScheme::ALL
                .into_iter()
                .filter(|scheme| algorithm.fits(*scheme));
            for scheme in fitting {
                let key = Key {
                    token: token.clone(),
                    id,
                    scheme,
                };
                for fault in SPOILT {
                    stage.control.always(Function::Sign, fault);
                    let answer = key.sign();
                    assert_eq!(
                        answer,
                        Err(KeyStoreError::VerifyFailed),
                        "{scheme:?} {fault:?}"
                    );
                    made += 1;
                    // A spoilt signature is not asked for again.
                    assert_eq!(stage.control.signatures_made(), made);
                }
                stage.control.clear_all();
                key.sign().unwrap();
                made += 1;
            }
        }
        assert_eq!(stage.control.signatures_made(), made);
        assert_eq!(stage.pins(), (1, 0));
    }
);

strict_test!(
    a_lost_answer_is_not_signed_a_second_time,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        for code in [ckr::DEVICE_ERROR, ckr::GENERAL_ERROR, ckr::FUNCTION_FAILED] {
            stage.control.reset_counters();
            stage.control.once(Function::Sign, Fault::AnswerLost(code));
            let answer = key.sign();
            // One request, one signature in the token: whether it was made is unknown to us, so it must not be made again.
            assert_eq!(stage.control.signatures_made(), 1, "{code:#x} {answer:?}");
            assert_eq!(answer, Err(KeyStoreError::OutcomeUnknown));
        }
    }
);

strict_test!(
    a_storm_lets_no_wrong_signature_through,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        let storm = |fault| Plan::always(fault).chance(100_000);
        stage.control.arm(Function::Sign, storm(Fault::FlippedBit));
        stage
            .control
            .arm(Function::SignInit, storm(Fault::Answer(ckr::DEVICE_ERROR)));
        stage.control.arm(
            Function::OpenSession,
            storm(Fault::Answer(ckr::SESSION_COUNT)),
        );
        stage.control.arm(
            Function::GetSessionInfo,
            storm(Fault::Answer(ckr::SESSION_HANDLE_INVALID)),
        );
        stage.control.arm(
            Function::FindObjects,
            storm(Fault::Answer(ckr::FUNCTION_FAILED)),
        );
        let counts = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut signed, mut withheld) = (0, 0);
                        for _ in 0..250 {
                            match key.sign() {
                                Ok(_) => signed += 1,
                                Err(KeyStoreError::VerifyFailed) => withheld += 1,
                                Err(
                                    KeyStoreError::TokenUnavailable(_) | KeyStoreError::Busy(_),
                                ) => {}
                                Err(other) => panic!("{other}"),
                            }
                        }
                        (signed, withheld)
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .fold((0, 0), |(a, b), (signed, withheld)| {
                    (a + signed, b + withheld)
                })
        });
        // Every signature the token made was given out or withheld: none is unaccounted for.
        assert_eq!(stage.control.signatures_made(), counts.0 + counts.1);
        assert_eq!(stage.control.hits(Function::Sign), counts.1);
        assert!(counts.0 > 600 && counts.1 > 50, "{counts:?}");
        assert_eq!(stage.control.wrong_pins(), 0);
        stage.control.clear_all();
        key.sign().unwrap();
        // The storm is over and nothing leaked: one session for each worker at most, and the anchor.
        let open = stage.control.sessions_open();
        assert!(open <= 4 + 1, "{open}");
    }
);
