//! `/sign-in/recover`: for those who lost what they signed in with. A printed recovery code and a code sent to a
//! verified address (NIST SP 800-63B §4.2: two codes by different ways) lead to choosing new ways to sign in.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::throttle::Held;
use domain::account::{AccountState, Identifier, code};
use domain::audit::{Actor, AuditEvent, action};
use serde::Deserialize;
use store::idp::{Account, AccountKind};
use uuid::Uuid;

use crate::account::{AccountError, answer, enrol, lookup, throttle};
use crate::app::App;
use crate::outbox::contact::{self, SendError, Verdict};
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

/// The way that is counted.
const WAY: &str = "recovery";

#[derive(Template)]
#[template(path = "account/recover.html")]
struct View {
    page: Page,
    errors: FormErrors,
    identifier: String,
}

#[derive(Template)]
#[template(path = "account/recover_code.html")]
struct CodeView {
    page: Page,
    errors: FormErrors,
    identifier: String,
    recovery_code: String,
    masked: String,
}

#[derive(Deserialize)]
pub(super) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    identifier: String,
    #[serde(default)]
    recovery_code: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let view = View {
        page: Page::new(&request, &app, "recover-title").signed_in(false),
        errors: FormErrors::new(),
        identifier: String::new(),
    };
    respond(&view.page, &view, StatusCode::OK)
}

/// Judges the recovery code and sends the second one.
pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let text = match judge(&request, &app, &form, true).await {
            Ok(Some(found)) => match send(&app, &found).await {
                Ok(()) | Err(SendError::TooSoon(_)) => {
                    let view = code_view(&request, &app, &form, &found.identifier, None);
                    return Ok(respond(&view.page, &view, StatusCode::OK));
                }
                Err(SendError::TooMany) => "sign-in-wait",
                Err(SendError::Fault(error)) => return Err(error),
            },
            Ok(None) => "recover-wrong",
            Err(AccountError::Held(Held::Wait(_) | Held::Closed)) => "sign-in-wait",
            Err(error) => return Err(error),
        };
        let page = Page::new(&request, &app, "recover-title").signed_in(false);
        let mut errors = FormErrors::new();
        errors.add("recovery-code", page.t(text));
        let view = View {
            page,
            errors,
            identifier: form.identifier.clone(),
        };
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}

/// Judges both codes and begins the enrolment.
pub(super) async fn confirm(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let Some(found) = judge(&request, &app, &form, false).await? else {
            return Ok(see_other("/sign-in/recover"));
        };
        let verdict =
            contact::check_code(&app, found.account.id, &found.identifier, &form.code).await?;
        let text = match verdict {
            Verdict::Accepted => return begin(&app, found).await,
            Verdict::Wrong { .. } => "recover-digits-wrong",
            Verdict::Void => "recover-digits-void",
        };
        let view = code_view(&request, &app, &form, &found.identifier, Some(text));
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}

/// An account whose holder showed an unused recovery code.
struct Found {
    account: Account,
    identifier: Identifier,
    hash: [u8; 32],
}

/// Staff do not recover by themselves: their chief has them added anew.
async fn judge(
    request: &HttpRequest,
    app: &App,
    form: &Submitted,
    count: bool,
) -> Result<Option<Found>, AccountError> {
    let Ok(identifier) = Identifier::parse(&form.identifier) else {
        return Ok(None);
    };
    let index = lookup::identifier_index(app, &identifier).await?;
    if count {
        throttle::count(app, throttle::counters(request, WAY, &index), WAY).await?;
    }
    let Some(normal) = code::normalise(&form.recovery_code) else {
        return Ok(None);
    };
    let kind = identifier.kind();
    let account = app
        .store
        .read(move |r| r.find_account_by_identifier(kind, &index))
        .await?
        .filter(|a| a.state == AccountState::Active && a.kind == AccountKind::Citizen);
    let id = account.as_ref().map_or(Uuid::nil(), |account| account.id);
    let hash = lookup::recovery_hash(app, id, &normal).await?;
    let has = app
        .store
        .read(move |r| r.has_recovery_code(id, &hash))
        .await?;
    Ok(account.filter(|_| has).map(|account| Found {
        account,
        identifier,
        hash,
    }))
}

async fn send(app: &App, found: &Found) -> Result<(), SendError> {
    let locale = found.account.locale;
    contact::send_code(app, found.account.id, &found.identifier, locale)
        .await
        .map(|_| ())
}

async fn begin(app: &App, found: Found) -> Result<HttpResponse, AccountError> {
    let (enrolment, cookie) =
        enrol::prepare(app, &found.account, enrol::Purpose::Recovery, None).await?;
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::Person {
            id: found.account.subject,
        },
        action::IDP_ENROLMENT_ADVANCED,
        format!("account:{}", found.account.id),
    )
    .with_detail(serde_json::json!({ "step": "recovery-opened" }));
    let now = app.sources.unix();
    app.store
        .write(event, move |w| {
            w.spend_recovery_code(found.account.id, &found.hash, now)?;
            w.insert_enrolment(&enrolment)
        })
        .await?;
    let mut response = see_other("/account/activate/choose");
    response
        .add_cookie(&cookie)
        .map_err(|_| AccountError::Invalid("cookie"))?;
    Ok(response)
}

fn code_view(
    request: &HttpRequest,
    app: &App,
    form: &Submitted,
    identifier: &Identifier,
    error: Option<&str>,
) -> CodeView {
    let page = Page::new(request, app, "recover-code-title").signed_in(false);
    let mut errors = FormErrors::new();
    if let Some(key) = error {
        errors.add("code", page.t(key));
    }
    CodeView {
        errors,
        identifier: form.identifier.clone(),
        recovery_code: form.recovery_code.clone(),
        masked: identifier.masked(),
        page,
    }
}
