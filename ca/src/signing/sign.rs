//! Signing a prepared document once its holder's assertion was checked.

use std::sync::Arc;

use ades::pades::{Level, Prepared};
use domain::audit::action;
use domain::webauthn::{self, Assertion, Expectation};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyStoreError, activation};
use pki::tsp::TimeStampRequest;
use service::blocking;
use sha2::{Digest, Sha256};
use store::ca::{CertificateRow, CredentialRow, DocumentRow};
use uuid::Uuid;

use super::credentials::parse_key;
use super::{key_of, usable};
use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::hex;
use crate::tsa;

/// Random octets in the nonce of our own time-stamp requests.
const NONCE: usize = 16;

/// What the holder's browser sent, decoded.
#[derive(Clone, Debug)]
pub struct HolderAssertion {
    /// The credential that answered.
    pub credential_id: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data_json: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Checks the assertion and signs; gives the signed PDF. An accepted assertion is used up, whatever follows.
pub async fn sign(
    app: &Arc<App>,
    caller: &Caller,
    document: Uuid,
    assertion: HolderAssertion,
) -> Result<Vec<u8>, Error> {
    let (inner, caller) = (Arc::clone(app), caller.clone());
    app.tasks
        .to_the_end(async move { run(&inner, &caller, document, assertion).await })
        .await?
}

async fn run(
    app: &Arc<App>,
    caller: &Caller,
    id: Uuid,
    assertion: HolderAssertion,
) -> Result<Vec<u8>, Error> {
    let (document, credential, certificate) = load(app, caller, id).await?;
    if document.state != "prepared" || document.expires_at <= app.sources.unix() {
        return Err(Error::Gone("the document was signed, or its time is over"));
    }
    let usable = usable(app, credential, certificate.as_ref())?;
    let verdict = match check(&document, &usable.credential, &assertion) {
        Ok(verdict) => verdict,
        Err(error) => {
            refuse(app, caller, &document, &error, false).await;
            return Err(error);
        }
    };
    authorise(app, caller, &document, &usable.credential, verdict).await?;
    match make(app, &document, &usable.credential, assertion).await {
        Ok(pdf) => finish(app, caller, &document, &usable.credential, pdf).await,
        Err(error) => {
            refuse(app, caller, &document, &error, true).await;
            Err(error)
        }
    }
}

type Loaded = (DocumentRow, CredentialRow, Option<CertificateRow>);

async fn load(app: &App, caller: &Caller, id: Uuid) -> Result<Loaded, Error> {
    let id = id.to_string();
    let found = app
        .store
        .read(move |r| {
            let Some(document) = r.find_document(&id)? else {
                return Ok(None);
            };
            let Some(credential) = r.find_credential(&document.credential)? else {
                return Ok(None);
            };
            let certificate = match &credential.serial {
                Some(serial) => r.find_certificate(serial)?,
                None => None,
            };
            Ok(Some((document, credential, certificate)))
        })
        .await?;
    found
        .filter(|(document, ..)| document.caller == caller.name)
        .ok_or(Error::NotFound("there is no such document"))
}

fn check(
    document: &DocumentRow,
    credential: &CredentialRow,
    assertion: &HolderAssertion,
) -> Result<webauthn::Verdict, Error> {
    let expected = Expectation {
        credential_id: &credential.activation_id,
        public_key: &parse_key(&credential.activation_key)?,
        challenge: &document.challenge,
        rp_id: &credential.rp_id,
        origin: &credential.origin,
        sign_count: u32::try_from(credential.sign_count).map_err(Error::internal)?,
    };
    let assertion = Assertion {
        credential_id: &assertion.credential_id,
        client_data_json: &assertion.client_data_json,
        authenticator_data: &assertion.authenticator_data,
        signature: &assertion.signature,
    };
    webauthn::check(&assertion, &expected, &OpenSslVerifier)
        .map_err(|error| Error::Proof(error.to_string()))
}

/// Uses the assertion up and moves the counter on, in one transaction.
async fn authorise(
    app: &App,
    caller: &Caller,
    document: &DocumentRow,
    credential: &CredentialRow,
    verdict: webauthn::Verdict,
) -> Result<(), Error> {
    let event = caller
        .event(
            &app.sources,
            action::CA_DOCUMENT_AUTHORISED,
            format!("document:{}", document.id),
        )
        .with_detail(serde_json::json!({
            "credential": credential.id,
            "sign_count": verdict.sign_count,
            "dtbs_sha256": hex::encode(&document.dtbs_digest),
        }));
    let (id, credential_id) = (document.id.clone(), credential.id.clone());
    let (before, after) = (credential.sign_count, i64::from(verdict.sign_count));
    let now = app.sources.unix();
    app.store
        .write(event, move |w| {
            w.authorise_document(&id, now)?;
            w.advance_sign_count(&credential_id, before, after)
        })
        .await?;
    Ok(())
}

/// Signs what the holder agreed to, and time-stamps it where the level says so.
async fn make(
    app: &App,
    document: &DocumentRow,
    credential: &CredentialRow,
    assertion: HolderAssertion,
) -> Result<Vec<u8>, Error> {
    let bytes = document
        .bytes
        .clone()
        .ok_or_else(|| Error::Internal("a waiting document without bytes".to_owned()))?;
    let agreed = document.dtbs_digest.clone();
    let (keys, key) = (app.keys.clone(), key_of(credential)?);
    let signed = blocking(&app.token_pool, move || {
        let prepared = Prepared::decode(&bytes).map_err(Error::internal)?;
        if prepared.digest().as_slice() != agreed {
            return Err(Error::Internal(
                "the prepared document is not the agreed one".to_owned(),
            ));
        }
        let assertion = activation::Assertion {
            client_data_json: &assertion.client_data_json,
            authenticator_data: &assertion.authenticator_data,
            signature: &assertion.signature,
        };
        let signature = keys
            .sign_held(key, prepared.signed_attributes(), &assertion)
            .map_err(|error| match error {
                // The bridge forgets what waits for a holder when it starts anew.
                KeyStoreError::NotPermitted => Error::Gone(
                    "what the holder agreed to is not waiting any more; prepare the document anew",
                ),
                other => other.into(),
            })?;
        prepared
            .check(&signature, &OpenSslVerifier)
            .map_err(Error::internal)?;
        Ok((prepared, signature))
    })
    .await?;
    let (prepared, signature) = signed?;
    let token = match prepared.level() {
        Level::BB => None,
        Level::BT => {
            let imprint = prepared
                .time_stamp_imprint(&signature)
                .map_err(Error::internal)?;
            let request = TimeStampRequest::new(imprint, app.sources.random::<NONCE>());
            let token = tsa::token(app, request).await.map_err(|rejection| {
                Error::Unavailable(format!("no time-stamp for the signature: {rejection}"))
            })?;
            Some(token)
        }
    };
    prepared
        .finish(&signature, token.as_deref())
        .map_err(Error::internal)
}

async fn finish(
    app: &App,
    caller: &Caller,
    document: &DocumentRow,
    credential: &CredentialRow,
    pdf: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let event = caller
        .event(
            &app.sources,
            action::CA_DOCUMENT_SIGNED,
            format!("document:{}", document.id),
        )
        .with_detail(serde_json::json!({
            "credential": credential.id,
            "serial": credential.serial,
            "level": document.level,
            "document_sha256": hex::encode(&document.document_digest),
            "dtbs_sha256": hex::encode(&document.dtbs_digest),
            "signed_sha256": hex::encode(&Sha256::digest(&pdf)),
        }));
    let (id, now) = (document.id.clone(), app.sources.unix());
    app.store
        .write(event, move |w| w.end_document(&id, true, now))
        .await?;
    let level = document.level.clone();
    metrics::counter!("romduol_ca_documents_signed_total", "level" => level).increment(1);
    Ok(pdf)
}

/// Records a refusal; ends the document where its assertion was used up.
async fn refuse(app: &App, caller: &Caller, document: &DocumentRow, error: &Error, end: bool) {
    metrics::counter!("romduol_ca_documents_refused_total").increment(1);
    let event = caller
        .event(
            &app.sources,
            action::CA_DOCUMENT_REFUSED,
            format!("document:{}", document.id),
        )
        .with_detail(serde_json::json!({
            "credential": document.credential,
            "reason": error.to_string(),
            "dtbs_sha256": hex::encode(&document.dtbs_digest),
        }));
    let (id, now) = (document.id.clone(), app.sources.unix());
    let written = app
        .store
        .write(event, move |w| {
            if end {
                w.end_document(&id, false, now)
            } else {
                Ok(())
            }
        })
        .await;
    if let Err(error) = written {
        tracing::error!(%error, document = document.id, "a refusal could not be recorded");
    }
}
