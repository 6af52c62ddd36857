//! `/sign-in/password`: password and code for the account behind an address or number.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::throttle::Held;
use domain::account::{Identifier, ReturnTo, password};
use domain::audit::{Actor, AuditEvent, action};
use serde::Deserialize;
use store::StoreError;
use zeroize::Zeroizing;

use super::{Asker, asker, target};
use crate::account::session::NewSession;
use crate::account::verifier::{self, Proven};
use crate::account::{AccountError, answer, lookup, throttle};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

/// The way that is counted.
pub(in crate::account) const WAY: &str = "password";

#[derive(Template)]
#[template(path = "account/sign_in_password.html")]
pub(super) struct View {
    pub(super) page: Page,
    errors: FormErrors,
    return_to: String,
    asker: Option<Asker>,
    identifier: String,
}

impl View {
    pub(super) async fn new(
        request: &HttpRequest,
        app: &App,
        target: &ReturnTo,
        identifier: &str,
    ) -> Self {
        let page = Page::new(request, app, "sign-in-password-title").signed_in(false);
        Self {
            asker: asker(app, target, &page).await,
            errors: FormErrors::new(),
            return_to: target.to_string(),
            identifier: identifier.to_owned(),
            page,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    identifier: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    code: Zeroizing<String>,
    return_to: Option<String>,
}

pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let target = target(form.return_to.as_deref());
        let text = match sign_in(&request, &app, &form).await {
            Ok(Some(session)) => {
                let mut response = see_other(target.as_str());
                let baked = response.add_cookie(&session.cookie());
                baked.map_err(|_| AccountError::Invalid("cookie"))?;
                return Ok(response);
            }
            Ok(None) => "sign-in-wrong",
            Err(AccountError::Held(Held::Wait(_))) => "sign-in-wait",
            Err(AccountError::Held(Held::Closed)) => "sign-in-closed",
            Err(error) => return Err(error),
        };
        let mut view = View::new(&request, &app, &target, &form.identifier).await;
        let text = view.page.t(text);
        view.errors.add("password", text);
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}

/// Counts, judges, and starts the session; `None` when anything does not fit.
async fn sign_in(
    request: &HttpRequest,
    app: &App,
    form: &Submitted,
) -> Result<Option<NewSession>, AccountError> {
    let Ok(identifier) = Identifier::parse(&form.identifier) else {
        return Ok(None);
    };
    let index = lookup::identifier_index(app, &identifier).await?;
    let counters = throttle::counters(request, WAY, &index);
    throttle::count(app, counters.clone(), WAY).await?;

    let password = Zeroizing::new(password::normalise(&form.password));
    let too_long = password.chars().count() > password::LENGTH_MAX;
    let judged = if too_long {
        None
    } else {
        verifier::judge(app, &identifier, index, password, &form.code).await?
    };
    let Some(proven) = judged else {
        refuse(app).await?;
        return Ok(None);
    };
    start(request, app, proven, counters).await
}

async fn start(
    request: &HttpRequest,
    app: &App,
    proven: Proven,
    counters: Vec<throttle::Counter>,
) -> Result<Option<NewSession>, AccountError> {
    let session = NewSession::prepare(app, request, &proven.account, proven.method())?;
    let event = session.event(
        app,
        Actor::Person {
            id: proven.account.subject,
        },
    );
    let now = app.sources.now().as_second();
    let started = app
        .store
        .write(event, move |w| {
            proven.spend(w, now)?;
            throttle::clear(w, &counters)?;
            session.insert(w)?;
            Ok(session)
        })
        .await;
    match started {
        Ok(session) => Ok(Some(session)),
        // The code was spent by somebody else between judging and writing.
        Err(StoreError::Conflict(_)) => {
            refuse(app).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn refuse(app: &App) -> Result<(), AccountError> {
    metrics::counter!("romduol_idp_refused_sign_ins_total", "way" => WAY).increment(1);
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::Anonymous,
        action::IDP_SIGNIN_REFUSED,
        format!("way:{WAY}"),
    );
    Ok(app.store.write(event, |_| Ok(())).await?)
}
