//! Removing what has passed its time.

use domain::audit::{Actor, AuditEvent, action};
use jiff::SignedDuration;

use super::AccountError;
use crate::app::App;

/// Removes expired invitations, enrolments, ceremonies, sessions, counters, messages, codes, access records and
/// documents; returns how many rows went. Call it every few minutes.
pub async fn run(app: &App) -> Result<usize, AccountError> {
    let now = app.sources.now();
    let keep = SignedDuration::from_hours(24 * i64::from(app.config.account.session_keep_days));
    let before = now.saturating_sub(keep).unwrap_or(now).as_second();
    let now_second = now.as_second();
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        Actor::system("idp"),
        action::IDP_RECORDS_CLEANED,
        "room:account",
    );
    let removed = app
        .store
        .write(event, move |w| {
            let removed = w.clean_enrolments(now_second)?
                + w.clean_sessions(before, now_second)?
                + w.clean_outbox(now_second)?
                + w.clean_data_accesses(now_second)?
                + w.clean_signing_documents(now_second)?;
            w.note("rows", removed);
            Ok(removed)
        })
        .await?;
    Ok(removed)
}
