//! From an order to a stored certificate.

use std::sync::Arc;

use domain::audit::action;
use domain::certificate::IntentOutcome;
use hsm_bridge::KeyLabel;
use hsm_bridge::verify::OpenSslVerifier;
use pki::Certificate;
use pki::issue::{Prepared, Request, prepare};
use pki::name::Attribute;
use pki::profile::{Profile, ProfileName};
use pki::serial::SerialNumber;
use service::blocking;
use sha2::{Digest, Sha256};
use store::StoreError;
use store::ca::{CertificateRow, IntentRow};

use super::{IdempotencyKey, Order};
use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::hex;
use crate::hierarchy::IssuingAuthority;

/// A live intent holds the caller's idempotency key.
pub(super) const KEY_TAKEN: &str = "another request holds the idempotency key";
/// The key was revoked as compromised.
pub(super) const KEY_BLOCKED: &str =
    "this key was revoked as compromised and is never certified again";
/// The key was certified for somebody else.
pub(super) const KEY_OF_ANOTHER: &str = "this key is already certified for another subject";
/// Random octets behind the hint of a serial number.
const SERIAL_RANDOM: usize = 19;
/// Random octets of a subject's serialNumber attribute.
const HOLDER_RANDOM: usize = 16;

/// A prepared certificate with the intent that announces it.
pub(super) struct Drafted {
    pub(super) intent: IntentRow,
    pub(super) tbs_hash: [u8; 32],
    prepared: Prepared,
    signer: KeyLabel,
    shard: u16,
    profile: ProfileName,
}

/// Prepares and lints what `order` asks for; nothing is written or signed.
pub(super) fn draft(
    app: &App,
    caller: &Caller,
    order: &Order,
    key: Option<&IdempotencyKey>,
) -> Result<Drafted, Error> {
    let authority = authority(app, order)?;
    let profile = app
        .profiles
        .find(order.profile())
        .ok_or_else(|| Error::Profile("no such certificate profile".to_owned()))?;
    let random = app.sources.random::<SERIAL_RANDOM>();
    let serial = SerialNumber::new(authority.hint, &random).map_err(Error::internal)?;
    let mut subject = order.subject().clone();
    let required = profile.terms().subject.required;
    if subject.serial_number.is_none() && required.contains(&Attribute::SerialNumber) {
        subject.serial_number = Some(hex::encode(&app.sources.random::<HOLDER_RANDOM>()));
    }
    let request = Request {
        public_key: order.public_key().clone(),
        subject,
        san: order.san().to_vec(),
        serial: serial.clone(),
        validity: None,
    };
    let prepared = prepare(
        profile,
        &authority.issuer,
        request,
        app.sources.system_time(),
    )?;
    let (_, not_after) = seconds(prepared.validity())?;
    let tbs = prepared.tbs_der().to_vec();
    let now = app.sources.unix();
    Ok(Drafted {
        tbs_hash: Sha256::digest(&tbs).into(),
        intent: IntentRow {
            id: app.sources.uuid().to_string(),
            caller: caller.name.clone(),
            idempotency_key: key.map(|key| key.as_str().to_owned()),
            request_hash: order.request_hash().to_vec(),
            profile: order.profile().to_string(),
            issuer: authority.id.to_string(),
            serial: serial.to_string(),
            spki_hash: order.spki_hash().to_vec(),
            holder_hash: order.holder_hash().to_vec(),
            tbs,
            state: "pending".to_owned(),
            failure: None,
            created_at: now,
            ended_at: None,
            keep_until: app.keep_until(not_after),
        },
        shard: authority.issuer.publish.shard(&serial),
        signer: authority.key.clone(),
        profile: order.profile(),
        prepared,
    })
}

/// The authority that issues the order's profile; responders are certified by the authority they answer for.
fn authority<'a>(app: &'a App, order: &Order) -> Result<&'a IssuingAuthority, Error> {
    let hierarchy = &app.hierarchy;
    if order.profile() == ProfileName::OcspResponder {
        let id = order
            .issuer()
            .ok_or_else(|| Error::Profile("ocsp-responder needs \"issuer\"".to_owned()))?;
        return hierarchy
            .find(&id.to_string())
            .ok_or(Error::NotFound("there is no such issuer"));
    }
    let authority = hierarchy
        .issuer_of(order.profile())
        .ok_or_else(|| Error::Profile("no authority here issues this profile".to_owned()))?;
    match order.issuer() {
        Some(id) if id != authority.id => Err(Error::Profile(
            "another authority issues this profile".to_owned(),
        )),
        _ => Ok(authority),
    }
}

/// Signs what was announced, stores it, and ends the intent either way.
pub(super) async fn carry_out(
    app: &Arc<App>,
    caller: &Caller,
    drafted: Drafted,
) -> Result<CertificateRow, Error> {
    let Drafted {
        intent,
        prepared,
        signer,
        shard,
        profile,
        ..
    } = drafted;
    let keys = app.keys.clone();
    let signed = blocking(&app.token_pool, move || {
        let signer = keys.signer(&signer)?;
        prepared.sign(&*signer, &OpenSslVerifier)
    })
    .await
    .map_err(Error::from)
    .and_then(|signed| signed.map_err(Error::from));
    let outcome = match signed {
        Ok(certificate) => keep(app, caller, &intent, &certificate, shard).await,
        Err(error) => {
            give_up(app, caller, &intent, &error).await;
            Err(error)
        }
    };
    app.issuance_ended
        .send_modify(|count| *count = count.wrapping_add(1));
    if let Ok(row) = &outcome {
        app.statuses_changed();
        metrics::counter!("romduol_ca_certificates_issued_total", "profile" => profile.as_str())
            .increment(1);
        tracing::info!(
            serial = row.serial,
            profile = row.profile,
            "certificate issued"
        );
    }
    outcome
}

/// Stores the certificate, its first status and the end of its intent in one transaction.
async fn keep(
    app: &App,
    caller: &Caller,
    intent: &IntentRow,
    certificate: &Certificate,
    shard: u16,
) -> Result<CertificateRow, Error> {
    let (not_before, not_after) = seconds((certificate.not_before(), certificate.not_after()))?;
    let now = app.sources.unix();
    let row = CertificateRow {
        serial: intent.serial.clone(),
        issuer: intent.issuer.clone(),
        shard: i64::from(shard),
        profile: intent.profile.clone(),
        intent: Some(intent.id.clone()),
        caller: intent.caller.clone(),
        spki_hash: intent.spki_hash.clone(),
        holder_hash: intent.holder_hash.clone(),
        certificate: certificate.der().to_vec(),
        not_before,
        not_after,
        status: "good".to_owned(),
        reason: None,
        revoked_at: None,
        created_at: now,
        keep_until: intent.keep_until,
    };
    let event = caller
        .event(
            &app.sources,
            action::CA_CERTIFICATE_ISSUED,
            format!("certificate:{}", row.serial),
        )
        .with_detail(serde_json::json!({
            "issuer": row.issuer,
            "profile": row.profile,
            "intent": intent.id,
            "sha256": hex::encode(&Sha256::digest(&row.certificate)),
        }));
    let (stored, id) = (row.clone(), intent.id.clone());
    app.store
        .write(event, move |w| {
            w.insert_certificate(&stored)?;
            w.end_intent(&id, IntentOutcome::Issued, None, now)
        })
        .await
        .map_err(|error| match error {
            // Not the caller's doing: the intent ended meanwhile, or the records are damaged.
            StoreError::Conflict(words) => Error::internal(words),
            other => other.into(),
        })?;
    Ok(row)
}

/// Records that nothing was handed out; where even that fails, the intent stays for the recovery to find.
async fn give_up(app: &App, caller: &Caller, intent: &IntentRow, error: &Error) {
    let words = error.to_string();
    let event = caller
        .event(
            &app.sources,
            action::CA_CERTIFICATE_FAILED,
            format!("certificate:{}", intent.serial),
        )
        .with_detail(serde_json::json!({ "issuer": intent.issuer, "intent": intent.id }));
    let (id, now) = (intent.id.clone(), app.sources.unix());
    let written = app
        .store
        .write(event, move |w| {
            w.end_intent(&id, IntentOutcome::Failed, Some(&words), now)
        })
        .await;
    if let Err(error) = written {
        tracing::error!(%error, intent = intent.id, "the end of an intent could not be written");
    }
}

/// Validity as the database keeps times.
fn seconds((start, end): (u64, u64)) -> Result<(i64, i64), Error> {
    match (i64::try_from(start), i64::try_from(end)) {
        (Ok(start), Ok(end)) => Ok((start, end)),
        _ => Err(Error::Internal("a time beyond all times".to_owned())),
    }
}
