//! Messages to people: written down sealed in the transaction of the act they tell of, sent by a background task.
//!
//! A message that was acknowledged survives a crash: it is claimed before each try and given up only after the last.
//! A crash between hand-over and record sends it a second time rather than not at all.

use std::sync::Arc;

use domain::account::{Channel, Identifier};
use domain::locale::Locale;
use serde::{Deserialize, Serialize};
use store::idp::OutboxMessage;
use store::sealing::Field;
use store::{StoreError, Writer};
use tokio::sync::Notify;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::account::AccountError;
use crate::app::App;

mod carrier;
mod config;
pub mod contact;
mod page;
mod sender;
mod sms;
mod smtp;

pub use config::{OutboxConfig, SmsConfig, SmtpConfig, SmtpEncryption};
pub use page::routes;
pub use sender::{run, send_due};

use carrier::Carrier;

/// Longest text message handed to the gateway, in characters.
const SMS_CHARACTERS_MAX: usize = 480;
/// Longest subject line.
const SUBJECT_CHARACTERS_MAX: usize = 200;

/// What is sent to whom; the texts are already in the recipient's language.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is about, as in `account-invitation`: shown in the log in place of the text.
    pub kind: &'static str,
    /// Where it goes.
    pub to: Identifier,
    /// Its language.
    pub locale: Locale,
    /// Subject line; unused in text messages.
    pub subject: String,
    /// The text, plain.
    pub text: String,
}

/// A sealed message that only has to be written down.
#[derive(Debug)]
#[must_use = "a message is sent only after it was inserted"]
pub struct PreparedMessage {
    row: OutboxMessage,
    wake: Arc<Notify>,
}

impl PreparedMessage {
    /// Writes the message down in the caller's transaction.
    pub fn insert(self, w: &mut Writer<'_>) -> Result<(), StoreError> {
        w.insert_message(&self.row)?;
        // The sender looks again after the commit; a wake-up that comes too early is made up for by its timer.
        self.wake.notify_one();
        Ok(())
    }
}

/// The carriers and the bell that wakes the sender.
#[derive(Clone)]
pub struct Outbox {
    config: OutboxConfig,
    carrier: Arc<Carrier>,
    wake: Arc<Notify>,
    development: bool,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("development", &self.development)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// Sets the carriers up. In development a channel without a carrier is delivered to the page `/outbox`; otherwise
    /// its messages wait until a carrier is configured.
    ///
    /// # Errors
    /// A setting that cannot work, in words for the operator.
    pub fn new(config: &OutboxConfig, development: bool) -> Result<Self, String> {
        let carrier = Carrier::new(config, development).map_err(|error| error.to_string())?;
        Ok(Self {
            config: config.clone(),
            carrier: Arc::new(carrier),
            wake: Arc::new(Notify::new()),
            development,
        })
    }

    /// Whether `/outbox` shows what was sent.
    pub fn is_development(&self) -> bool {
        self.development
    }
}

/// A message that could not be prepared or handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The configuration names something that is not there.
    #[error("outbox configuration: {0}")]
    Config(String),
    /// No carrier for this channel is configured.
    #[error("no carrier for {0}")]
    NoCarrier(Channel),
    /// The carrier refused the message or could not be reached.
    #[error("carrier: {0}")]
    Carrier(String),
}

/// Recipient, subject line and text, as sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    to: String,
    subject: String,
    text: String,
}

impl Drop for Content {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.to.zeroize();
        self.subject.zeroize();
        self.text.zeroize();
    }
}

/// Seals a message with a key of its own.
pub async fn prepare(app: &App, message: Message) -> Result<PreparedMessage, AccountError> {
    let id = app.sources.uuid();
    let now = app.sources.now();
    let channel = message.to.kind().channel();
    let content = Content {
        to: message.to.normalised().to_owned(),
        subject: one_line(&message.subject),
        text: match channel {
            Channel::Sms => message.text.chars().take(SMS_CHARACTERS_MAX).collect(),
            Channel::Email => message.text.clone(),
        },
    };
    let plain = Zeroizing::new(serde_json::to_vec(&content)?);
    let (random, nonce) = (app.sources.random::<32>(), app.sources.random::<12>());
    let sealer = app.sealer.clone();
    let (wrapped_key, content_sealed) = crate::account::in_token(app, move || {
        let (key, wrapped) = sealer.new_subject_key(id, random)?;
        Ok((
            wrapped,
            key.seal(&content_field(&id.to_string()), &plain, nonce)?,
        ))
    })
    .await?;
    let row = OutboxMessage {
        id: id.to_string(),
        kind: message.kind.to_owned(),
        channel: channel.as_str().to_owned(),
        locale: message.locale.tag().to_owned(),
        state: "queued".to_owned(),
        wrapped_key: Some(wrapped_key),
        content_sealed: Some(content_sealed),
        attempts: 0,
        next_attempt_at: now.as_second(),
        last_error: None,
        created_at: now.as_second(),
        sent_at: None,
        expires_at: app.outbox.config.row_expires_at(now),
    };
    Ok(PreparedMessage {
        row,
        wake: Arc::clone(&app.outbox.wake),
    })
}

/// Opens the content of a stored message; `None` once its key was destroyed.
async fn open(app: &App, row: &OutboxMessage) -> Result<Option<Content>, AccountError> {
    let (Some(wrapped_key), Some(stored)) = (row.wrapped_key.clone(), row.content_sealed.clone())
    else {
        return Ok(None);
    };
    let id = Uuid::parse_str(&row.id).map_err(|_| StoreError::Damaged("identifier"))?;
    let sealer = app.sealer.clone();
    let plain = crate::account::in_token(app, move || {
        let key = sealer.open_subject_key(id, &wrapped_key)?;
        key.open(&content_field(&id.to_string()), &stored)
    })
    .await?;
    Ok(Some(serde_json::from_slice(&plain)?))
}

fn content_field(id: &str) -> Field<'_> {
    Field {
        table: "outbox_messages",
        column: "content_sealed",
        row: id,
    }
}

/// A header value: no line breaks, bounded.
fn one_line(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(SUBJECT_CHARACTERS_MAX)
        .collect()
}
