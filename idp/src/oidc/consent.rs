//! `/consent`: what the ministry asks for and why, line by line; the person shares or does not.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::oidc::consent::answers;
use domain::oidc::decision::Step;
use domain::oidc::{Consent, Error, ErrorCode};

use super::consent_lines::{Line, day, lines};
use super::failure::Failure;
use super::interaction::{Interaction, Refusal, Visitor};
use super::issue::{Answer, finish, issue};
use super::{form_post, notice, read, reply};
use crate::app::App;
use crate::page::{Page, PageError, check_csrf, respond};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/consent").get(show).post(decide));
}

#[derive(Template)]
#[template(path = "oidc/consent.html")]
struct View {
    page: Page,
    client_id: String,
    request_uri: String,
    mark: String,
    organization: String,
    host: String,
    reason: String,
    keep: String,
    who: String,
    lines: Vec<Line>,
    grant_number: String,
    granted_by: String,
    legal_basis: String,
    ends: String,
}

async fn show(http: HttpRequest, app: Data<App>) -> Result<HttpResponse, PageError> {
    let parameters =
        read::query(&http).map_err(|error| PageError::bad_request(&http, &app, error))?;
    let (Some(client_id), Some(request_uri)) =
        (parameters.find("client_id"), parameters.find("request_uri"))
    else {
        return Ok(notice::page(&http, &app, "oidc-error-request-uri"));
    };
    let interaction = match Interaction::resume(&app, client_id, request_uri).await {
        Ok(interaction) => interaction,
        Err(refusal) => return notice::refusal(&http, &app, refusal),
    };
    match interaction.visitor(&http, &app).await {
        // Whatever else is missing, the authorization endpoint finds out.
        Ok(Some(visitor)) if interaction.next(&app, Some(&visitor), false) == Step::Consent => {
            Ok(page(&http, &app, &interaction, &visitor))
        }
        Ok(_) => Ok(reply::to(&format!("/authorize?{}", interaction.query()))),
        Err(failure) => failed(&http, &app, &interaction, failure),
    }
}

fn page(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
    visitor: &Visitor,
) -> HttpResponse {
    let page = Page::new(http, app, "oidc-consent-title").signed_in(true);
    let language = page.lang();
    let (client, grant) = (&interaction.client, &interaction.grant);
    let organization = client.organization.in_language(language).to_owned();
    let keep = grant.retention_days.map_or_else(
        || page.t("oidc-keep-by-law"),
        |days| page.t1("oidc-keep-days", "days", page.digits(&days.to_string())),
    );
    let view = View {
        client_id: client.id.to_string(),
        request_uri: interaction.request_uri(),
        mark: client.mark.clone(),
        host: client.display_host(),
        reason: grant.reason.in_language(language).to_owned(),
        keep,
        who: visitor.facts.latin.full(),
        lines: lines(&page, &interaction.asked(), &visitor.facts),
        grant_number: grant.number.clone(),
        granted_by: grant.granted_by.in_language(language).to_owned(),
        legal_basis: grant.legal_basis.in_language(language).to_owned(),
        ends: day(&page, consent_end(app, interaction)),
        page: page
            .clone()
            .with_title(page.t1("oidc-consent-title", "who", organization.as_str())),
        organization,
    };
    let mut response = respond(&view.page, &view, StatusCode::OK);
    let origin = interaction.request.reply_to.redirect_uri.origin();
    form_post::set_policy(&mut response, origin, "'none'");
    response
}

fn consent_end(app: &App, interaction: &Interaction) -> jiff::Timestamp {
    app.config
        .oidc
        .consent_end(app.sources.now())
        .min(interaction.grant.not_after)
}

/// What the form says; `share` stands once for each ticked line.
#[derive(Debug, Default)]
struct Form {
    csrf: Option<String>,
    client_id: String,
    request_uri: String,
    accepted: bool,
    ticked: BTreeSet<String>,
}

impl Form {
    fn parse(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            match name.as_ref() {
                "csrf" => form.csrf = Some(value.into_owned()),
                "client_id" => form.client_id = value.into_owned(),
                "request_uri" => form.request_uri = value.into_owned(),
                "decision" => form.accepted = value == "share",
                "share" => {
                    form.ticked.insert(value.into_owned());
                }
                _ => {}
            }
        }
        form
    }
}

async fn decide(
    http: HttpRequest,
    app: Data<App>,
    body: read::Body,
) -> Result<HttpResponse, PageError> {
    let form = Form::parse(&read::page_body(&http, &app, body)?);
    check_csrf(&http, &app, form.csrf.as_deref())?;
    let interaction = match Interaction::resume(&app, &form.client_id, &form.request_uri).await {
        Ok(interaction) => interaction,
        Err(refusal) => return notice::refusal(&http, &app, refusal),
    };
    let outcome = if form.accepted {
        share(&http, &app, &interaction, &form.ticked).await
    } else {
        decline(&http, &app, &interaction).await
    };
    match outcome {
        Ok(response) => response,
        Err(failure) => failed(&http, &app, &interaction, failure),
    }
}

async fn share(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
    ticked: &BTreeSet<String>,
) -> Result<Result<HttpResponse, PageError>, Failure> {
    let visitor = interaction.visitor(http, app).await?;
    let step = interaction.next(app, visitor.as_ref(), true);
    let Some(visitor) = visitor.filter(|_| step == Step::Issue) else {
        return Ok(Ok(reply::to(&format!(
            "/authorize?{}",
            interaction.query()
        ))));
    };
    let consent = Consent {
        id: app.sources.uuid(),
        person: visitor.session.person,
        client_id: interaction.client.id.clone(),
        grant_id: interaction.grant.id,
        shares: answers(&interaction.asked(), ticked),
        granted_at: app.sources.now(),
        expires_at: consent_end(app, interaction),
        withdrawn_at: None,
    };
    match issue(http, app, interaction, &visitor, consent, true).await? {
        Answer::Code(code) => Ok(reply::code(http, app, &interaction.request.reply_to, &code)),
        Answer::Spent => Ok(Ok(notice::page(http, app, "oidc-error-expired"))),
    }
}

async fn decline(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
) -> Result<Result<HttpResponse, PageError>, Failure> {
    if !finish(http, app, interaction).await? {
        return Ok(Ok(notice::page(http, app, "oidc-error-expired")));
    }
    let denied = Error::new(ErrorCode::AccessDenied, "the person did not consent");
    Ok(reply::error(
        http,
        app,
        &interaction.request.reply_to,
        &denied,
    ))
}

fn failed(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
    failure: Failure,
) -> Result<HttpResponse, PageError> {
    match failure {
        Failure::Protocol(error) => {
            let reply_to = Box::new(interaction.request.reply_to.clone());
            notice::refusal(http, app, Refusal::Reply(reply_to, error))
        }
        failure => Err(notice::failed(http, app, failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ticked_or_accepted_unless_said() {
        let form = Form::parse(b"csrf=x&decision=refuse&share=email");
        assert!(!form.accepted);
        let form = Form::parse(b"decision=share&share=email&share=address");
        assert!(form.accepted);
        assert_eq!(form.ticked.len(), 2);
        assert!(!Form::parse(b"").accepted);
    }
}
