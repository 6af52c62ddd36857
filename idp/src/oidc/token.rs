//! `/token`: the token endpoint (RFC 6749 §3.2).

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::oidc::client::ClientKind;
use domain::oidc::{Client, ErrorCode, Parameters};

use super::failure::{Failure, refuse};
use super::mint::TokenAnswer;
use super::{client_auth, read, token_code, token_machine, token_refresh};
use crate::app::App;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/token").post(token));
}

async fn token(request: HttpRequest, app: Data<App>, body: read::Body) -> HttpResponse {
    match grant(&request, &app, body).await {
        Ok(answer) => answer.into_response(),
        Err(failure) => failure.into_response(client_auth::uses_header(&request)),
    }
}

async fn grant(request: &HttpRequest, app: &App, body: read::Body) -> Result<TokenAnswer, Failure> {
    let parameters = read::unique_form(request, body)?;
    let client = client_auth::authenticate(request, app, &parameters).await?;
    let grant_type = parameters
        .find("grant_type")
        .ok_or_else(|| refuse(ErrorCode::InvalidRequest, "grant_type is required"))?;
    match grant_type {
        "authorization_code" => {
            check_kind(&client, ClientKind::Web)?;
            token_code::redeem(request, app, &client, &parameters).await
        }
        "refresh_token" => {
            check_kind(&client, ClientKind::Web)?;
            token_refresh::refresh(request, app, &client, &parameters).await
        }
        "client_credentials" => {
            check_kind(&client, ClientKind::Machine)?;
            token_machine::issue(request, app, &client, &parameters).await
        }
        _ => Err(refuse(
            ErrorCode::UnsupportedGrantType,
            "this grant_type is not offered",
        )),
    }
}

fn check_kind(client: &Client, kind: ClientKind) -> Result<(), Failure> {
    if client.kind == kind {
        Ok(())
    } else {
        Err(refuse(
            ErrorCode::UnauthorizedClient,
            "the client may not use this grant_type",
        ))
    }
}

/// A parameter without which the grant cannot be judged.
pub(super) fn required<'a>(
    parameters: &'a Parameters,
    name: &'static str,
) -> Result<&'a str, Failure> {
    parameters.find(name).ok_or_else(|| {
        Failure::Protocol(domain::oidc::Error::invalid_request(format!(
            "{name} is required"
        )))
    })
}
