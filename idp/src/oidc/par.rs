//! `/par`: pushed authorization requests (RFC 9126).

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{Actor, action};
use domain::oidc::client::ClientKind;
use domain::oidc::request::ReplyTo;
use domain::oidc::{AuthorizationRequest, Error, ErrorCode};
use serde_json::json;
use store::idp::StoredRequest;

use super::failure::{Failure, refuse};
use super::interaction::{AUTHENTICATION_PARAMETERS, HANDLE_OCTETS, REQUEST_URI_PREFIX};
use super::issue::event;
use super::{client_auth, read};
use crate::app::App;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/par").post(push));
}

async fn push(request: HttpRequest, app: Data<App>, body: read::Body) -> HttpResponse {
    accept(&request, &app, body)
        .await
        .unwrap_or_else(|failure| failure.into_response(client_auth::uses_header(&request)))
}

async fn accept(
    request: &HttpRequest,
    app: &App,
    body: read::Body,
) -> Result<HttpResponse, Failure> {
    let parameters = read::unique_form(request, body)?;
    let client = client_auth::authenticate(request, app, &parameters).await?;
    if client.kind != ClientKind::Web {
        return Err(refuse(
            ErrorCode::UnauthorizedClient,
            "the client has no authorization code flow",
        ));
    }
    if parameters.contains("request_uri") {
        return Err(refuse(
            ErrorCode::InvalidRequest,
            "request_uri cannot be pushed",
        ));
    }
    let now = app.sources.now();
    let id = client.id.clone();
    let grant = app
        .store
        .read(move |r| r.find_access_grant(&id, now))
        .await?
        .ok_or_else(|| refuse(ErrorCode::UnauthorizedClient, "no access grant is in force"))?;
    let reply_to = ReplyTo::find(&parameters, &client)
        .map_err(|no_reply| Error::invalid_request(no_reply.to_string()))?;
    AuthorizationRequest::parse(&parameters, &client, &grant, reply_to)?;

    let handle = app.sources.token(HANDLE_OCTETS);
    let handle_hash = super::hash(&handle);
    let expires_at = app.config.oidc.request_end(now);
    let stored = StoredRequest {
        client_id: client.id.clone(),
        parameters: parameters.without(&AUTHENTICATION_PARAMETERS),
        started_at: None,
        expires_at,
        finished: false,
    };
    let actor = Actor::Client {
        id: client.id.to_string(),
    };
    let object = format!("client:{}", client.id);
    let event = event(
        app,
        Some(request),
        actor,
        action::IDP_REQUEST_PUSHED,
        object,
    );
    app.store
        .write(event, move |w| {
            w.insert_authorization_request(&handle_hash, &stored, now)
        })
        .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({
            "request_uri": format!("{REQUEST_URI_PREFIX}{handle}"),
            "expires_in": expires_at.as_second() - now.as_second(),
        })))
}
