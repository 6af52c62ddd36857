//! Access tokens (RFC 9068) and ID tokens (OpenID Connect Core §2), and the answer that carries them.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::header;
use domain::oidc::authorization::FAL;
use domain::oidc::facts::released_claims;
use domain::oidc::{Authorization, ClientId, Scopes};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::idp::AccessTokenRecord;
use uuid::Uuid;

use super::failure::Failure;
use super::signing::{self, ACCESS_TOKEN, ID_TOKEN};
use crate::app::App;

/// Random octets of a refresh token.
pub(super) const REFRESH_OCTETS: usize = 32;

/// The record of an access token that is about to be signed.
pub(super) fn access_record(
    app: &App,
    client: &ClientId,
    family: Option<Uuid>,
    now: Timestamp,
) -> AccessTokenRecord {
    AccessTokenRecord {
        jti: app.sources.uuid(),
        family,
        client_id: client.clone(),
        issued_at: now,
        expires_at: app.config.oidc.access_token_end(now),
        revoked: false,
    }
}

/// The access token of a record for a person.
pub(super) async fn access_token(
    app: &App,
    record: &AccessTokenRecord,
    authorization: &Authorization,
    scopes: &Scopes,
) -> Result<String, Failure> {
    let audience = audience(app, &authorization.resources);
    let mut claims = base_claims(
        app,
        record,
        &authorization.subject,
        audience,
        &scopes.to_string(),
    );
    insert_sign_in(&mut claims, authorization);
    signing::sign(app, ACCESS_TOKEN, claims).await
}

/// The access token of a record for a machine that acts for itself: its subject is the client (RFC 9068 §2.2).
pub(super) async fn machine_token(
    app: &App,
    record: &AccessTokenRecord,
    resources: &BTreeSet<String>,
    scope: &str,
) -> Result<String, Failure> {
    let audience = audience(app, resources);
    let claims = base_claims(app, record, record.client_id.as_str(), audience, scope);
    signing::sign(app, ACCESS_TOKEN, claims).await
}

/// Without a resource the token is for this provider's own userinfo endpoint.
fn audience(app: &App, resources: &BTreeSet<String>) -> Value {
    let mut names = resources.iter();
    match (names.next(), names.next()) {
        (None, _) => json!(super::issuer(app)),
        (Some(only), None) => json!(only),
        _ => json!(resources),
    }
}

fn base_claims(
    app: &App,
    record: &AccessTokenRecord,
    subject: &str,
    audience: Value,
    scope: &str,
) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), json!(super::issuer(app)));
    claims.insert("sub".to_owned(), json!(subject));
    claims.insert("aud".to_owned(), audience);
    claims.insert("client_id".to_owned(), json!(record.client_id));
    claims.insert("scope".to_owned(), json!(scope));
    claims.insert("jti".to_owned(), json!(record.jti));
    claims.insert("iat".to_owned(), json!(record.issued_at.as_second()));
    claims.insert("exp".to_owned(), json!(record.expires_at.as_second()));
    claims
}

/// How the person signed in, and the grant and consent that the token rests on.
fn insert_sign_in(claims: &mut Map<String, Value>, authorization: &Authorization) {
    let sign_in = &authorization.sign_in;
    claims.insert("auth_time".to_owned(), json!(sign_in.auth_time.as_second()));
    if let Some(acr) = &sign_in.acr {
        claims.insert("acr".to_owned(), json!(acr));
    }
    claims.insert("amr".to_owned(), json!(sign_in.amr));
    claims.insert("ial".to_owned(), json!(sign_in.ial));
    claims.insert("aal".to_owned(), json!(sign_in.aal));
    claims.insert("fal".to_owned(), json!(FAL));
    claims.insert("grant_id".to_owned(), json!(authorization.grant_id));
    claims.insert("consent_id".to_owned(), json!(authorization.consent_id));
}

/// The ID token. Personal claims are in it only where they were asked for by name for the ID token.
pub(super) async fn id_token(
    app: &App,
    authorization: &Authorization,
    nonce: Option<&str>,
    now: Timestamp,
) -> Result<String, Failure> {
    let requested = &authorization.claims.id_token;
    let mut claims = if requested.claims.is_empty() && requested.verified.is_empty() {
        Map::new()
    } else {
        let facts = crate::apply::facts::load(app, authorization.person).await?;
        released_claims(&facts, &authorization.release, requested, false, now)
    };
    claims.insert("iss".to_owned(), json!(super::issuer(app)));
    claims.insert("sub".to_owned(), json!(authorization.subject));
    claims.insert("aud".to_owned(), json!(authorization.client_id));
    claims.insert("iat".to_owned(), json!(now.as_second()));
    claims.insert(
        "exp".to_owned(),
        json!(app.config.oidc.id_token_end(now).as_second()),
    );
    claims.insert("sid".to_owned(), json!(authorization.client_session_id));
    if let Some(nonce) = nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    insert_sign_in(&mut claims, authorization);
    signing::sign(app, ID_TOKEN, claims).await
}

/// The answer of the token endpoint (RFC 6749 §5.1).
pub(super) struct TokenAnswer {
    /// The access token.
    pub(super) access_token: String,
    /// Its record.
    pub(super) record: AccessTokenRecord,
    /// Its scope.
    pub(super) scope: String,
    /// The refresh token, if any.
    pub(super) refresh_token: Option<String>,
    /// The ID token, if any.
    pub(super) id_token: Option<String>,
}

impl TokenAnswer {
    /// The JSON answer, which nobody may store.
    pub(super) fn into_response(self) -> HttpResponse {
        let life = self.record.expires_at.as_second() - self.record.issued_at.as_second();
        let mut answer = Map::new();
        answer.insert("access_token".to_owned(), json!(self.access_token));
        answer.insert("token_type".to_owned(), json!("Bearer"));
        answer.insert("expires_in".to_owned(), json!(life));
        answer.insert("scope".to_owned(), json!(self.scope));
        for (name, token) in [
            ("refresh_token", self.refresh_token),
            ("id_token", self.id_token),
        ] {
            if let Some(token) = token {
                answer.insert(name.to_owned(), json!(token));
            }
        }
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"))
            .json(answer)
    }
}
