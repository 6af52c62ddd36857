//! Taking over a ceremony's results: its certificates enter the records and the status log, its lists are the first
//! ones published. Done at every start; what is there already stays as it is.

use std::collections::BTreeSet;

use der::Encode;
use domain::audit::action;
use pki::Certificate;
use sha2::{Digest, Sha256};
use store::ca::{CertificateRow, CrlRow};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::hierarchy::ROOT_SHARD;

/// Brings certificates and lists that the database lacks into it; gives how many of both.
pub(crate) async fn ceremony_results(app: &App) -> Result<usize, Error> {
    let certificates = certificates(app)?;
    let lists = lists(app)?;
    let (wanted, heads) = (certificates.clone(), lists.clone());
    let missing = app
        .store
        .read(move |r| {
            let mut missing = 0;
            for row in &wanted {
                missing += usize::from(r.find_certificate(&row.serial)?.is_none());
            }
            for row in &heads {
                let present = r.find_crl(&row.issuer, row.shard)?;
                missing +=
                    usize::from(present.is_none_or(|present| present.allocated < row.number));
            }
            Ok(missing)
        })
        .await?;
    if missing == 0 {
        return Ok(0);
    }
    let event = Caller::system().event(
        &app.sources,
        action::CA_CEREMONY_IMPORTED,
        format!("hierarchy:{}", app.hierarchy.root.id),
    );
    let count = app
        .store
        .write(event, move |w| {
            let mut serials = BTreeSet::new();
            for row in &certificates {
                if w.find_certificate(&row.serial)?.is_none() {
                    w.insert_certificate(row)?;
                    serials.insert(row.serial.clone());
                }
            }
            let mut adopted = 0;
            for row in &lists {
                adopted += usize::from(w.adopt_crl(row)?);
            }
            w.note("lists", adopted);
            let count = serials.len() + adopted;
            w.note("serials", serials.into_iter().collect::<Vec<String>>());
            Ok(count)
        })
        .await?;
    app.statuses_changed();
    Ok(count)
}

fn certificates(app: &App) -> Result<Vec<CertificateRow>, Error> {
    let hierarchy = &app.hierarchy;
    let mut rows = Vec::new();
    for authority in &hierarchy.issuing {
        let certificate = &authority.issuer.certificate;
        let subject = certificate.subject().to_der().map_err(Error::internal)?;
        let issuer = hierarchy.root.id.to_string();
        rows.push(row(
            app,
            certificate,
            issuer,
            "issuing",
            ROOT_SHARD,
            &subject,
        )?);
    }
    for service in &hierarchy.services {
        let authority = hierarchy
            .issuing
            .iter()
            .find(|authority| authority.id == service.issuer)
            .ok_or_else(|| Error::Internal("a service certificate of no authority".to_owned()))?;
        let serial = service.certificate.serial().map_err(Error::internal)?;
        let shard = authority.issuer.publish.shard(&serial);
        let holder = serde_json::to_vec(&service.subject).map_err(Error::internal)?;
        let issuer = service.issuer.to_string();
        let profile = service.profile.as_str();
        rows.push(row(
            app,
            &service.certificate,
            issuer,
            profile,
            shard,
            &holder,
        )?);
    }
    Ok(rows)
}

fn row(
    app: &App,
    certificate: &Certificate,
    issuer: String,
    profile: &str,
    shard: u16,
    holder: &[u8],
) -> Result<CertificateRow, Error> {
    let spki = certificate.public_key().to_der().map_err(Error::internal)?;
    let not_after = i64::try_from(certificate.not_after()).map_err(Error::internal)?;
    Ok(CertificateRow {
        serial: certificate.serial().map_err(Error::internal)?.to_string(),
        issuer,
        shard: i64::from(shard),
        profile: profile.to_owned(),
        intent: None,
        caller: "ceremony".to_owned(),
        spki_hash: Sha256::digest(&spki).to_vec(),
        holder_hash: Sha256::digest(holder).to_vec(),
        certificate: certificate.der().to_vec(),
        not_before: i64::try_from(certificate.not_before()).map_err(Error::internal)?,
        not_after,
        status: "good".to_owned(),
        reason: None,
        revoked_at: None,
        created_at: app.sources.unix(),
        keep_until: app.keep_until(not_after),
    })
}

fn lists(app: &App) -> Result<Vec<CrlRow>, Error> {
    let root = &app.hierarchy.root;
    let mut rows = vec![list(root.id.to_string(), ROOT_SHARD, &root.crl)?];
    for authority in &app.hierarchy.issuing {
        for (shard, der) in (0_u16..).zip(&authority.first_crls) {
            rows.push(list(authority.id.to_string(), shard, der)?);
        }
    }
    Ok(rows)
}

fn list(issuer: String, shard: u16, der: &[u8]) -> Result<CrlRow, Error> {
    let parsed = pki::crl::parse(der)?;
    let damaged =
        || Error::Internal("a list of the ceremony lacks its number or next update".to_owned());
    let number = parsed.number()?.ok_or_else(damaged)?;
    let number = number
        .as_bytes()
        .iter()
        .try_fold(0_i64, |sum, octet| {
            sum.checked_mul(256)?.checked_add(i64::from(*octet))
        })
        .ok_or_else(damaged)?;
    let next_update = parsed.next_update().ok_or_else(damaged)?;
    Ok(CrlRow {
        issuer,
        shard: i64::from(shard),
        allocated: number,
        number,
        covers: 0,
        this_update: i64::try_from(parsed.this_update()).map_err(Error::internal)?,
        next_update: i64::try_from(next_update).map_err(Error::internal)?,
        der: der.to_vec(),
    })
}
