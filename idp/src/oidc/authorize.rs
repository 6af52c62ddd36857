//! `/authorize`: the authorization endpoint (OpenID Connect Core §3.1.2), by GET and POST.

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::locale::Locale;
use domain::oidc::Parameters;
use domain::oidc::decision::Step;

use super::failure::Failure;
use super::interaction::{Interaction, Refusal, Visitor};
use super::issue::{Answer, finish, issue};
use super::{notice, read, reply};
use crate::app::App;
use crate::page::PageError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/authorize").get(get).post(post))
        .service(web::resource("/authorize/continue").get(go_on));
}

async fn get(http: HttpRequest, app: Data<App>) -> Result<HttpResponse, PageError> {
    match read::query(&http) {
        Ok(parameters) => run(&http, &app, parameters).await,
        Err(error) => Err(PageError::bad_request(&http, &app, error)),
    }
}

/// A form from the client's site brings no session cookie (`SameSite=Lax`), so the request is kept and the browser
/// comes again by GET.
async fn post(
    http: HttpRequest,
    app: Data<App>,
    body: read::Body,
) -> Result<HttpResponse, PageError> {
    let parameters = read::page_form(&http, &app, body)?;
    let mut interaction = match Interaction::open(&app, parameters).await {
        Ok(interaction) => interaction,
        Err(refusal) => return notice::refusal(&http, &app, refusal),
    };
    let kept = interaction.keep(&http, &app).await;
    kept.map_err(|failure| notice::failed(&http, &app, failure))?;
    Ok(reply::to(&format!("/authorize?{}", interaction.query())))
}

/// Where sign-in comes back to.
async fn go_on(http: HttpRequest, app: Data<App>) -> Result<HttpResponse, PageError> {
    let parameters =
        read::query(&http).map_err(|error| PageError::bad_request(&http, &app, error))?;
    let (Some(client_id), Some(request_uri)) =
        (parameters.find("client_id"), parameters.find("request_uri"))
    else {
        return Ok(notice::page(&http, &app, "oidc-error-request-uri"));
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client_id)
        .append_pair("request_uri", request_uri)
        .finish();
    Ok(notice::go_on(&http, &app, format!("/authorize?{query}")))
}

async fn run(
    http: &HttpRequest,
    app: &App,
    parameters: Parameters,
) -> Result<HttpResponse, PageError> {
    let mut interaction = match Interaction::open(app, parameters).await {
        Ok(interaction) => interaction,
        Err(refusal) => return notice::refusal(http, app, refusal),
    };
    let outcome = proceed(http, app, &mut interaction).await;
    match outcome {
        Ok(response) => response,
        Err(Failure::Protocol(error)) => {
            let reply_to = Box::new(interaction.request.reply_to.clone());
            notice::refusal(http, app, Refusal::Reply(reply_to, error))
        }
        Err(failure) => Err(notice::failed(http, app, failure)),
    }
}

/// Takes the step that is next for the request.
async fn proceed(
    http: &HttpRequest,
    app: &App,
    interaction: &mut Interaction,
) -> Result<Result<HttpResponse, PageError>, Failure> {
    let visitor = interaction.visitor(http, app).await?;
    match interaction.next(app, visitor.as_ref(), false) {
        Step::SignIn { .. } => {
            interaction.keep(http, app).await?;
            Ok(Ok(reply::to(&sign_in_path(interaction))))
        }
        Step::Consent => {
            interaction.keep(http, app).await?;
            Ok(Ok(reply::to(&format!(
                "/consent?{}{}",
                interaction.query(),
                language(interaction)
            ))))
        }
        Step::Issue => answer(http, app, interaction, visitor).await,
        Step::Refuse(error) => {
            if finish(http, app, interaction).await? {
                Ok(reply::error(
                    http,
                    app,
                    &interaction.request.reply_to,
                    &error,
                ))
            } else {
                Ok(Ok(notice::page(http, app, "oidc-error-expired")))
            }
        }
    }
}

async fn answer(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
    visitor: Option<Visitor>,
) -> Result<Result<HttpResponse, PageError>, Failure> {
    // The step is reached with a session and a consent alone.
    let Some((visitor, consent)) = visitor.and_then(|v| v.consent.clone().map(|c| (v, c))) else {
        return Ok(Ok(notice::page(http, app, "oidc-error-expired")));
    };
    match issue(http, app, interaction, &visitor, consent, false).await? {
        Answer::Code(code) => Ok(reply::code(http, app, &interaction.request.reply_to, &code)),
        Answer::Spent => Ok(Ok(notice::page(http, app, "oidc-error-expired"))),
    }
}

/// The sign-in page, told to ask even where a session exists: it did not suffice.
fn sign_in_path(interaction: &Interaction) -> String {
    let back = format!("/authorize/continue?{}", interaction.query());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("return_to", &back)
        .append_pair("prompt", "login");
    if let Some(hint) = &interaction.request.login_hint {
        query.append_pair("login_hint", hint);
    }
    format!("/sign-in?{}{}", query.finish(), language(interaction))
}

/// The first language of `ui_locales` that the pages speak, as the parameter that switches them.
fn language(interaction: &Interaction) -> String {
    interaction
        .request
        .ui_locales
        .as_deref()
        .and_then(Locale::first_known)
        .map(|locale| format!("&lang={}", locale.tag()))
        .unwrap_or_default()
}
