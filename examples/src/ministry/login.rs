//! `/login`: pushes the request to the provider and sends the browser after it (RFC 9126).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use openidconnect::core::{CoreAuthenticationFlow, CoreResponseType};
use openidconnect::{AuthenticationFlow, CsrfToken, Nonce, PkceCodeChallenge, Scope};
use serde::Deserialize;
use url::Url;

use super::Ministry;
use super::failure::Failure;
use super::proof;
use super::provider::{Client, Endpoints};
use super::sessions::{Browser, Pending};

#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

/// Begins a login.
pub(super) async fn start(
    request: HttpRequest,
    ministry: Data<Ministry>,
) -> Result<HttpResponse, Failure> {
    let config = &ministry.config;
    let (client, endpoints) = ministry
        .provider
        .client(config)
        .await
        .map_err(Failure::provider)?;
    let (url, pending) = compose(&ministry, &client);
    let request_uri = push(&ministry, &endpoints, &url)
        .await
        .map_err(Failure::provider)?;
    let mut target = Url::parse(&endpoints.authorization_endpoint).map_err(Failure::provider)?;
    target
        .query_pairs_mut()
        .append_pair("client_id", &config.client_id)
        .append_pair("request_uri", &request_uri);
    let cookie = ministry
        .sessions
        .put(&request, config, Browser::Away(pending));
    Ok(HttpResponse::SeeOther()
        .insert_header(("Location", target.as_str()))
        .insert_header(("Cache-Control", "no-store"))
        .cookie(cookie)
        .finish())
}

/// The authorization request as the crate composes it; its query is what gets pushed.
fn compose(ministry: &Ministry, client: &Client) -> (Url, Pending) {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow: CoreAuthenticationFlow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
    // The crate adds `openid` by itself.
    let scopes = ministry
        .config
        .scope
        .split(' ')
        .filter(|scope| !scope.is_empty() && *scope != "openid")
        .map(|scope| Scope::new(scope.to_owned()));
    let mut request = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(scopes)
        .set_pkce_challenge(challenge);
    if !ministry.config.acr_values.is_empty() {
        request = request.add_extra_param("acr_values", ministry.config.acr_values.as_str());
    }
    let (url, state, nonce) = request.url();
    let pending = Pending {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
    };
    (url, pending)
}

async fn push(ministry: &Ministry, endpoints: &Endpoints, url: &Url) -> Result<String, String> {
    let config = &ministry.config;
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(url.query_pairs())
        .extend_pairs(proof::parameters(config)?)
        .finish();
    let mut call = ministry
        .provider
        .http()
        .post(&endpoints.pushed_authorization_request_endpoint)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    if let Some(secret) = proof::secret(config) {
        call = call.basic_auth(&config.client_id, Some(secret));
    }
    let answer = call.send().await.map_err(|error| error.to_string())?;
    let status = answer.status();
    if status != reqwest::StatusCode::CREATED {
        let text = answer.text().await.unwrap_or_default();
        return Err(format!("pushed request: {status} {text}"));
    }
    let pushed: Pushed = answer.json().await.map_err(|error| error.to_string())?;
    Ok(pushed.request_uri)
}
