//! `/apply`: what people need before they begin, and the beginning itself.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::code;
use domain::audit::{Actor, action};
use domain::kyc::{Application, Case};
use serde::Deserialize;
use store::idp::KycCase;

use super::vault::{application_field, event, seal};
use super::{cookie, draft, throttle};
use crate::account::{AccountError, answer, in_token};
use crate::app::App;
use crate::page::{Page, check_csrf, respond, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply").get(show).post(begin));
}

#[derive(Template)]
#[template(path = "apply/start.html")]
struct View {
    page: Page,
    /// Where an application that was begun goes on.
    open: Option<String>,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let open = draft::find(&request, &app).await?.map(|draft| {
            if draft.row.case.state.is_editable() && draft.row.number.is_none() {
                draft.next_path()
            } else {
                "/apply/status".to_owned()
            }
        });
        let view = View {
            page: Page::new(&request, &app, "apply-start-title"),
            open,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

/// A form that carries its token alone.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) csrf: Option<String>,
}

async fn begin(request: HttpRequest, app: Data<App>, form: Form<Token>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        throttle::count(&request, &app, "apply-begin").await?;
        let locale = Page::new(&request, &app, "apply-start-title").locale();
        let code = open_case(&request, &app, locale).await?;
        let mut response = see_other("/apply/who");
        response
            .add_cookie(&cookie::bake(&code, app.config.secure()))
            .map_err(|_| AccountError::Invalid("cookie"))?;
        Ok(response)
    })
    .await
}

/// Mints subject, key and code, and writes the empty draft; returns the code.
async fn open_case(
    request: &HttpRequest,
    app: &App,
    locale: domain::locale::Locale,
) -> Result<String, AccountError> {
    let (subject, id, now) = (app.sources.uuid(), app.sources.uuid(), app.sources.unix());
    let code = code::format(app.sources.random());
    let hash = cookie::hash(&code).ok_or(AccountError::Invalid("continuation code"))?;
    let (sealer, random) = (app.sealer.clone(), app.sources.random::<32>());
    let (key, wrapped) = in_token(app, move || sealer.new_subject_key(subject, random)).await?;
    let row = id.to_string();
    let sealed = seal(
        &key,
        &application_field(&row),
        &Application::default(),
        app.sources.random(),
    )?;
    let case = KycCase {
        id,
        number: None,
        code_hash: hash.to_vec(),
        locale,
        document: None,
        document_index: None,
        application_sealed: sealed,
        case: Case::draft(subject),
        created_at: now,
        updated_at: now,
        submitted_at: None,
        decided_at: None,
        expires_at: Some(now + i64::from(app.config.apply.draft_days) * 86_400),
    };
    let actor = Actor::Person { id: subject };
    let event = event(
        request,
        app,
        actor,
        action::IDP_CASE_OPENED,
        format!("case:{id}"),
    );
    app.store
        .write(event, move |w| {
            w.insert_subject_key(subject, &wrapped, now)?;
            w.insert_case(&case)
        })
        .await?;
    Ok(code)
}
