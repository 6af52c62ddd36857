//! Mail by SMTP (RFC 5321).

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

use super::carrier::read_secret;
use super::{Content, OutboxError, SmtpConfig, SmtpEncryption};

/// How long the server may take for one command.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection pool to the mail server.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    domain: String,
}

impl Smtp {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, OutboxError> {
        let bad = |error: String| OutboxError::Config(format!("smtp: {error}"));
        let from: Mailbox = config
            .from
            .parse()
            .map_err(|_| bad("from is no address".to_owned()))?;
        let builder = match config.encryption {
            SmtpEncryption::Starttls => {
                AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&config.host)
            }
            SmtpEncryption::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(&config.host),
            SmtpEncryption::None => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(
                &config.host,
            )),
        };
        let mut builder = builder
            .map_err(|error| bad(error.to_string()))?
            .port(config.port)
            .timeout(Some(TIMEOUT));
        if let (Some(username), Some(path)) = (&config.username, &config.password_file) {
            let password = read_secret(path)?;
            builder = builder.credentials(Credentials::new(
                username.clone(),
                password.expose_secret().to_owned(),
            ));
        }
        let domain = from.email.domain().to_owned();
        Ok(Self {
            transport: builder.build(),
            from,
            domain,
        })
    }

    /// Sends one mail; its Message-ID is the message's own, so that a second copy is recognised as one.
    pub(super) async fn send(&self, id: &str, content: &Content) -> Result<(), OutboxError> {
        let to: Mailbox = content
            .to
            .parse()
            .map_err(|_| OutboxError::Carrier("recipient is no mailbox".to_owned()))?;
        let mail = Mail::builder()
            .from(self.from.clone())
            .to(to)
            .subject(content.subject.as_str())
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            .header(ContentType::TEXT_PLAIN)
            .body(content.text.clone())
            .map_err(|error| OutboxError::Carrier(error.to_string()))?;
        // The server's words may repeat the address, so only their kind is kept.
        self.transport
            .send(mail)
            .await
            .map(|_| ())
            .map_err(|error| {
                let kind = match (error.is_permanent(), error.is_timeout(), error.is_tls()) {
                    (true, ..) => "refused by the mail server",
                    (_, true, _) => "mail server timed out",
                    (.., true) => "no TLS with the mail server",
                    _ => "mail server not reached",
                };
                OutboxError::Carrier(kind.to_owned())
            })
    }
}
