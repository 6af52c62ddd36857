//! Publishing certificate revocation lists, shard by shard.
//!
//! A list is signed anew as soon as its shard has a revocation it does not cover, and before it gets old. Its number
//! is given out durably before it is signed, so numbers grow strictly, whatever fails.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::audit::action;
use hsm_bridge::verify::OpenSslVerifier;
use pki::crl::{CrlBuilder, CrlReason, RevokedEntry};
use pki::serial::SerialNumber;
use service::blocking;
use store::ca::{CrlRow, RevokedRow};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::hierarchy::IssuingAuthority;

/// How long an expired certificate stays in its list (RFC 5280 §3.3 wants at least one list more).
const KEEP_EXPIRED: i64 = 30 * 24 * 60 * 60;

/// Publishes every list that is due; gives how many. A failing shard does not hold up the others.
pub(crate) async fn publish_due(app: &Arc<App>) -> Result<usize, Error> {
    let mut published = 0;
    let mut failure = None;
    for authority in &app.hierarchy.issuing {
        for shard in 0..authority.issuer.publish.shards().get() {
            match publish_if_due(app, authority, shard).await {
                Ok(true) => published += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, issuer = %authority.id, shard, "list not published");
                    failure = Some(error);
                }
            }
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(published),
    }
}

async fn publish_if_due(
    app: &App,
    authority: &IssuingAuthority,
    shard: u16,
) -> Result<bool, Error> {
    let (issuer, number) = (authority.id.to_string(), i64::from(shard));
    let refresh_from = app
        .sources
        .unix()
        .saturating_sub(app.config.crl.refresh_seconds);
    let due = app
        .store
        .read(move |r| {
            let Some(present) = r.find_crl(&issuer, number)? else {
                return Ok(false);
            };
            Ok(present.this_update <= refresh_from
                || r.last_revocation(&issuer, number)? > present.covers)
        })
        .await?;
    if due {
        publish(app, authority, shard).await
    } else {
        Ok(false)
    }
}

/// What a list is made from, read in the transaction that gave its number.
struct Draft {
    number: i64,
    covers: i64,
    revoked: Vec<RevokedRow>,
}

async fn publish(app: &App, authority: &IssuingAuthority, shard: u16) -> Result<bool, Error> {
    let draft = allocate(app, authority, shard).await?;
    let now = app.sources.now();
    let life = Duration::from_secs(app.config.crl.life_seconds.unsigned_abs());
    let end = now.checked_add(life).map_err(Error::internal)?;
    let entries = entries(draft.revoked)?;
    let count = entries.len();
    let number = u64::try_from(draft.number).map_err(Error::internal)?;
    let builder = CrlBuilder {
        issuer: &authority.issuer,
        shard,
        number,
        this_update: now.into(),
        next_update: end.into(),
    };
    let prepared = builder.build(entries)?;
    let (keys, label) = (app.keys.clone(), authority.key.clone());
    let list = blocking(&app.token_pool, move || {
        let signer = keys.signer(&label)?;
        prepared.sign(&*signer, &OpenSslVerifier)
    })
    .await??;
    let row = CrlRow {
        issuer: authority.id.to_string(),
        shard: i64::from(shard),
        allocated: draft.number,
        number: draft.number,
        covers: draft.covers,
        this_update: now.as_second(),
        next_update: end.as_second(),
        der: list.der().to_vec(),
    };
    let event = Caller::system()
        .event(
            &app.sources,
            action::CA_CRL_PUBLISHED,
            object(authority, shard),
        )
        .with_detail(serde_json::json!({ "number": row.number, "entries": count }));
    let stored = app.store.write(event, move |w| w.publish_crl(&row)).await?;
    metrics::counter!("romduol_ca_crls_published_total").increment(1);
    Ok(stored)
}

async fn allocate(app: &App, authority: &IssuingAuthority, shard: u16) -> Result<Draft, Error> {
    let event = Caller::system().event(
        &app.sources,
        action::CA_CRL_INTENDED,
        object(authority, shard),
    );
    let (issuer, shard) = (authority.id.to_string(), i64::from(shard));
    let from = app.sources.unix().saturating_sub(KEEP_EXPIRED);
    let draft = app
        .store
        .write(event, move |w| {
            let number = w.allocate_crl_number(&issuer, shard)?;
            w.note("number", number);
            Ok(Draft {
                number,
                covers: w.last_revocation(&issuer, shard)?,
                revoked: w.list_revoked(&issuer, shard, from)?,
            })
        })
        .await?;
    Ok(draft)
}

/// Entries in the order of their numbers, as the list wants them.
fn entries(rows: Vec<RevokedRow>) -> Result<Vec<RevokedEntry>, Error> {
    let damaged = || Error::Internal("a stored revocation cannot be read".to_owned());
    let mut entries = rows
        .into_iter()
        .map(|row| {
            let serial: SerialNumber = row.serial.parse().map_err(|_| damaged())?;
            let reason = row
                .reason
                .and_then(|code| u8::try_from(code).ok())
                .and_then(|code| CrlReason::from_code(code).ok())
                .ok_or_else(damaged)?;
            let at = row
                .revoked_at
                .and_then(|at| u64::try_from(at).ok())
                .ok_or_else(damaged)?;
            let revoked_at: SystemTime = pki::time::from_seconds(at).map_err(|_| damaged())?;
            Ok(RevokedEntry {
                serial,
                revoked_at,
                reason,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    entries.sort_by(|left, right| left.serial.cmp(&right.serial));
    Ok(entries)
}

fn object(authority: &IssuingAuthority, shard: u16) -> String {
    format!("crl:{}/{shard}", authority.id)
}
