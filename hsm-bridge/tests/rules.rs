//! What a taken-over caller cannot get out of the bridge: signatures that a key's rules or its holder did not allow.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod support;

use std::fs;

use base64ct::{Base64UrlUnpadded, Encoding};
use hsm_bridge::activation::{Assertion, HeldKeys, Holder};
use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureScheme, SignatureVerifier,
};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer as Passkey;
use sha2::{Digest, Sha256};
use support::House;

const RP_ID: &str = "id.example";
const ORIGIN: &str = "https://id.example";
const SCHEME: SignatureScheme = SignatureScheme::EcdsaP256Sha256;
const POLICY: &str = "[[grant]]\ncaller = 'ca'\nkeys = 'sign/*'\noperations = ['generate', 'sign', 'destroy']\n\
    [[grant]]\ncaller = 'ca'\nkeys = 'ca/*'\noperations = ['generate', 'sign']\n\
    [[key]]\nkeys = 'sign/*'\nproof = 'activation'\ndurable = true\n\
    [[key]]\nkeys = 'ca/one'\nsigns = ['certificate', 'certificate-list']\ndurable = true\n\
    [key.certificate]\nlongest_days = 90\n";

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

fn house() -> House {
    let house = House::build();
    fs::write(house.path("policy.toml"), POLICY).unwrap();
    house
}

/// A citizen's authenticator.
struct Authenticator(PKey<Private>);

struct Answer {
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

impl Authenticator {
    fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    }

    fn holder(&self) -> Holder {
        Holder::new(&self.0.public_key_to_der().unwrap(), RP_ID, ORIGIN).unwrap()
    }

    fn answer(&self, challenge: &[u8; 32]) -> Answer {
        let challenge = Base64UrlUnpadded::encode_string(challenge);
        let client_data = format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"{challenge}\",\"origin\":\"{ORIGIN}\",\"crossOrigin\":false}}"
        )
        .into_bytes();
        // Relying party, user present and verified, counter.
        let authenticator_data = [&Sha256::digest(RP_ID)[..], &[0x05], &[0, 0, 0, 1]].concat();
        let mut signer = Passkey::new(MessageDigest::sha256(), &self.0).unwrap();
        let covered = [&authenticator_data[..], &Sha256::digest(&client_data)].concat();
        let signature = signer.sign_oneshot_to_vec(&covered).unwrap();
        Answer {
            client_data,
            authenticator_data,
            signature,
        }
    }
}

impl Answer {
    fn assertion(&self) -> Assertion<'_> {
        Assertion {
            client_data_json: &self.client_data,
            authenticator_data: &self.authenticator_data,
            signature: &self.signature,
        }
    }
}

fn sign(
    client: &Client,
    key: KeyId,
    message: &[u8],
    answer: &Answer,
) -> Result<Vec<u8>, KeyStoreError> {
    client.sign_held(key, SCHEME, message, &answer.assertion())
}

#[test]
fn a_key_of_a_person_signs_exactly_what_its_holder_allowed_and_once() {
    let house = house();
    let daemon = house.serve();
    let ca = house.client("ca");
    let (one, other) = (Authenticator::new(), Authenticator::new());
    let name = label("sign/one");
    assert!(matches!(
        ca.generate(&name, KeyAlgorithm::P256),
        Err(KeyStoreError::BadRequest(_))
    ));
    let key = ca
        .generate_held(&name, KeyAlgorithm::P256, &one.holder())
        .unwrap();
    // An attempt that was cut short is taken up again, but never for somebody else.
    assert_eq!(
        ca.generate_held(&name, KeyAlgorithm::P256, &one.holder()),
        Ok(key)
    );
    assert!(matches!(
        ca.generate_held(&name, KeyAlgorithm::P256, &other.holder()),
        Err(KeyStoreError::KeyExists(_))
    ));
    let second = ca
        .generate_held(&label("sign/two"), KeyAlgorithm::P256, &one.holder())
        .unwrap();

    let (agreed, foisted) = (&b"what was agreed"[..], &b"what was not"[..]);
    let digest = Sha256::digest(agreed);
    let begin = || ca.activate(key, b"request 1", &[&digest]).unwrap();
    let refused = Err(KeyStoreError::NotPermitted);
    let signer = ca.signer(key, None).unwrap();
    assert_eq!(signer.sign(agreed), refused);
    assert_eq!(signer.sign(&vec![7; 400_000]), refused);
    let answer = one.answer(&begin());
    assert_eq!(sign(&ca, key, foisted, &answer), refused);
    assert_eq!(sign(&ca, second, agreed, &answer), refused);
    assert_eq!(sign(&ca, key, agreed, &other.answer(&begin())), refused);
    assert_eq!(sign(&ca, key, agreed, &one.answer(&[7; 32])), refused);
    let signature = sign(&ca, key, agreed, &answer).unwrap();
    OpenSslVerifier
        .verify(signer.public_key(), SCHEME, agreed, &signature)
        .unwrap();
    assert_eq!(sign(&ca, key, agreed, &answer), refused);

    // The holder's record lies beside the key; what was begun does not outlive the bridge.
    let forgotten = one.answer(&begin());
    assert_eq!(daemon.stop(), Some(0));
    let again = house.serve();
    assert_eq!(sign(&ca, key, agreed, &forgotten), refused);
    let signature = sign(&ca, key, agreed, &one.answer(&begin())).unwrap();
    OpenSslVerifier
        .verify(signer.public_key(), SCHEME, agreed, &signature)
        .unwrap();
    assert_eq!(again.stop(), Some(0));
    let rows = house.audit();
    let count = |operation: &str, result: &str| {
        rows.iter()
            .filter(|row| row["operation"] == operation && row["result"] == result)
            .count()
    };
    assert_eq!(
        (count("sign", "done"), count("sign", "not-permitted")),
        (2, 8)
    );
    let intents = rows
        .iter()
        .filter(|row| row["event"] == "bridge.key.intent" && row["operation"] == "sign");
    assert_eq!(intents.count(), 2);
}

#[test]
fn an_authority_s_key_signs_nothing_that_was_not_read() {
    let house = house();
    let _daemon = house.serve();
    let ca = house.client("ca");
    let key = ca.generate(&label("ca/one"), KeyAlgorithm::P256).unwrap();
    let signer = ca.signer(key, None).unwrap();
    let too_long = vec![0x30; 2_000_000];
    for message in [
        &b""[..],
        b"a token's header.payload",
        &[0x30, 0x00],
        &too_long,
    ] {
        let refusal = signer.sign(message).unwrap_err();
        assert!(matches!(refusal, KeyStoreError::BadRequest(_)), "{refusal}");
    }
    // A key without such rules signs what it is given, long or short.
    let free = ca.generate(&label("ca/two"), KeyAlgorithm::P256).unwrap();
    ca.signer(free, None).unwrap().sign(&too_long).unwrap();
}
