//! Codes that show that somebody reads a mailbox or holds a telephone.
//!
//! The code is bound to who asks, to the address and to the moment; only its keyed hash is kept.

use domain::account::contact::{self, CODES_PER_DAY, RESEND_AFTER, SentCode};
use domain::account::{Channel, Identifier};
use domain::audit::{Actor, AuditEvent, action};
use domain::locale::Locale;
use jiff::{SignedDuration, Timestamp};
use store::StoreError;
use store::idp::ContactCode;
use uuid::Uuid;

pub use domain::account::contact::Verdict;

use super::{Message, prepare};
use crate::account::AccountError;
use crate::app::App;
use crate::i18n;

/// A code is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How it travels.
    pub channel: Channel,
    /// When it stops to count.
    pub expires_at: Timestamp,
}

/// Why no code was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// One was sent just now; ask again after this time.
    #[error("a code was sent just now")]
    TooSoon(SignedDuration),
    /// The address had its share of codes for today.
    #[error("too many codes for this address today")]
    TooMany,
    /// Our side failed.
    #[error(transparent)]
    Fault(#[from] AccountError),
}

/// Sends a code to `to` for `owner` (an application or account); earlier codes for the two no longer count.
pub async fn send_code(
    app: &App,
    owner: Uuid,
    to: &Identifier,
    locale: Locale,
) -> Result<Sent, SendError> {
    let now = app.sources.now();
    let target = target_index(app, to).await?;
    check_pace(app, target, now).await?;

    let channel = to.kind().channel();
    let code = contact::digits(app.sources.random::<4>());
    let hash = code_hash(app, owner, to, &code).await?;
    let minutes = contact::lifetime(channel).as_mins();
    let expires_at = now
        .saturating_add(contact::lifetime(channel))
        .unwrap_or(now);
    let message = prepare(app, text_of(to, locale, &code, minutes)).await?;
    let row = ContactCode {
        id: app.sources.uuid().to_string(),
        owner_id: owner.to_string(),
        channel: channel.as_str().to_owned(),
        target_index: target.to_vec(),
        code_hash: hash.to_vec(),
        tries: 0,
        created_at: now.as_second(),
        expires_at: expires_at.as_second(),
        used_at: None,
    };
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        Actor::Anonymous,
        action::IDP_CONTACT_SENT,
        format!("contact:{owner}"),
    )
    .with_detail(serde_json::json!({ "channel": channel.as_str() }));
    app.store
        .write(event, move |w| {
            w.insert_contact_code(&row)?;
            message.insert(w)
        })
        .await
        .map_err(AccountError::from)?;
    Ok(Sent {
        channel,
        expires_at,
    })
}

/// Judges a typed code for the same owner and address; a right one counts once.
pub async fn check_code(
    app: &App,
    owner: Uuid,
    to: &Identifier,
    typed: &str,
) -> Result<Verdict, AccountError> {
    let now = app.sources.now();
    let target = target_index(app, to).await?;
    // A code that cannot be one is still counted, by a hash that no code has.
    let normal = contact::normalise(typed).unwrap_or_default();
    let hash = code_hash(app, owner, to, &normal).await?;
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        Actor::Anonymous,
        action::IDP_CONTACT_CHECKED,
        format!("contact:{owner}"),
    );
    let verdict = app
        .store
        .write(event, move |w| {
            let Some(row) = w.find_contact_code(&owner.to_string(), &target)? else {
                w.note("verdict", "void");
                return Ok(Verdict::Void);
            };
            let sent = SentCode {
                expires_at: Timestamp::from_second(row.expires_at)
                    .map_err(|_| StoreError::Damaged("time"))?,
                tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
                used: row.used_at.is_some(),
            };
            let matches = openssl::memcmp::eq(&pad(&row.code_hash), &hash);
            let (kept, verdict) = sent.judge(matches, now);
            let used_at = if kept.used {
                row.used_at.or(Some(now.as_second()))
            } else {
                None
            };
            w.update_contact_code(&row.id, i64::from(kept.tries), used_at)?;
            w.note("verdict", word(verdict));
            Ok(verdict)
        })
        .await?;
    Ok(verdict)
}

async fn check_pace(app: &App, target: [u8; 32], now: Timestamp) -> Result<(), SendError> {
    let since = now
        .saturating_sub(SignedDuration::from_hours(24))
        .unwrap_or(now)
        .as_second();
    let times = app
        .store
        .read(move |r| r.list_contact_code_times(&target, since))
        .await
        .map_err(AccountError::from)?;
    if times.len() >= CODES_PER_DAY as usize {
        return Err(SendError::TooMany);
    }
    let newest = times
        .first()
        .and_then(|second| Timestamp::from_second(*second).ok());
    match newest.map(|newest| newest.duration_until(now)) {
        Some(passed) if passed < RESEND_AFTER => Err(SendError::TooSoon(RESEND_AFTER - passed)),
        _ => Ok(()),
    }
}

async fn target_index(app: &App, to: &Identifier) -> Result<[u8; 32], AccountError> {
    let (sealer, kind, value) = (
        app.sealer.clone(),
        to.kind().as_str(),
        to.normalised().to_owned(),
    );
    crate::account::in_token(app, move || sealer.blind_index(kind, &value)).await
}

async fn code_hash(
    app: &App,
    owner: Uuid,
    to: &Identifier,
    code: &str,
) -> Result<[u8; 32], AccountError> {
    let sealer = app.sealer.clone();
    let bound = format!("{owner}/{}/{code}", to.normalised());
    crate::account::in_token(app, move || sealer.blind_index("contact-code", &bound)).await
}

fn text_of(to: &Identifier, locale: Locale, code: &str, minutes: i64) -> Message {
    let (life_key, life) = if minutes >= 120 {
        ("outbox-hours", minutes / 60)
    } else {
        ("outbox-minutes", minutes)
    };
    let life = i18n::text_with(
        locale,
        life_key,
        [("count", i18n::digits(locale, &life.to_string()))],
    );
    Message {
        kind: "contact-code",
        to: to.clone(),
        locale,
        subject: i18n::text(locale, "outbox-code-subject"),
        text: i18n::text_with(
            locale,
            "outbox-code-text",
            [("code", code.to_owned()), ("life", life)],
        ),
    }
}

fn pad(hash: &[u8]) -> [u8; 32] {
    hash.try_into().unwrap_or([0; 32])
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Wrong { .. } => "wrong",
        Verdict::Void => "void",
    }
}
