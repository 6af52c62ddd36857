//! `/introspect`: whether a token counts (RFC 7662). A client learns about its own tokens, a resource server about those
//! that are for it.

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::oidc::{AuthMethod, Client, ErrorCode};
use serde_json::{Map, Value, json};

use super::failure::{Failure, refuse};
use super::token::required;
use super::{bearer, client_auth, read};
use crate::app::App;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/introspect").post(introspect));
}

async fn introspect(request: HttpRequest, app: Data<App>, body: read::Body) -> HttpResponse {
    match answer(&request, &app, body).await {
        Ok(members) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(members),
        Err(failure) => failure.into_response(client_auth::uses_header(&request)),
    }
}

async fn answer(request: &HttpRequest, app: &App, body: read::Body) -> Result<Value, Failure> {
    let parameters = read::unique_form(request, body)?;
    let client = client_auth::authenticate(request, app, &parameters).await?;
    if client.auth_method == AuthMethod::None {
        return Err(refuse(
            ErrorCode::InvalidClient,
            "a public client cannot introspect",
        ));
    }
    let token = required(&parameters, "token")?;
    match bearer::check(app, token).await {
        Ok(presented) if may_see(&client, &presented) => {
            Ok(Value::Object(active(presented.claims, "Bearer")))
        }
        Ok(_) | Err(Failure::Protocol(_)) => refresh_token(app, &client, token).await,
        Err(failure) => Err(failure),
    }
}

fn may_see(client: &Client, presented: &bearer::Presented) -> bool {
    let is_audience = |audience: &str| client.resources.contains(audience);
    let for_client = match presented.claims.get("aud") {
        Some(Value::String(audience)) => is_audience(audience),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(is_audience),
        _ => false,
    };
    presented.record.client_id == client.id || (client.may_introspect && for_client)
}

fn active(mut claims: Map<String, Value>, token_type: &str) -> Map<String, Value> {
    claims.insert("active".to_owned(), json!(true));
    claims.insert("token_type".to_owned(), json!(token_type));
    claims
}

/// A refresh token is shown to its own client alone; whatever else is asked about does not exist for the asker.
async fn refresh_token(app: &App, client: &Client, token: &str) -> Result<Value, Failure> {
    let hash = super::hash(token);
    let now = app.sources.now();
    let family = app
        .store
        .read(move |r| r.find_refresh_token_family(&hash, now))
        .await?
        .filter(|family| !family.revoked && family.authorization.client_id == client.id);
    Ok(family.map_or_else(
        || json!({ "active": false }),
        |family| {
            json!({
                "active": true,
                "iss": super::issuer(app),
                "sub": family.authorization.subject,
                "client_id": client.id,
                "scope": family.authorization.release.scopes.to_string(),
            })
        },
    ))
}
