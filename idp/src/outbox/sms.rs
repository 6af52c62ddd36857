//! Text messages through an HTTP gateway.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::carrier::read_secret;
use super::{Content, OutboxError, SmsConfig};

/// A gateway.
pub(super) struct Sms {
    http: reqwest::Client,
    url: String,
    from: String,
    token: Option<SecretString>,
}

/// What the gateway is handed; `id` lets it recognise a second copy.
#[derive(Serialize)]
struct Handover<'a> {
    id: &'a str,
    to: &'a str,
    from: &'a str,
    text: &'a str,
}

impl Sms {
    pub(super) fn new(config: &SmsConfig) -> Result<Self, OutboxError> {
        let url = url::Url::parse(&config.url)
            .map_err(|error| OutboxError::Config(format!("sms.url: {error}")))?;
        let http = service::http_client(&config.http)
            .map_err(|error| OutboxError::Config(format!("sms.http: {error}")))?;
        Ok(Self {
            http,
            url: url.into(),
            from: config.from.clone(),
            token: config.token_file.as_deref().map(read_secret).transpose()?,
        })
    }

    /// Hands one message over.
    pub(super) async fn send(&self, id: &str, content: &Content) -> Result<(), OutboxError> {
        let body = Handover {
            id,
            to: &content.to,
            from: &self.from,
            text: &content.text,
        };
        let mut request = self
            .http
            .post(&self.url)
            .header("Idempotency-Key", id)
            .json(&body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| {
            OutboxError::Carrier(format!("gateway not reached: {}", error.without_url()))
        })?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(OutboxError::Carrier(format!(
                "gateway answered {}",
                answer.status().as_u16()
            )))
        }
    }
}
