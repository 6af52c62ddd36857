//! Creating a signing credential: a key of its own in the token, an `official-sign` certificate, and the passkey
//! that releases the key.

use std::sync::Arc;

use der::Decode;
use domain::audit::action;
use hsm_bridge::activation::{self, ActivationError};
use hsm_bridge::{KeyAlgorithm, KeyId, KeyLabel};
use pki::name::DistinguishedName;
use pki::profile::ProfileName;
use serde::{Deserialize, Serialize};
use service::blocking;
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoOwned;
use store::ca::{CertificateRow, CredentialRow};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::issuance::{self, IdempotencyKey, Order};

/// Longest WebAuthn credential identifier (Web Authentication Level 3 §4).
const MAX_CREDENTIAL_ID: usize = 1023;

/// Who will sign, as the certificate names them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Full name.
    pub name: String,
    /// Given name.
    #[serde(default)]
    pub given_name: Option<String>,
    /// Family name.
    #[serde(default)]
    pub family_name: Option<String>,
    /// The institution the holder signs for.
    pub organization: String,
    /// Its identifier (EN 319 412-1 §5.1.4).
    #[serde(default)]
    pub organization_identifier: Option<String>,
}

/// The passkey that releases the key.
#[derive(Clone, Debug)]
pub struct Activation {
    credential_id: Vec<u8>,
    public_key: Vec<u8>,
    rp_id: String,
    origin: String,
}

impl Activation {
    /// Checks the parts: a key that authenticators use, and an origin that belongs to the relying party.
    pub fn new(
        credential_id: Vec<u8>,
        public_key: Vec<u8>,
        rp_id: String,
        origin: String,
    ) -> Result<Self, Error> {
        if credential_id.is_empty() || credential_id.len() > MAX_CREDENTIAL_ID {
            return Err(Error::Invalid(
                "activation.credential_id has 1 to 1023 bytes".to_owned(),
            ));
        }
        parse_key(&public_key)?;
        let activation = Self {
            credential_id,
            public_key,
            rp_id,
            origin,
        };
        activation.holder()?;
        Ok(activation)
    }

    /// The passkey as the bridge keeps it beside the key: of a kind that authenticators use, with an origin that belongs to its relying
    /// party.
    fn holder(&self) -> Result<activation::Holder, Error> {
        activation::Holder::new(&self.public_key, &self.rp_id, &self.origin).map_err(|error| {
            match error {
                ActivationError::Holder("public key") => {
                    Error::Key("activation.public_key is of an unsupported kind".to_owned())
                }
                _ => Error::Invalid(
                    "activation.origin is https://HOST[:PORT] with a host of activation.rp_id"
                        .to_owned(),
                ),
            }
        })
    }
}

/// A DER SubjectPublicKeyInfo.
pub(super) fn parse_key(der: &[u8]) -> Result<SubjectPublicKeyInfoOwned, Error> {
    SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| {
        Error::Key("activation.public_key is no SubjectPublicKeyInfo in DER".to_owned())
    })
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// Who will sign.
    pub holder: Holder,
    /// The passkey that releases the key.
    pub activation: Activation,
}

impl NewCredential {
    fn hash(&self) -> Result<[u8; 32], Error> {
        let holder = serde_json::to_vec(&self.holder).map_err(Error::internal)?;
        let a = &self.activation;
        let parts = (
            &holder,
            &a.credential_id,
            &a.public_key,
            a.rp_id.as_str(),
            a.origin.as_str(),
        );
        Ok(Sha256::digest(&serde_json::to_vec(&parts).map_err(Error::internal)?).into())
    }
}

/// A new credential: key in the token, certificate, passkey. Repeated under the same key it is the same one; an
/// attempt that a crash cut short is taken up again.
pub async fn create(
    app: &Arc<App>,
    caller: &Caller,
    request: NewCredential,
    key: IdempotencyKey,
) -> Result<(CredentialRow, CertificateRow), Error> {
    let (inner, caller) = (Arc::clone(app), caller.clone());
    app.tasks
        .to_the_end(async move { run(&inner, &caller, request, key).await })
        .await?
}

async fn run(
    app: &Arc<App>,
    caller: &Caller,
    request: NewCredential,
    key: IdempotencyKey,
) -> Result<(CredentialRow, CertificateRow), Error> {
    let hash = request.hash()?;
    let subject = subject(app, &request.holder);
    // Refused before a key is made, not after.
    subject
        .to_name()
        .map_err(|error| Error::Profile(error.to_string()))?;
    let row = announce(app, caller, &request, &key, hash).await?;
    if row.state == "active" {
        let serial = row.serial.clone().unwrap_or_default();
        let certificate = app.store.read(move |r| r.load_certificate(&serial)).await?;
        return Ok((row, certificate));
    }
    if row.state != "pending" {
        return Err(Error::Conflict("the credential was closed"));
    }
    let (key_id, public_key) = make_key(app, &row.id, &request.activation).await?;
    let order = Order::new(
        ProfileName::OfficialSign,
        None,
        subject,
        Vec::new(),
        public_key,
    )?;
    let issuance_key = IdempotencyKey::parse(&format!("credential:{}", row.id))?;
    let certificate = issuance::issue(app, caller, order, Some(issuance_key)).await?;
    activate(app, caller, row, key_id, certificate).await
}

/// Writes what is about to be made, or finds what was written before under this key.
async fn announce(
    app: &App,
    caller: &Caller,
    request: &NewCredential,
    key: &IdempotencyKey,
    hash: [u8; 32],
) -> Result<CredentialRow, Error> {
    let now = app.sources.unix();
    let new = CredentialRow {
        id: app.sources.uuid().to_string(),
        caller: caller.name.clone(),
        request_key: key.as_str().to_owned(),
        request_hash: hash.to_vec(),
        state: "pending".to_owned(),
        key_id: None,
        serial: None,
        activation_id: request.activation.credential_id.clone(),
        activation_key: request.activation.public_key.clone(),
        rp_id: request.activation.rp_id.clone(),
        origin: request.activation.origin.clone(),
        sign_count: 0,
        created_at: now,
        keep_until: app.keep_until(now),
    };
    let event = caller.event(
        &app.sources,
        action::CA_CREDENTIAL_INTENDED,
        format!("credential:{}", new.id),
    );
    let row = app
        .store
        .write(event, move |w| {
            if let Some(present) = w.find_credential_by_key(&new.caller, &new.request_key)? {
                w.note("repeats", present.id.as_str());
                return Ok(present);
            }
            w.insert_credential(&new)?;
            Ok(new)
        })
        .await?;
    if row.request_hash == hash {
        Ok(row)
    } else {
        Err(Error::IdempotencyMismatch)
    }
}

/// The key belongs to its holder from its first moment: the bridge itself asks for the holder's passkey at every signature.
async fn make_key(
    app: &App,
    id: &str,
    activation: &Activation,
) -> Result<(KeyId, SubjectPublicKeyInfoOwned), Error> {
    let label = label(id)?;
    let holder = activation.holder()?;
    let keys = app.keys.clone();
    let made = blocking(&app.token_pool, move || {
        keys.make_held(&label, KeyAlgorithm::P256, &holder)
    })
    .await??;
    Ok(made)
}

async fn activate(
    app: &App,
    caller: &Caller,
    row: CredentialRow,
    key_id: KeyId,
    certificate: CertificateRow,
) -> Result<(CredentialRow, CertificateRow), Error> {
    let event = caller
        .event(
            &app.sources,
            action::CA_CREDENTIAL_CREATED,
            format!("credential:{}", row.id),
        )
        .with_detail(serde_json::json!({
            "serial": certificate.serial,
            "key_id": key_id.to_string(),
            "activation_sha256": crate::hex::encode(&Sha256::digest(&row.activation_key)),
        }));
    let (id, serial) = (row.id.clone(), certificate.serial.clone());
    let keep_until = certificate.keep_until;
    let row = app
        .store
        .write(event, move |w| {
            w.activate_credential(&id, &key_id.to_string(), &serial, keep_until)?;
            w.find_credential(&id)
        })
        .await?
        .ok_or(Error::NotFound("the credential vanished"))?;
    metrics::counter!("romduol_ca_credentials_created_total").increment(1);
    Ok((row, certificate))
}

fn subject(app: &App, holder: &Holder) -> DistinguishedName {
    DistinguishedName {
        country: Some(app.config.signing.country.clone()),
        organization: Some(holder.organization.clone()),
        organization_identifier: holder.organization_identifier.clone(),
        common_name: Some(holder.name.clone()),
        surname: holder.family_name.clone(),
        given_name: holder.given_name.clone(),
        ..DistinguishedName::default()
    }
}

/// Label of a credential's key.
pub(super) fn label(id: &str) -> Result<KeyLabel, Error> {
    KeyLabel::parse(&format!("sign/{id}")).map_err(Error::internal)
}
