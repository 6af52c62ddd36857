//! Logins without a PIN of ours: a keypad at the token, and a quorum of persons.

use hsm_bridge::pkcs11::{Login, Token, TokenOptions};
use hsm_bridge::testing::USER_PIN;
use hsm_bridge::{Health, KeyAlgorithm, KeyStore, KeyStoreError};
use strict_token::{Fault, Function, Plan, Profile, ckr};

use crate::stage::{Key, label, strict_test};

fn by(login: Login) -> TokenOptions {
    TokenOptions {
        login,
        ..TokenOptions::default()
    }
}

strict_test!(
    a_preloaded_token_is_awaited_and_never_offered_anything,
    Profile::Plain,
    "pin_tries = 3",
    |stage| {
        // The PIN in the configuration is wrong, and it does not matter.
        let config = stage.config("not-the-pin");
        for _ in 0..5 {
            let answer = Token::open_with(&config, by(Login::Preloaded)).map(|_| ());
            assert_eq!(answer, Err(KeyStoreError::awaiting_quorum()));
        }
        assert_eq!(stage.pins(), (0, 0));
        // The custodians log the module in; here they are another holder of it in the same process.
        let custodians = Token::open(&stage.config(USER_PIN)).unwrap();
        let token = Token::open_with(&config, by(Login::Preloaded)).unwrap();
        let id = token
            .generate(&label("test/key"), KeyAlgorithm::P256)
            .unwrap();
        let key = Key {
            token,
            id,
            scheme: KeyAlgorithm::P256.default_scheme(),
        };
        key.sign().unwrap();
        stage.control.reset_counters();
        stage.control.drop_login();
        for _ in 0..5 {
            assert_eq!(key.sign(), Err(KeyStoreError::awaiting_quorum()));
        }
        assert_eq!(stage.pins(), (0, 0));
        custodians.health().unwrap();
        custodians.find(&label("test/key")).unwrap();
        key.sign().unwrap();
        assert_eq!(stage.control.wrong_pins(), 0);
    }
);

strict_test!(
    a_search_that_began_before_the_login_was_renewed_does_not_say_that_there_is_no_key,
    Profile::Plain,
    "",
    |stage| {
        let key = stage.ready(KeyAlgorithm::P256);
        stage.control.drop_login();
        stage
            .control
            .arm(Function::FindObjectsFinal, Plan::once(Fault::Hang));
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| key.token.find(&label("test/key")));
            while stage.control.hanging() == 0 {
                std::thread::yield_now();
            }
            // Another thread finds the login gone and renews it.
            key.sign().unwrap();
            stage.control.clear_all();
            assert_eq!(looking.join().unwrap(), Ok(Some(key.id)));
        });
    }
);

strict_test!(
    a_pin_entered_wrongly_at_the_token_is_not_asked_for_again,
    Profile::Plain,
    "",
    |stage| {
        stage
            .control
            .always(Function::Login, Fault::Answer(ckr::PIN_INCORRECT));
        let answer = Token::open_with(&stage.config(USER_PIN), by(Login::ProtectedPath));
        assert_eq!(answer.err(), Some(KeyStoreError::PinRefused));
        assert_eq!(stage.control.calls(Function::Login), 1);
    }
);
