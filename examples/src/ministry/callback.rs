//! `/callback`: the provider's answer, and everything that must be checked before it is believed.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use openidconnect::{
    AuthorizationCode, Nonce, OAuth2TokenResponse as _, PkceCodeVerifier, TokenResponse as _,
};
use serde::Deserialize;
use serde_json::Value;

use super::Ministry;
use super::failure::Failure;
use super::person::Person;
use super::proof;
use super::provider::{ALGORITHM, Endpoints};
use super::sessions::{Browser, Pending};

/// The answer in the query.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Ends a login.
pub(super) async fn receive(
    request: HttpRequest,
    ministry: Data<Ministry>,
    answer: Query<Answer>,
) -> Result<HttpResponse, Failure> {
    let config = &ministry.config;
    // Taken, not read: an answer is accepted once.
    let Some(Browser::Away(pending)) = ministry.sessions.take(&request, config) else {
        return Err(Failure::answer("this browser has no login on its way"));
    };
    if answer.state.as_deref() != Some(pending.state.as_str()) {
        return Err(Failure::answer("state is not ours"));
    }
    // RFC 9207: the answer must come from the provider that was asked.
    if answer.iss.as_deref() != Some(config.issuer.as_str()) {
        return Err(Failure::answer("iss is not the provider that was asked"));
    }
    if let Some(error) = &answer.error {
        return Err(Failure::refused(error));
    }
    let code = answer
        .code
        .clone()
        .ok_or_else(|| Failure::answer("no code"))?;
    let person = redeem(&ministry, pending, code).await?;
    let cookie = ministry
        .sessions
        .put(&request, config, Browser::Here(Box::new(person)));
    Ok(HttpResponse::SeeOther()
        .insert_header(("Location", "/"))
        .insert_header(("Cache-Control", "no-store"))
        .cookie(cookie)
        .finish())
}

async fn redeem(ministry: &Ministry, pending: Pending, code: String) -> Result<Person, Failure> {
    let config = &ministry.config;
    let (client, endpoints) = ministry
        .provider
        .client(config)
        .await
        .map_err(Failure::provider)?;
    let mut exchange = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(Failure::provider)?
        .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier));
    for (name, value) in proof::parameters(config).map_err(Failure::provider)? {
        exchange = exchange.add_extra_param(name, value);
    }
    let tokens = exchange
        .request_async(&|request| ministry.provider.call(request))
        .await
        .map_err(|error| Failure::provider(format!("token: {error:?}")))?;
    let id_token = tokens
        .id_token()
        .ok_or_else(|| Failure::answer("no ID token"))?;
    // Signature, issuer, audience, expiry and nonce (OpenID Connect Core §3.1.3.7).
    let verifier = client.id_token_verifier().set_allowed_algs([ALGORITHM]);
    let subject = id_token
        .claims(&verifier, &Nonce::new(pending.nonce))
        .map_err(|error| Failure::answer(format!("ID token: {error}")))?
        .subject()
        .to_string();
    let compact = id_token.to_string();
    let claims = payload(&compact).ok_or_else(|| Failure::answer("ID token is not a JWT"))?;
    let userinfo = userinfo(ministry, &endpoints, tokens.access_token().secret()).await?;
    // Without this a token could be swapped for that of another person (OpenID Connect Core §5.3.2).
    if userinfo.get("sub").and_then(Value::as_str) != Some(subject.as_str()) {
        return Err(Failure::answer("userinfo is about another person"));
    }
    Ok(Person::new(&compact, &claims, &userinfo))
}

async fn userinfo(
    ministry: &Ministry,
    endpoints: &Endpoints,
    access_token: &str,
) -> Result<Value, Failure> {
    ministry
        .provider
        .http()
        .get(&endpoints.userinfo_endpoint)
        .bearer_auth(access_token)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(Failure::provider)?
        .json()
        .await
        .map_err(Failure::provider)
}

/// The claims of a token whose signature was checked.
fn payload(compact: &str) -> Option<Value> {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let payload = compact.split('.').nth(1)?;
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()
}
