//! A passkey authenticator of software (Web Authentication Level 3 §6), for tests alone.

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) const ORIGIN: &str = "http://localhost:8080";
const RP_ID: &str = "localhost";
const PRESENT_AND_VERIFIED: u8 = 0x05;
const ATTESTED: u8 = 0x40;
const BACKUP_ELIGIBLE: u8 = 0x08;

pub(super) struct Authenticator {
    key: SigningKey,
    id: [u8; 16],
    user: String,
    pub(super) flags: u8,
    pub(super) origin: &'static str,
}

impl Authenticator {
    pub(super) fn new(seed: u8, synced: bool) -> Self {
        let flags = PRESENT_AND_VERIFIED | if synced { BACKUP_ELIGIBLE } else { 0 };
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        Self {
            key,
            id: [seed; 16],
            user: String::new(),
            flags,
            origin: ORIGIN,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["publicKey"]["challenge"].as_str().unwrap();
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes()
    }

    fn data(flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(RP_ID.as_bytes()).to_vec();
        data.push(flags);
        data.extend([0; 4]);
        data
    }

    /// The answer to `navigator.credentials.create`.
    pub(super) fn create(&mut self, options: &Value) -> Value {
        assert_eq!(
            options["publicKey"]["authenticatorSelection"]["residentKey"],
            "required"
        );
        assert_eq!(
            options["publicKey"]["authenticatorSelection"]["userVerification"],
            "required"
        );
        self.user = options["publicKey"]["user"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let client_data = self.client_data("webauthn.create", options);
        let mut data = Self::data(self.flags | ATTESTED);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        let point = self.key.verifying_key().to_sec1_point(false);
        // COSE_Key: EC2, ES256, P-256, x, y (RFC 9053 §7.1.1).
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(point.x().unwrap());
        data.extend([0x22, 0x58, 0x20]);
        data.extend(point.y().unwrap());
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt");
        object.push(0x64);
        object.extend(b"none");
        object.push(0x67);
        object.extend(b"attStmt");
        object.extend([0xa0, 0x68]);
        object.extend(b"authData");
        object.extend([0x58, u8::try_from(data.len()).unwrap()]);
        object.extend(data);
        let id = Base64UrlUnpadded::encode_string(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "extensions": {}, "response": {
            "clientDataJSON": Base64UrlUnpadded::encode_string(&client_data),
            "attestationObject": Base64UrlUnpadded::encode_string(&object),
        }})
    }

    /// The answer to `navigator.credentials.get`.
    pub(super) fn get(&self, options: &Value) -> Value {
        assert_eq!(options["publicKey"]["userVerification"], "required");
        let client_data = self.client_data("webauthn.get", options);
        let data = Self::data(self.flags);
        let mut signed = data.clone();
        signed.extend(Sha256::digest(&client_data));
        let signature: Signature = self.key.sign(&signed);
        let id = Base64UrlUnpadded::encode_string(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "extensions": {}, "response": {
            "clientDataJSON": Base64UrlUnpadded::encode_string(&client_data),
            "authenticatorData": Base64UrlUnpadded::encode_string(&data),
            "signature": Base64UrlUnpadded::encode_string(signature.to_der().as_bytes()),
            "userHandle": self.user,
        }})
    }
}
