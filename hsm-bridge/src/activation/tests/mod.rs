//! A passkey in memory, and a house that it activates keys of.

mod holder;
mod redeem;

use std::time::Instant;

use base64ct::{Base64UrlUnpadded, Encoding};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use sha2::{Digest, Sha256};

use super::{ActivationError, Activations, Assertion, Challenge, Holder, Redemption};
use crate::KeyId;
use crate::verify::OpenSslVerifier;

const RP_ID: &str = "id.example";
const ORIGIN: &str = "https://id.example:8443";
const KEY: KeyId = KeyId::from_bytes([7; 20]);

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn edwards() -> PKey<Private> {
    PKey::generate_ed25519().unwrap()
}

fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn holder(passkey: &PKey<Private>) -> Holder {
    Holder::new(&passkey.public_key_to_der().unwrap(), RP_ID, ORIGIN).unwrap()
}

fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// What a browser sends, with every part open to change before it is signed.
#[derive(Clone)]
struct Sent {
    client_data: String,
    data: Vec<u8>,
    signature: Vec<u8>,
}

impl Sent {
    fn new(challenge: &[u8]) -> Self {
        let challenge = Base64UrlUnpadded::encode_string(challenge);
        Self {
            client_data: format!(
                r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}","crossOrigin":false}}"#
            ),
            data: [Sha256::digest(RP_ID).as_slice(), &[0x05, 0, 0, 0, 9]].concat(),
            signature: Vec::new(),
        }
    }

    fn signed(mut self, passkey: &PKey<Private>) -> Self {
        let hash = Sha256::digest(self.client_data.as_bytes());
        let message = [self.data.as_slice(), hash.as_slice()].concat();
        let mut signer = if passkey.id() == openssl::pkey::Id::ED25519 {
            Signer::new_without_digest(passkey).unwrap()
        } else {
            Signer::new(MessageDigest::sha256(), passkey).unwrap()
        };
        self.signature = signer.sign_oneshot_to_vec(&message).unwrap();
        self
    }

    fn assertion(&self) -> Assertion<'_> {
        Assertion {
            client_data_json: self.client_data.as_bytes(),
            authenticator_data: &self.data,
            signature: &self.signature,
        }
    }
}

/// A table, a holder and one moment.
struct House {
    table: Activations,
    passkey: PKey<Private>,
    holder: Holder,
    now: Instant,
}

impl House {
    fn new() -> Self {
        let passkey = p256();
        Self {
            table: Activations::new(),
            holder: holder(&passkey),
            passkey,
            now: Instant::now(),
        }
    }

    fn begin(&self, digests: &[Vec<u8>], nonce: u8) -> Challenge {
        self.table
            .begin(KEY, b"document", digests.to_vec(), [nonce; 32], self.now)
            .unwrap()
    }

    fn redeem(&self, sent: &Sent, digests: &[Vec<u8>]) -> Result<(), ActivationError> {
        self.redeem_as(sent, digests, KEY, self.now)
    }

    fn redeem_as(
        &self,
        sent: &Sent,
        digests: &[Vec<u8>],
        key: KeyId,
        now: Instant,
    ) -> Result<(), ActivationError> {
        let digests: Vec<&[u8]> = digests.iter().map(Vec::as_slice).collect();
        let redemption = Redemption {
            key,
            digests: &digests,
            assertion: sent.assertion(),
        };
        self.table
            .redeem(&redemption, &self.holder, now, &OpenSslVerifier)
    }
}
