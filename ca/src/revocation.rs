//! Revoking a certificate: record, status log, blocked key and closed credential in one transaction.

use std::sync::Arc;

use domain::audit::action;
use domain::certificate::RevocationReason;
use store::ca::{CertificateRow, Revocation};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;

/// Revokes the certificate with this serial number; responders and lists follow at once.
pub(crate) async fn revoke(
    app: &Arc<App>,
    caller: &Caller,
    serial: String,
    reason: RevocationReason,
) -> Result<CertificateRow, Error> {
    let event = caller
        .event(
            &app.sources,
            action::CA_CERTIFICATE_REVOKED,
            format!("certificate:{serial}"),
        )
        .with_detail(serde_json::json!({ "reason": reason }));
    let at = app.sources.now();
    let row = app
        .store
        .write(event, move |w| {
            let row = w.revoke_certificate(Revocation {
                serial: &serial,
                reason,
                at,
            })?;
            w.note("issuer", row.issuer.as_str());
            w.note("profile", row.profile.as_str());
            let closed = w.close_credential_of(&serial)?;
            w.note("credential_closed", closed);
            Ok(row)
        })
        .await?;
    app.statuses_changed();
    app.revocations
        .send_modify(|count| *count = count.wrapping_add(1));
    metrics::counter!("romduol_ca_certificates_revoked_total", "reason" => reason.as_str())
        .increment(1);
    tracing::info!(serial = row.serial, %reason, "certificate revoked");
    Ok(row)
}
