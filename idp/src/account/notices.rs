//! What people are told by mail or text message about their account.

use domain::account::{Channel, Identifier};
use domain::locale::Locale;
use store::idp::Account;

use super::AccountError;
use super::activation::Invite;
use crate::app::App;
use crate::i18n;
use crate::outbox::{self, Message, PreparedMessage};

/// The invitation with its code by one way, and a word of it by the other.
pub(super) async fn invitation(
    app: &App,
    invite: &Invite,
    code: &str,
) -> Result<Vec<PreparedMessage>, AccountError> {
    let (carrier, informed) = match (&invite.phone, &invite.email) {
        (Some(phone), email) => (Some(phone), email.as_ref()),
        (None, email) => (email.as_ref(), None),
    };
    let mut messages = Vec::new();
    if let Some(to) = carrier {
        let link = format!("{}/account/activate?code={code}", app.config.origin());
        let days = i18n::digits(
            invite.locale,
            &app.config.account.invitation_days.to_string(),
        );
        let text = i18n::text_with(
            invite.locale,
            "notice-invitation-text",
            [("link", link), ("code", code.to_owned()), ("days", days)],
        );
        messages.push(Message {
            kind: "account-invitation",
            to: to.clone(),
            locale: invite.locale,
            subject: i18n::text(invite.locale, "notice-invitation-subject"),
            text,
        });
    }
    if let Some(to) = informed {
        messages.push(plain(
            to,
            invite.locale,
            "notice-invited",
            "account-invited",
        ));
    }
    prepare_all(app, messages).await
}

/// A warning to every address of an account that its ways to sign in changed; `key` is the text.
pub(super) async fn changed(
    app: &App,
    account: &Account,
    identifiers: &[Identifier],
    key: &'static str,
) -> Result<Vec<PreparedMessage>, AccountError> {
    let messages = identifiers
        .iter()
        .map(|to| plain(to, account.locale, key, "account-changed"))
        .collect();
    prepare_all(app, messages).await
}

fn plain(to: &Identifier, locale: Locale, key: &str, kind: &'static str) -> Message {
    let text = i18n::text(locale, &format!("{key}-text"));
    let subject = match to.kind().channel() {
        Channel::Email => i18n::text(locale, &format!("{key}-subject")),
        Channel::Sms => String::new(),
    };
    Message {
        kind,
        to: to.clone(),
        locale,
        subject,
        text,
    }
}

async fn prepare_all(
    app: &App,
    messages: Vec<Message>,
) -> Result<Vec<PreparedMessage>, AccountError> {
    let mut prepared = Vec::with_capacity(messages.len());
    for message in messages {
        prepared.push(outbox::prepare(app, message).await?);
    }
    Ok(prepared)
}
