//! The ways out: which carrier takes a channel.

use domain::account::Channel;

use super::sms::Sms;
use super::smtp::Smtp;
use super::{Content, OutboxConfig, OutboxError};

/// The configured carriers.
pub(super) struct Carrier {
    smtp: Option<Smtp>,
    sms: Option<Sms>,
    development: bool,
}

impl Carrier {
    /// Reads the secrets and sets the carriers up; nothing is contacted yet.
    pub(super) fn new(config: &OutboxConfig, development: bool) -> Result<Self, OutboxError> {
        Ok(Self {
            smtp: config.smtp.as_ref().map(Smtp::new).transpose()?,
            sms: config.sms.as_ref().map(Sms::new).transpose()?,
            development,
        })
    }

    /// Hands a message over; `Ok` means that the carrier took it. In development a channel without carrier is
    /// taken by the page `/outbox`.
    pub(super) async fn deliver(
        &self,
        id: &str,
        channel: Channel,
        content: &Content,
    ) -> Result<(), OutboxError> {
        match (channel, &self.smtp, &self.sms) {
            (Channel::Email, Some(smtp), _) => smtp.send(id, content).await,
            (Channel::Sms, _, Some(sms)) => sms.send(id, content).await,
            _ if self.development => Ok(()),
            _ => Err(OutboxError::NoCarrier(channel)),
        }
    }
}

/// A secret from its file.
pub(super) fn read_secret(path: &std::path::Path) -> Result<secrecy::SecretString, OutboxError> {
    service::config::read_secret(path).map_err(|error| OutboxError::Config(error.to_string()))
}
