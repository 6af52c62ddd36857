//! Keys that were retired and that a token will not destroy: whatever the token refuses in the middle, they come to no new life.

use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::USER_PIN;
use hsm_bridge::{DataKey, KeyAlgorithm, KeyStore, KeyStoreError, SecretPurpose, SecretStore};
use strict_token::{Fault, Function, Plan, Profile, ckr};

use crate::stage::{label, strict_test};
use crate::templates::template;

/// More objects than a key has: both halves, evidence, the record that it is retired.
const CALLS: u64 = 6;

fn fails_from(call: u64) -> Plan {
    Plan::always(Fault::Answer(ckr::FUNCTION_NOT_SUPPORTED)).from(call)
}

strict_test!(
    a_retired_key_pair_that_is_destroyed_in_part_signs_no_more,
    Profile::Plain,
    "",
    |stage| {
        let token = Token::open_with(&stage.config(USER_PIN), template("softhsm")).unwrap();
        let mut refused = 0;
        for call in 1..=CALLS {
            let name = label(&format!("test/{call}"));
            let id = token.generate(&name, KeyAlgorithm::P256).unwrap();
            let signer = token.signer(id, None).unwrap();
            token.retire(&name, b"{}").unwrap();
            stage.control.arm(Function::DestroyObject, fails_from(call));
            refused += u64::from(token.destroy(id).is_err());
            stage.control.clear_all();
            let answer = signer.sign(b"message");
            assert!(
                matches!(
                    answer,
                    Err(KeyStoreError::KeyRefused(_) | KeyStoreError::UnknownKey(_))
                ),
                "{call}: {answer:?}"
            );
        }
        assert_eq!(refused, 4);
    }
);

strict_test!(
    a_retired_symmetric_key_that_is_destroyed_in_part_wraps_no_more,
    Profile::Plain,
    "",
    |stage| {
        let options = template("softhsm");
        let token = Token::open_with(&stage.config(USER_PIN), options).unwrap();
        let data_key = DataKey::from_bytes([3; 32]);
        let mut refused = 0;
        for call in 1..=CALLS {
            let name = label(&format!("test/{call}"));
            let purpose = SecretPurpose::KeyEncryption;
            token.generate_secret(&name, purpose).unwrap();
            let wrapped = token.wrap(&name, b"", &data_key).unwrap();
            token.retire(&name, b"{}").unwrap();
            stage.control.arm(Function::DestroyObject, fails_from(call));
            let destroyed = token.destroy_secret(&name, purpose);
            refused += u64::from(destroyed.is_err());
            stage.control.clear_all();
            let again = token.wrap(&name, b"", &data_key);
            assert!(
                matches!(
                    again,
                    Err(KeyStoreError::KeyRefused(_) | KeyStoreError::UnknownKey(_))
                ),
                "{call}: {again:?}"
            );
            // Until its own object is gone it opens what it wrapped; after that nothing does.
            let opened = token.unwrap(&name, b"", &wrapped);
            assert_eq!(opened.is_ok(), call <= 2, "{call}: {opened:?}");
        }
        assert_eq!(refused, 3);
    }
);
