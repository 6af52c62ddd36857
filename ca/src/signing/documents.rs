//! Preparing a document: everything but the signature, and the challenge that releases it.

use std::sync::Arc;

use ades::pades::{self, Level, SignOptions};
use domain::audit::action;
use hsm_bridge::SignatureScheme;
use service::blocking;
use sha2::{Digest, Sha256};
use store::StoreError;
use store::ca::DocumentRow;
use uuid::Uuid;

use super::{Usable, key_of, usable};
use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::hex;

const DAY: i64 = 24 * 60 * 60;
/// How long the record of an ended document is kept; the audit log has the facts for ever.
const KEEP_RECORD: i64 = 30 * DAY;

/// A document to be signed.
#[derive(Debug)]
pub struct NewDocument {
    /// The credential that is to sign.
    pub credential: Uuid,
    /// How far the signature goes.
    pub level: Level,
    /// Why, as readers show it.
    pub reason: Option<String>,
    /// Where, as readers show it.
    pub location: Option<String>,
    /// The PDF.
    pub pdf: Vec<u8>,
}

/// Prepares the signature and keeps the document until its holder's assertion comes or its time is over.
pub async fn prepare(
    app: &Arc<App>,
    caller: &Caller,
    document: NewDocument,
) -> Result<DocumentRow, Error> {
    let usable = find_credential(app, caller, document.credential).await?;
    let credential = usable.credential.id.clone();
    let level = document.level;
    let document_digest = Sha256::digest(&document.pdf).to_vec();
    let options = options(app, &usable, &document)?;
    let prepared = blocking(&app.document_pool, move || {
        let prepared = pades::prepare(&document.pdf, &options)?;
        let bytes = prepared.encode()?;
        Ok::<_, pades::PadesError>((prepared.digest(), bytes))
    })
    .await?;
    let (dtbs_digest, bytes) = prepared.map_err(|error| Error::Document(error.to_string()))?;
    let id = app.sources.uuid();
    let challenge = challenge(app, &usable, id, dtbs_digest).await?;
    let now = app.sources.unix();
    let row = DocumentRow {
        id: id.to_string(),
        credential,
        caller: caller.name.clone(),
        level: level_name(level).to_owned(),
        document_digest,
        dtbs_digest: dtbs_digest.to_vec(),
        challenge: challenge.to_vec(),
        state: "prepared".to_owned(),
        size: i64::try_from(bytes.len()).map_err(Error::internal)?,
        bytes: Some(bytes),
        created_at: now,
        expires_at: now.saturating_add(app.config.signing.document_seconds),
        ended_at: None,
        keep_until: now.saturating_add(KEEP_RECORD),
    };
    store(app, caller, row).await
}

/// The bridge makes the challenge, from the key, this request, the very attributes that will be signed, and this moment: it will sign
/// nothing else, whoever asks.
async fn challenge(
    app: &App,
    usable: &Usable,
    id: Uuid,
    dtbs_digest: [u8; 32],
) -> Result<[u8; 32], Error> {
    let key = key_of(&usable.credential)?;
    let keys = app.keys.clone();
    let made = blocking(&app.token_pool, move || {
        keys.activate(key, id.as_bytes(), &dtbs_digest)
    })
    .await??;
    Ok(made)
}

async fn find_credential(app: &App, caller: &Caller, id: Uuid) -> Result<Usable, Error> {
    let id = id.to_string();
    let found = app
        .store
        .read(move |r| {
            let Some(credential) = r.find_credential(&id)? else {
                return Ok(None);
            };
            let certificate = match &credential.serial {
                Some(serial) => r.find_certificate(serial)?,
                None => None,
            };
            Ok(Some((credential, certificate)))
        })
        .await?;
    match found {
        Some((credential, certificate)) if credential.caller == caller.name => {
            usable(app, credential, certificate.as_ref())
        }
        // What belongs to another caller does not exist for this one.
        _ => Err(Error::NotFound("there is no such credential")),
    }
}

fn options(app: &App, usable: &Usable, document: &NewDocument) -> Result<SignOptions, Error> {
    let scheme = SignatureScheme::for_public_key(usable.certificate.public_key())
        .ok_or_else(|| Error::Internal("a credential key that signs nothing".to_owned()))?;
    let mut options = SignOptions::new(
        usable.certificate.clone(),
        vec![usable.issuer.clone()],
        scheme,
        document.level,
        app.sources.now(),
    );
    options.reason.clone_from(&document.reason);
    options.location.clone_from(&document.location);
    options.signer_name = common_name(&usable.certificate);
    Ok(options)
}

/// The holder's name as the certificate has it.
fn common_name(certificate: &pki::Certificate) -> Option<String> {
    let oid = pki::name::Attribute::CommonName.oid();
    let attribute = certificate
        .subject()
        .iter()
        .find(|attribute| attribute.oid == oid)?;
    std::str::from_utf8(attribute.value.value())
        .ok()
        .map(str::to_owned)
}

async fn store(app: &App, caller: &Caller, row: DocumentRow) -> Result<DocumentRow, Error> {
    let event = caller
        .event(
            &app.sources,
            action::CA_DOCUMENT_PREPARED,
            format!("document:{}", row.id),
        )
        .with_detail(serde_json::json!({
            "credential": row.credential,
            "level": row.level,
            "document_sha256": hex::encode(&row.document_digest),
            "dtbs_sha256": hex::encode(&row.dtbs_digest),
        }));
    let limits = (
        app.config.signing.max_waiting_documents,
        app.config.signing.max_waiting_bytes,
    );
    let stored = app
        .store
        .write(event, move |w| {
            let (count, bytes) = w.waiting_documents(&row.credential)?;
            if count >= limits.0 || bytes.saturating_add(row.size) > limits.1 {
                return Err(StoreError::Conflict(
                    "too many documents of this credential wait",
                ));
            }
            w.insert_document(&row)?;
            Ok(row)
        })
        .await?;
    metrics::counter!("romduol_ca_documents_prepared_total").increment(1);
    Ok(stored)
}

/// The level as it is written.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::BB => "b-b",
        Level::BT => "b-t",
    }
}
