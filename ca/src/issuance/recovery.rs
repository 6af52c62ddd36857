//! Intents that a crash left without a result.
//!
//! Whether the signature was made is unknown, and nobody got it: the answer comes after storing. The serial number
//! stays on record and is never used again, so nothing is silently signed twice under it.

use domain::audit::{Actor, AuditEvent, action};
use domain::certificate::IntentOutcome;
use store::StoreError;

use crate::app::App;
use crate::error::Error;

/// Ends every intent that has been pending for longer than the configured time; gives how many.
pub async fn abandon_old_intents(app: &App) -> Result<usize, Error> {
    let before = app
        .sources
        .unix()
        .saturating_sub(app.config.limits.intent_seconds);
    let pending = app
        .store
        .read(move |r| r.list_pending_intents(before))
        .await?;
    let mut ended = 0;
    for intent in pending {
        let event = AuditEvent::new(
            app.sources.uuid(),
            app.sources.now(),
            Actor::system("ca"),
            action::CA_CERTIFICATE_ABANDONED,
            format!("certificate:{}", intent.serial),
        )
        .with_detail(serde_json::json!({
            "issuer": intent.issuer,
            "profile": intent.profile,
            "intent": intent.id,
        }));
        let (id, now) = (intent.id.clone(), app.sources.unix());
        let written = app
            .store
            .write(event, move |w| {
                w.end_intent(&id, IntentOutcome::Abandoned, None, now)
            })
            .await;
        match written {
            Ok(()) => {
                tracing::warn!(
                    serial = intent.serial,
                    intent = intent.id,
                    "intent abandoned"
                );
                ended += 1;
            }
            // It ended by itself meanwhile.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ended)
}
