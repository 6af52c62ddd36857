//! Issuing a certificate: intent before signature, one certificate per idempotency key.
//!
//! validate -> prepare and lint -> intent and audit event, durable -> sign -> verify -> compare -> store -> answer.
//! Once the intent is written the work runs to its end, whether or not the caller still listens.

mod order;
pub mod recovery;
mod sign;

use std::sync::Arc;

use domain::audit::action;
use domain::certificate::IntentState;
use store::StoreError;
use store::ca::{CertificateRow, IntentRow};
use tokio::time::{Duration, Instant};

pub use order::{IdempotencyKey, Order};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;

/// How long a request waits for another one under the same idempotency key.
const WAIT_FOR_TWIN: Duration = Duration::from_secs(20);
/// How often it looks, where the other one runs on another node.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Issues what `order` asks for, or gives the certificate that the same key got before.
pub async fn issue(
    app: &Arc<App>,
    caller: &Caller,
    order: Order,
    key: Option<IdempotencyKey>,
) -> Result<CertificateRow, Error> {
    let (inner, caller) = (Arc::clone(app), caller.clone());
    app.tasks
        .to_the_end(async move { run(&inner, &caller, &order, key.as_ref()).await })
        .await?
}

async fn run(
    app: &Arc<App>,
    caller: &Caller,
    order: &Order,
    key: Option<&IdempotencyKey>,
) -> Result<CertificateRow, Error> {
    let deadline = Instant::now() + WAIT_FOR_TWIN;
    loop {
        // Subscribed before looking, so that an end between look and wait is not missed.
        let mut ended = app.issuance_ended.subscribe();
        if let Some(key) = key {
            match earlier(app, caller, order, key).await? {
                Earlier::None => {}
                Earlier::Done(row) => return Ok(*row),
                Earlier::Running if Instant::now() >= deadline => {
                    return Err(Error::Conflict(
                        "a request with this Idempotency-Key is still running",
                    ));
                }
                Earlier::Running => {
                    // Either the twin ended here, or it may have ended on another node.
                    let _ = tokio::time::timeout(LOOK_AGAIN, ended.changed()).await;
                    continue;
                }
            }
        }
        let drafted = sign::draft(app, caller, order, key)?;
        match intend(app, caller, &drafted).await {
            Ok(()) => return sign::carry_out(app, caller, drafted).await,
            // Another request under the same key was first: see what became of it.
            Err(Error::Conflict(sign::KEY_TAKEN)) if key.is_some() => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is known of an idempotency key.
enum Earlier {
    None,
    Running,
    Done(Box<CertificateRow>),
}

async fn earlier(
    app: &App,
    caller: &Caller,
    order: &Order,
    key: &IdempotencyKey,
) -> Result<Earlier, Error> {
    let (name, key) = (caller.name.clone(), key.as_str().to_owned());
    let found = app
        .store
        .read(move |r| {
            let Some(intent) = r.find_intent_by_key(&name, &key)? else {
                return Ok(None);
            };
            let certificate = match intent.state()? {
                IntentState::Issued => r.find_certificate_of_intent(&intent.id)?,
                _ => None,
            };
            Ok(Some((intent, certificate)))
        })
        .await?;
    match found {
        None => Ok(Earlier::None),
        Some((intent, _)) if intent.request_hash != order.request_hash() => {
            Err(Error::IdempotencyMismatch)
        }
        Some((_, Some(certificate))) => Ok(Earlier::Done(Box::new(certificate))),
        Some((_, None)) => Ok(Earlier::Running),
    }
}

/// Writes the intent, unless the key is blocked or somebody else's; all in one transaction.
async fn intend(app: &App, caller: &Caller, drafted: &sign::Drafted) -> Result<(), Error> {
    let row: IntentRow = drafted.intent.clone();
    let event = caller
        .event(
            &app.sources,
            action::CA_CERTIFICATE_INTENDED,
            format!("certificate:{}", row.serial),
        )
        .with_detail(serde_json::json!({
            "issuer": row.issuer,
            "profile": row.profile,
            "intent": row.id,
            "tbs_sha256": crate::hex::encode(&drafted.tbs_hash),
        }));
    let outcome = app
        .store
        .write(event, move |w| {
            if w.is_key_blocked(&row.spki_hash)? {
                return Err(StoreError::Conflict(sign::KEY_BLOCKED));
            }
            if w.is_key_of_another(&row.spki_hash, &row.holder_hash)? {
                return Err(StoreError::Conflict(sign::KEY_OF_ANOTHER));
            }
            w.insert_intent(&row).map_err(|error| match error {
                StoreError::Conflict(_) => StoreError::Conflict(sign::KEY_TAKEN),
                other => other,
            })
        })
        .await;
    match outcome {
        Err(StoreError::Conflict(words)) if words != sign::KEY_TAKEN => {
            Err(Error::Key(words.to_owned()))
        }
        other => Ok(other?),
    }
}
