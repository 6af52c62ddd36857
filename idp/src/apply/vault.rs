//! Opening and sealing what belongs to a subject, and the audit events of this room.

use actix_web::{HttpMessage, HttpRequest};
use domain::audit::{Actor, AuditEvent};
use domain::kyc::Application;
use serde::{Serialize, de::DeserializeOwned};
use store::idp::{EvidenceItem, KycCase};
use store::sealing::{Field, SubjectKey};
use store::{Reader, StoreError};
use uuid::Uuid;

use crate::account::{AccountError, in_token};
use crate::app::App;

/// A case with its application opened.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) row: KycCase,
    pub(crate) application: Application,
    pub(crate) evidence: Vec<EvidenceItem>,
    pub(crate) key: SubjectKey,
}

/// Seals a value for one column of one row.
pub(crate) fn seal<T: Serialize>(
    key: &SubjectKey,
    field: &Field<'_>,
    value: &T,
    nonce: [u8; 12],
) -> Result<Vec<u8>, AccountError> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(value)?);
    Ok(key.seal(field, &plain, nonce)?)
}

/// Opens a value of one column of one row.
pub(crate) fn unseal<T: DeserializeOwned>(
    key: &SubjectKey,
    field: &Field<'_>,
    sealed: &[u8],
) -> Result<T, AccountError> {
    Ok(serde_json::from_slice(&key.open(field, sealed)?)?)
}

/// The key of a subject; not found once it was erased.
pub(crate) async fn open_subject(app: &App, subject: Uuid) -> Result<SubjectKey, AccountError> {
    let wrapped = app.store.read(move |r| r.find_subject_key(subject)).await?;
    let wrapped = wrapped.ok_or(StoreError::NotFound)?;
    let sealer = app.sealer.clone();
    in_token(app, move || sealer.open_subject_key(subject, &wrapped)).await
}

/// The case that `find` names, with everything opened; `None` where there is none or the person was erased.
pub(crate) async fn open_application(
    app: &App,
    find: impl FnOnce(&mut Reader<'_>) -> Result<Option<KycCase>, StoreError> + Send + 'static,
) -> Result<Option<Opened>, AccountError> {
    let found = app
        .store
        .read(move |r| {
            let Some(row) = find(r)? else { return Ok(None) };
            let Some(wrapped) = r.find_subject_key(row.case.subject)? else {
                return Ok(None);
            };
            let evidence = r.list_evidence(row.id)?;
            Ok(Some((row, wrapped, evidence)))
        })
        .await?;
    let Some((row, wrapped, evidence)) = found else {
        return Ok(None);
    };
    let (sealer, subject) = (app.sealer.clone(), row.case.subject);
    let key = in_token(app, move || sealer.open_subject_key(subject, &wrapped)).await?;
    let id = row.id.to_string();
    let application = unseal(&key, &application_field(&id), &row.application_sealed)?;
    Ok(Some(Opened {
        row,
        application,
        evidence,
        key,
    }))
}

/// Where an application is sealed.
pub(super) fn application_field(case: &str) -> Field<'_> {
    Field {
        table: "kyc_cases",
        column: "application_sealed",
        row: case,
    }
}

/// An audit event of this request.
pub(crate) fn event(
    request: &HttpRequest,
    app: &App,
    actor: Actor,
    action: &'static str,
    object: String,
) -> AuditEvent {
    let event = AuditEvent::new(app.sources.uuid(), app.sources.now(), actor, action, object);
    match request.extensions().get::<service::RequestId>() {
        Some(id) => event.with_request(id.as_str()),
        None => event,
    }
}
