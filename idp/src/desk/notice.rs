//! What the applicant is told by mail or text message once something was decided.

use domain::account::{Channel, Identifier};
use domain::kyc::CaseState;

use crate::account::AccountError;
use crate::app::App;
use crate::apply::Opened;
use crate::i18n;
use crate::outbox::{self, Message, PreparedMessage};

/// The notice for the state a case comes to; none where the applicant has nothing to learn yet.
pub(super) async fn prepare(
    app: &App,
    opened: &Opened,
    state: CaseState,
) -> Result<Option<PreparedMessage>, AccountError> {
    let kind = match state {
        CaseState::Approved => "case-approved",
        CaseState::Rejected => "case-rejected",
        CaseState::MoreInformation => "case-more",
        _ => return Ok(None),
    };
    let contact = opened
        .application
        .contact
        .as_ref()
        .filter(|contact| contact.verified_at.is_some());
    let Some(to) = contact.and_then(|contact| Identifier::parse(&contact.value).ok()) else {
        return Ok(None);
    };
    let locale = opened.row.locale;
    let number = opened.row.number.clone().unwrap_or_default();
    let link = format!("{}/apply/continue", app.config.origin());
    let subject = match to.kind().channel() {
        Channel::Email => i18n::text(locale, &format!("notice-{kind}-subject")),
        Channel::Sms => String::new(),
    };
    let text = i18n::text_with(
        locale,
        &format!("notice-{kind}-text"),
        [("number", number), ("link", link)],
    );
    Ok(Some(
        outbox::prepare(
            app,
            Message {
                kind,
                to,
                locale,
                subject,
                text,
            },
        )
        .await?,
    ))
}
