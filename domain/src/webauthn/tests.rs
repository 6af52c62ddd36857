//! Tests of the assertion check, with a verifier that takes the message's digest for its signature.

use hsm_bridge::VerifyError;
use proptest::prelude::*;
use spki::der::Decode;

use super::*;

const CHALLENGE: &[u8] = b"0123456789abcdef0123456789abcdef";
const CREDENTIAL: &[u8] = b"credential-1";
const RP_ID: &str = "id.example";
const ORIGIN: &str = "https://id.example";

/// Accepts a signature that equals the SHA-256 of the message.
struct DigestVerifier;

impl SignatureVerifier for DigestVerifier {
    fn verify(
        &self,
        _: &SubjectPublicKeyInfoOwned,
        _: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if Sha256::digest(message).as_slice() == signature {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }
}

fn p256_key() -> SubjectPublicKeyInfoOwned {
    // SEC 1 base point of P-256 as a public key.
    let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let header = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let hex: String = format!("{header}{point}");
    let der: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex"))
        .collect();
    SubjectPublicKeyInfoOwned::from_der(&der).expect("a public key")
}

struct Case {
    r#type: &'static str,
    challenge: Vec<u8>,
    origin: &'static str,
    cross_origin: bool,
    rp_id: &'static str,
    flags: u8,
    counter: u32,
    stored: u32,
    extra: Vec<u8>,
    spoil_signature: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            r#type: "webauthn.get",
            challenge: CHALLENGE.to_vec(),
            origin: ORIGIN,
            cross_origin: false,
            rp_id: RP_ID,
            flags: USER_PRESENT | USER_VERIFIED,
            counter: 7,
            stored: 6,
            extra: Vec::new(),
            spoil_signature: false,
        }
    }
}

impl Case {
    fn run(&self) -> Result<Verdict, AssertionError> {
        let client_data = serde_json::json!({
            "type": self.r#type,
            "challenge": Base64UrlUnpadded::encode_string(&self.challenge),
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
        })
        .to_string();
        let mut data = Sha256::digest(self.rp_id.as_bytes()).to_vec();
        data.push(self.flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data.extend_from_slice(&self.extra);
        let mut message = data.clone();
        message.extend_from_slice(&Sha256::digest(client_data.as_bytes()));
        let mut signature = Sha256::digest(&message).to_vec();
        if self.spoil_signature {
            signature[0] ^= 1;
        }
        let key = p256_key();
        check(
            &Assertion {
                credential_id: CREDENTIAL,
                client_data_json: client_data.as_bytes(),
                authenticator_data: &data,
                signature: &signature,
            },
            &Expectation {
                credential_id: CREDENTIAL,
                public_key: &key,
                challenge: CHALLENGE,
                rp_id: RP_ID,
                origin: ORIGIN,
                sign_count: self.stored,
            },
            &DigestVerifier,
        )
    }
}

#[test]
fn a_fresh_assertion_passes_and_gives_the_new_counter() {
    assert_eq!(
        Case::default().run(),
        Ok(Verdict {
            sign_count: 7,
            backed_up: false
        })
    );
}

#[test]
fn each_wrong_part_has_its_own_verdict() {
    let cases = [
        (
            Case {
                r#type: "webauthn.create",
                ..Case::default()
            },
            AssertionError::Type,
        ),
        (
            Case {
                challenge: b"another".to_vec(),
                ..Case::default()
            },
            AssertionError::Challenge,
        ),
        (
            Case {
                origin: "https://id.example.evil",
                ..Case::default()
            },
            AssertionError::Origin,
        ),
        (
            Case {
                cross_origin: true,
                ..Case::default()
            },
            AssertionError::Origin,
        ),
        (
            Case {
                rp_id: "evil.example",
                ..Case::default()
            },
            AssertionError::RpId,
        ),
        (
            Case {
                flags: USER_VERIFIED,
                ..Case::default()
            },
            AssertionError::UserPresence,
        ),
        (
            Case {
                flags: USER_PRESENT,
                ..Case::default()
            },
            AssertionError::UserVerification,
        ),
        (
            Case {
                flags: USER_PRESENT | USER_VERIFIED | BACKED_UP,
                ..Case::default()
            },
            AssertionError::AuthenticatorData,
        ),
        (
            Case {
                extra: vec![0xa0],
                ..Case::default()
            },
            AssertionError::AuthenticatorData,
        ),
        (
            Case {
                flags: USER_PRESENT | USER_VERIFIED | EXTENSIONS,
                ..Case::default()
            },
            AssertionError::AuthenticatorData,
        ),
        (
            Case {
                spoil_signature: true,
                ..Case::default()
            },
            AssertionError::Signature,
        ),
        (
            Case {
                counter: 6,
                ..Case::default()
            },
            AssertionError::Counter,
        ),
        (
            Case {
                counter: 0,
                ..Case::default()
            },
            AssertionError::Counter,
        ),
    ];
    for (case, error) in cases {
        assert_eq!(case.run(), Err(error));
    }
}

#[test]
fn an_authenticator_that_counts_nothing_is_accepted() {
    let case = Case {
        counter: 0,
        stored: 0,
        ..Case::default()
    };
    assert_eq!(
        case.run(),
        Ok(Verdict {
            sign_count: 0,
            backed_up: false
        })
    );
}

#[test]
fn another_credential_is_refused_before_anything_is_parsed() {
    let key = p256_key();
    let expected = Expectation {
        credential_id: CREDENTIAL,
        public_key: &key,
        challenge: CHALLENGE,
        rp_id: RP_ID,
        origin: ORIGIN,
        sign_count: 0,
    };
    let assertion = Assertion {
        credential_id: b"credential-2",
        client_data_json: b"",
        authenticator_data: b"",
        signature: b"",
    };
    assert_eq!(
        check(&assertion, &expected, &DigestVerifier),
        Err(AssertionError::Credential)
    );
}

proptest! {
    #[test]
    fn any_bytes_get_a_verdict(
        client_data in proptest::collection::vec(any::<u8>(), 0..200),
        data in proptest::collection::vec(any::<u8>(), 0..200),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let key = p256_key();
        let expected = Expectation {
            credential_id: CREDENTIAL,
            public_key: &key,
            challenge: CHALLENGE,
            rp_id: RP_ID,
            origin: ORIGIN,
            sign_count: 0,
        };
        let assertion = Assertion {
            credential_id: CREDENTIAL,
            client_data_json: &client_data,
            authenticator_data: &data,
            signature: &signature,
        };
        prop_assert!(check(&assertion, &expected, &DigestVerifier).is_err());
    }
}
