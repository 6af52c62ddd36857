//! The background task that hands waiting messages to their carriers.

use std::time::Duration;

use domain::account::Channel;
use domain::audit::{Actor, AuditEvent, action};
use store::StoreError;
use store::idp::OutboxMessage;

use super::{OutboxConfig, OutboxError, open};
use crate::account::AccountError;
use crate::app::App;

/// Messages taken at once.
const BATCH: i64 = 20;
/// How long the transaction of a new message is given to commit after its bell.
const SETTLE: Duration = Duration::from_millis(100);
/// How long a claimed message is left to its sender before another may try it.
const CLAIM_SECONDS: i64 = 120;

/// Sends until the task is dropped; errors are logged and tried again.
pub async fn run(app: actix_web::web::Data<App>) {
    let pause = Duration::from_secs(u64::from(app.outbox.config.poll_seconds.max(1)));
    loop {
        match send_due(&app).await {
            Ok(0) => {
                // Either a new message or the timer; both lead to another look.
                if tokio::time::timeout(pause, app.outbox.wake.notified())
                    .await
                    .is_ok()
                {
                    tokio::time::sleep(SETTLE).await;
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "outbox");
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Tries every message that is due once; returns how many were tried.
pub async fn send_due(app: &App) -> Result<usize, AccountError> {
    let now = app.sources.now().as_second();
    let due = app
        .store
        .read(move |r| r.list_due_messages(now, BATCH))
        .await?;
    let count = due.len();
    for row in due {
        send_one(app, row).await?;
    }
    Ok(count)
}

async fn send_one(app: &App, row: OutboxMessage) -> Result<(), AccountError> {
    let id = row.id.clone();
    let again_at = app.sources.now().as_second().saturating_add(CLAIM_SECONDS);
    let attempts = row.attempts;
    let claimed = app
        .store
        .write(event(app, &row.id), move |w| {
            w.note("step", "claimed");
            w.claim_message(&id, attempts, again_at)
        })
        .await?;
    if !claimed {
        return Ok(());
    }
    let outcome = hand_over(app, &row).await;
    record(app, row, outcome).await?;
    Ok(())
}

async fn hand_over(app: &App, row: &OutboxMessage) -> Result<(), OutboxError> {
    let content = open(app, row)
        .await
        .map_err(|_| OutboxError::Carrier("content does not open".to_owned()))?
        .ok_or_else(|| OutboxError::Carrier("content is gone".to_owned()))?;
    let channel: Channel = row
        .channel
        .parse()
        .map_err(|_| OutboxError::Carrier("unknown channel".to_owned()))?;
    app.outbox.carrier.deliver(&row.id, channel, &content).await
}

async fn record(
    app: &App,
    row: OutboxMessage,
    outcome: Result<(), OutboxError>,
) -> Result<(), StoreError> {
    let now = app.sources.now();
    let tried = u32::try_from(row.attempts)
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let last = tried >= app.outbox.config.attempts_max;
    let again_at = OutboxConfig::next_attempt_at(now, tried);
    let keep = app.outbox.development;
    let label = if outcome.is_ok() { "sent" } else { "failed" };
    metrics::counter!("romduol_idp_messages_total", "channel" => row.channel.clone(), "outcome" => label)
        .increment(1);
    if let Err(error) = &outcome {
        tracing::warn!(message = %row.id, kind = %row.kind, attempts = tried, %error, "message not handed over");
    }
    app.store
        .write(event(app, &row.id), move |w| {
            w.note("step", label);
            match outcome {
                Ok(()) => w.finish_message(&row.id, now.as_second(), keep),
                Err(error) => w.fail_message(&row.id, &error.to_string(), again_at, last),
            }
        })
        .await
}

fn event(app: &App, id: &str) -> AuditEvent {
    AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::system("idp"),
        action::IDP_MESSAGE_TRIED,
        format!("message:{id}"),
    )
}
