//! `/apply/contact`: an e-mail address or telephone number, to which a code goes.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::account::{Identifier, IdentifierKind};
use domain::kyc::Step;
use domain::person::{Contact, ContactKind};
use serde::Deserialize;

use super::draft::{self, Draft};
use super::fields::{Part, Text};
use super::view::{StepView, page};
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::outbox::contact::{SendError, send_code};
use crate::page::{FormErrors, Page, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/contact").get(show).post(take));
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ContactForm {
    csrf: Option<String>,
    contact: String,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let draft = match draft::editable(&request, &app, Step::Contact).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let known = draft
            .application
            .contact
            .as_ref()
            .map(|contact| contact.value.clone());
        let page = page(&request, &app, "apply-contact-title");
        Ok(view(page, &draft, &known.unwrap_or_default(), None))
    })
    .await
}

fn view(page: Page, draft: &Draft, value: &str, error: Option<String>) -> HttpResponse {
    let mut errors = FormErrors::new();
    if let Some(error) = error {
        errors.add("contact", error);
    }
    let field = Text::new(&page, &errors, "contact", "apply-contact-label")
        .hint(page.t("apply-contact-hint"))
        .value(value)
        .autocomplete("email")
        .inputmode("email");
    StepView::new(page, errors, Step::Contact, draft)
        .lead("apply-contact-lead")
        .part(Part::Text(field))
        .answer()
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<ContactForm>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut draft = match draft::editable(&request, &app, Step::Contact).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let page = page(&request, &app, "apply-contact-title");
        let Ok(to) = Identifier::parse(&form.contact) else {
            let error = Some(page.t("apply-contact-wrong"));
            return Ok(view(page, &draft, &form.contact, error));
        };
        let known = draft.application.contact.as_ref();
        if known.is_some_and(|known| known.value == to.normalised() && known.verified_at.is_some())
        {
            return Ok(see_other(&draft.next_path()));
        }
        draft.application.contact = Some(Contact {
            kind: kind_of(&to),
            value: to.normalised().to_owned(),
            verified_at: None,
        });
        draft::save(&request, &app, &draft, page.locale()).await?;
        match send(&app, &draft, &to, &page).await? {
            None => Ok(see_other("/apply/contact/code")),
            Some(error) => Ok(view(page, &draft, &form.contact, Some(error))),
        }
    })
    .await
}

fn kind_of(to: &Identifier) -> ContactKind {
    match to.kind() {
        IdentifierKind::Email => ContactKind::Email,
        IdentifierKind::Phone => ContactKind::Phone,
    }
}

/// Sends a code; words for the page where that must wait.
pub(super) async fn send(
    app: &App,
    draft: &Draft,
    to: &Identifier,
    page: &Page,
) -> Result<Option<String>, AccountError> {
    match send_code(app, draft.row.id, to, page.locale()).await {
        Ok(_) => Ok(None),
        // The code sent just now still counts for whoever asked for it; another applicant waits.
        Err(SendError::TooSoon(wait)) => {
            let seconds = wait.as_secs().max(1).to_string();
            Ok(Some(page.t1(
                "apply-contact-too-soon",
                "seconds",
                page.digits(&seconds),
            )))
        }
        Err(SendError::TooMany) => Ok(Some(page.t("apply-contact-too-many"))),
        Err(SendError::Fault(error)) => Err(error),
    }
}
