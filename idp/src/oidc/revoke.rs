//! `/revoke`: a client gives a token up (RFC 7009). The answer is the same whether there was such a token or not.

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{Actor, action};
use serde_json::Value;
use uuid::Uuid;

use super::failure::Failure;
use super::issue::event;
use super::signing::{self, ACCESS_TOKEN};
use super::token::required;
use super::{client_auth, read};
use crate::app::App;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/revoke").post(revoke));
}

async fn revoke(request: HttpRequest, app: Data<App>, body: read::Body) -> HttpResponse {
    match run(&request, &app, body).await {
        Ok(()) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Err(failure) => failure.into_response(client_auth::uses_header(&request)),
    }
}

/// A refresh token takes its family with it, an access token only itself (RFC 7009 §2.1).
async fn run(request: &HttpRequest, app: &App, body: read::Body) -> Result<(), Failure> {
    let parameters = read::unique_form(request, body)?;
    let client = client_auth::authenticate(request, app, &parameters).await?;
    let token = required(&parameters, "token")?;
    let jti = signing::verify_own(app, ACCESS_TOKEN, token)
        .ok()
        .and_then(|claims| {
            claims
                .get("jti")
                .and_then(Value::as_str)
                .and_then(|jti| Uuid::parse_str(jti).ok())
        });
    let hash = super::hash(token);
    let now = app.sources.now();
    let actor = Actor::Client {
        id: client.id.to_string(),
    };
    let object = format!("client:{}", client.id);
    let revoked = event(app, Some(request), actor, action::IDP_TOKEN_REVOKED, object);
    app.store
        .write(revoked, move |w| {
            if let Some(jti) = jti {
                return w.revoke_access_token(jti, &client.id, now);
            }
            match w.find_refresh_token_family(&hash, now)? {
                Some(family) if family.authorization.client_id == client.id => {
                    w.revoke_token_family(family.authorization.id, now)
                }
                _ => Ok(()),
            }
        })
        .await?;
    Ok(())
}
