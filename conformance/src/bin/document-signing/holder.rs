//! An official with a credential in the token and a passkey in memory.

use base64ct::{Base64, Base64UrlUnpadded as B64, Encoding};
use conformance::load::Actor;
use conformance::load::http::{Answer, Connection, member};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde::Deserialize;
use serde_json::{Value, json};
use service::Sources;
use service::peer::PeerSigner;
use sha2::{Digest, Sha256};

/// User present and verified (Web Authentication Level 3 §6.1).
const FLAGS: u8 = 0x05;
/// A passkey without a counter.
const COUNTER: [u8; 4] = [0; 4];
/// Random octets of a credential identifier.
const CREDENTIAL_OCTETS: usize = 16;

/// Where documents go and how they are signed.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    /// Address and port.
    address: String,
    /// Value of `Host`.
    host: String,
    /// Audience of peer tokens.
    audience: String,
    /// Relying party and origin of the passkey.
    rp_id: String,
    origin: String,
    /// `b-b` or `b-t`.
    level: String,
}

/// A holder with a connection.
pub(crate) struct Holder<'a> {
    place: &'a Place,
    document: &'a [u8],
    connection: Connection,
    peer: PeerSigner,
    sources: Sources,
    passkey: PKey<Private>,
    passkey_id: String,
    credential: String,
}

impl<'a> Holder<'a> {
    /// Makes a passkey and asks for a credential that it releases.
    pub(crate) fn enrol(
        place: &'a Place,
        document: &'a [u8],
        peer: PeerSigner,
        sources: Sources,
    ) -> Result<Self, String> {
        let mut holder = Self {
            place,
            document,
            connection: Connection::open(&place.address)?,
            peer,
            passkey: new_passkey().map_err(|e| e.to_string())?,
            passkey_id: sources.token(CREDENTIAL_OCTETS),
            sources,
            credential: String::new(),
        };
        let public = holder
            .passkey
            .public_key_to_der()
            .map_err(|e| e.to_string())?;
        let request = json!({
            "holder": {
                "name": "Keo Rithy", "given_name": "Rithy", "family_name": "Keo",
                "organization": "Ministry of Post and Telecommunications",
                "organization_identifier": "NTRKH-L001100000",
            },
            "activation": {
                "credential_id": holder.passkey_id,
                "public_key": Base64::encode_string(&public),
                "rp_id": place.rp_id,
                "origin": place.origin,
            },
        });
        let body = request.to_string();
        let answer = holder.post("/api/v1/credentials", "application/json", body.as_bytes())?;
        holder.credential = member(&answer.json("credentials", 201)?, "id")?;
        Ok(holder)
    }

    /// What the holder's browser sends for a challenge (Web Authentication Level 3 §7.2).
    fn assertion(&self, challenge: &str) -> Result<Value, String> {
        let client_data = json!({
            "type": "webauthn.get", "challenge": challenge, "origin": self.place.origin, "crossOrigin": false,
        })
        .to_string();
        let mut data = Sha256::digest(self.place.rp_id.as_bytes()).to_vec();
        data.push(FLAGS);
        data.extend_from_slice(&COUNTER);
        let mut message = data.clone();
        message.extend_from_slice(&Sha256::digest(client_data.as_bytes()));
        let signature = Signer::new(MessageDigest::sha256(), &self.passkey)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(&message))
            .map_err(|e| e.to_string())?;
        Ok(json!({
            "credential_id": self.passkey_id,
            "client_data_json": B64::encode_string(client_data.as_bytes()),
            "authenticator_data": B64::encode_string(&data),
            "signature": B64::encode_string(&signature),
        }))
    }

    fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<Answer, String> {
        let now = self.sources.now();
        let token = self
            .peer
            .token(&self.place.audience, now, &self.sources.uuid().to_string())
            .map_err(|e| e.to_string())?;
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.place.host,
            body.len(),
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.connection.exchange(&request)
    }
}

impl Actor for Holder<'_> {
    /// Signs the document once.
    fn act(&mut self) -> Result<(), String> {
        let path = format!(
            "/api/v1/documents?credential={}&level={}&reason=Approved",
            self.credential, self.place.level
        );
        let prepared = self
            .post(&path, "application/pdf", self.document)?
            .json("documents", 201)?;
        let assertion = self
            .assertion(&member(&prepared, "challenge")?)?
            .to_string();
        let path = format!("/api/v1/documents/{}/signature", member(&prepared, "id")?);
        let signed = self.post(&path, "application/json", assertion.as_bytes())?;
        if signed.status == 200 && signed.body.starts_with(self.document) {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&signed.body).into_owned();
        Err(format!("signature answered {}: {words}", signed.status))
    }
}

fn new_passkey() -> Result<PKey<Private>, openssl::error::ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}
