//! How messages leave: a mail server, a gateway for text messages, and how long it is tried.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Wait before the second try, in seconds; it doubles with each further one.
const FIRST_RETRY_SECONDS: u64 = 15;
/// Longest wait between two tries, in seconds.
const LONGEST_RETRY_SECONDS: u64 = 3_600;

/// Section `[idp.outbox]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxConfig {
    /// The mail server; without one, mail waits (in development it is shown on `/outbox`).
    pub smtp: Option<SmtpConfig>,
    /// The gateway for text messages; without one, they wait (in development they are shown on `/outbox`).
    pub sms: Option<SmsConfig>,
    /// Tries after which a message is given up.
    pub attempts_max: u32,
    /// Days after which the record of a message (without its text) is removed.
    pub keep_days: u32,
    /// Seconds between two looks for waiting messages when nothing wakes the sender.
    pub poll_seconds: u32,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            smtp: None,
            sms: None,
            attempts_max: 12,
            keep_days: 30,
            poll_seconds: 5,
        }
    }
}

/// A mail server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Host name.
    pub host: String,
    /// Port: 587 for STARTTLS, 465 for TLS from the start.
    pub port: u16,
    /// How the connection is protected.
    #[serde(default)]
    pub encryption: SmtpEncryption,
    /// The sender's address, as in `Digital Identity <no-reply@id.example.kh>`.
    pub from: String,
    /// User name, when the server asks for one.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// Protection of the connection to the mail server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmtpEncryption {
    /// STARTTLS, required (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// None: for a server on the same machine.
    None,
}

/// A gateway that takes text messages by HTTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    /// Where `{"id","to","from","text"}` is posted as JSON; any 2xx answer accepts the message.
    pub url: String,
    /// The name shown as sender.
    pub from: String,
    /// File with the bearer token (RFC 6750), when the gateway asks for one.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Deadlines and trust anchors of the calls.
    #[serde(default)]
    pub http: service::HttpClientConfig,
}

impl OutboxConfig {
    /// When the record of a message may be removed.
    pub(super) fn row_expires_at(&self, now: Timestamp) -> i64 {
        let days = i64::from(self.keep_days);
        now.saturating_add(SignedDuration::from_hours(24 * days))
            .unwrap_or(now)
            .as_second()
    }

    /// When a message is tried again after its n-th try.
    pub(super) fn next_attempt_at(now: Timestamp, attempts: u32) -> i64 {
        let doublings = attempts.saturating_sub(1).min(16);
        let wait = (FIRST_RETRY_SECONDS << doublings).min(LONGEST_RETRY_SECONDS);
        now.as_second().saturating_add_unsigned(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let wait = |attempts| OutboxConfig::next_attempt_at(now, attempts) - now.as_second();
        assert_eq!(wait(1), 15);
        assert_eq!(wait(2), 30);
        assert_eq!(wait(12), 3_600);
        assert_eq!(wait(u32::MAX), 3_600);
    }
}
