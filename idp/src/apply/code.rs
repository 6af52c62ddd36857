//! `/apply/contact/code`: the code that came by mail or text message.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::account::{Identifier, IdentifierKind};
use domain::kyc::Step;
use serde::Deserialize;

use super::contact::send;
use super::draft::{self, Draft};
use super::fields::{Part, Text};
use super::start::Token;
use super::view::{StepView, page};
use crate::account::{AccountError, answer, in_token};
use crate::app::App;
use crate::outbox::contact::{Verdict, check_code};
use crate::page::{FormErrors, Page, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/apply/contact/code").get(show).post(take))
        .service(web::resource("/apply/contact/code/again").post(again));
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CodeForm {
    csrf: Option<String>,
    code: String,
}

/// The address that waits for its code, or the way to where the application stands.
async fn waiting(
    request: &HttpRequest,
    app: &App,
) -> Result<Result<(Draft, Identifier), HttpResponse>, AccountError> {
    let draft = match draft::editable(request, app, Step::Contact).await? {
        Ok(draft) => draft,
        Err(way) => return Ok(Err(way)),
    };
    let contact = draft.application.contact.as_ref();
    let to = contact
        .filter(|contact| contact.verified_at.is_none())
        .and_then(|contact| Identifier::parse(&contact.value).ok());
    Ok(match to {
        Some(to) => Ok((draft, to)),
        None => Err(see_other(&draft.next_path())),
    })
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        match waiting(&request, &app).await? {
            Ok((draft, to)) => Ok(view(
                page(&request, &app, "apply-code-title"),
                &draft,
                &to,
                None,
            )),
            Err(way) => Ok(way),
        }
    })
    .await
}

fn view(page: Page, draft: &Draft, to: &Identifier, error: Option<String>) -> HttpResponse {
    let mut errors = FormErrors::new();
    if let Some(error) = error {
        errors.add("code", error);
    }
    let key = match to.kind() {
        IdentifierKind::Email => "apply-code-sent-email",
        IdentifierKind::Phone => "apply-code-sent-phone",
    };
    let sent = page.t1(key, "to", to.normalised());
    let field = Text::new(&page, &errors, "code", "apply-code-label")
        .hint(page.t("apply-code-hint"))
        .autocomplete("one-time-code")
        .inputmode("numeric")
        .class("short");
    let again = page.t("apply-code-again");
    let mut view = StepView::new(page, errors, Step::Contact, draft).part(Part::Text(field));
    view.lead.push(sent);
    view.back = Some("/apply/contact".to_owned());
    "/apply/contact/code".clone_into(&mut view.action);
    view.second = Some(("/apply/contact/code/again".to_owned(), again));
    view.answer()
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<CodeForm>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let (mut draft, to) = match waiting(&request, &app).await? {
            Ok(found) => found,
            Err(way) => return Ok(way),
        };
        let page = page(&request, &app, "apply-code-title");
        let error = match check_code(&app, draft.row.id, &to, &form.code).await? {
            Verdict::Accepted => None,
            Verdict::Wrong { left } => {
                Some(page.t1("apply-code-wrong", "left", page.digits(&left.to_string())))
            }
            Verdict::Void => Some(page.t("apply-code-void")),
        };
        if error.is_some() {
            return Ok(view(page, &draft, &to, error));
        }
        // Only now, with the address proven, may its holder learn that it has an account.
        if has_account(&app, &to).await? {
            let error = Some(page.t("apply-contact-has-account"));
            return Ok(view(page, &draft, &to, error));
        }
        if let Some(contact) = &mut draft.application.contact {
            contact.verified_at = Some(app.sources.now());
        }
        draft::save(&request, &app, &draft, page.locale()).await?;
        Ok(see_other(&draft.next_path()))
    })
    .await
}

async fn has_account(app: &App, to: &Identifier) -> Result<bool, AccountError> {
    let (sealer, kind, value) = (app.sealer.clone(), to.kind(), to.normalised().to_owned());
    let index = in_token(app, move || sealer.blind_index(kind.as_str(), &value)).await?;
    let found = app
        .store
        .read(move |r| r.find_account_by_identifier(kind, &index))
        .await?;
    Ok(found.is_some())
}

async fn again(request: HttpRequest, app: Data<App>, form: Form<Token>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let (draft, to) = match waiting(&request, &app).await? {
            Ok(found) => found,
            Err(way) => return Ok(way),
        };
        let page = page(&request, &app, "apply-code-title");
        match send(&app, &draft, &to, &page).await? {
            None => Ok(see_other("/apply/contact/code")),
            Some(error) => Ok(view(page, &draft, &to, Some(error))),
        }
    })
    .await
}
