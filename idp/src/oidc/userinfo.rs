//! `/userinfo` (OpenID Connect Core §5.3): the released claims of the person, by GET, by POST with header or body.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{Actor, action};
use domain::oidc::facts::released_claims;
use domain::oidc::{Authorization, Error, ErrorCode, Scope};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::issue::event;
use super::{bearer, read};
use crate::account::access_log::{self, Access, AccessBy};
use crate::app::App;

/// Carried back as it came, so that both sides find the exchange in their logs (FAPI 2.0 §5.3.4).
const INTERACTION_ID: HeaderName = HeaderName::from_static("x-fapi-interaction-id");

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/userinfo").get(userinfo).post(userinfo));
}

async fn userinfo(request: HttpRequest, app: Data<App>, body: read::Body) -> HttpResponse {
    let mut response = match answer(&request, &app, body).await {
        Ok(Some(claims)) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(claims),
        Ok(None) => bearer::challenge(None),
        Err(failure) => bearer::challenge(Some(failure)),
    };
    if let Some(id) = request.headers().get(&INTERACTION_ID)
        && id.to_str().is_ok_and(|id| id.parse::<uuid::Uuid>().is_ok())
    {
        let id: HeaderValue = id.clone();
        response.headers_mut().insert(INTERACTION_ID, id);
    }
    response
}

async fn answer(
    request: &HttpRequest,
    app: &App,
    body: read::Body,
) -> Result<Option<Map<String, Value>>, Failure> {
    let body = read::back_channel(body)?;
    let form = if body.is_empty() {
        None
    } else {
        Some(read::unique_form(request, Ok(body))?)
    };
    let Some(token) = bearer::read(request, form.as_ref())? else {
        return Ok(None);
    };
    let (presented, family) = bearer::check_for_us(app, &token).await?;
    let scopes = presented.scopes();
    if !scopes.contains(Scope::OpenId) {
        return Err(Error::new(ErrorCode::InsufficientScope, "the scope openid is missing").into());
    }
    let authorization = family.authorization;
    let now = app.sources.now();
    let facts = crate::apply::facts::load(app, authorization.person).await?;
    let release = authorization.release.narrowed(&scopes);
    let mut claims = released_claims(&facts, &release, &authorization.claims.userinfo, true, now);
    record(request, app, &authorization, &claims).await?;
    claims.insert("sub".to_owned(), json!(authorization.subject));
    Ok(Some(claims))
}

/// Writes the release down where its subject can read it, before it happens.
async fn record(
    request: &HttpRequest,
    app: &App,
    authorization: &Authorization,
    claims: &Map<String, Value>,
) -> Result<(), Failure> {
    let client_id = authorization.client_id.clone();
    let grant_id = authorization.grant_id;
    let now = app.sources.now();
    let (client, (grant, _)) = app
        .store
        .read(move |r| Ok((r.find_client(&client_id)?, r.load_access_grant(grant_id)?)))
        .await?;
    let name = client.map_or_else(String::new, |client| client.name.km);
    let row = access_log::prepare(
        app,
        &Access {
            subject: authorization.person,
            by: AccessBy::RelyingParty {
                client: authorization.client_id.to_string(),
                name,
            },
            purpose: grant.reason.km,
            items: claims.keys().cloned().collect(),
            reference: Some(grant.number),
        },
    );
    let actor = Actor::Client {
        id: authorization.client_id.to_string(),
    };
    let object = format!("consent:{}", authorization.consent_id);
    let released = event(
        app,
        Some(request),
        actor,
        action::IDP_CLAIMS_RELEASED,
        object,
    );
    let consent = authorization.consent_id;
    app.store
        .write(released, move |w| {
            w.touch_consent(consent, now)?;
            access_log::record(w, &row)
        })
        .await?;
    Ok(())
}
