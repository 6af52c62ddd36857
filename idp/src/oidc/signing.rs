//! Making and checking tokens with the provider's own keys.

use domain::oidc::{Error, ErrorCode};
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use pki::jose::{self, Rules};
use serde_json::{Map, Value};

use super::failure::Failure;
use crate::app::App;

/// `typ` of an ID token.
pub(super) const ID_TOKEN: &str = "JWT";
/// `typ` of an access token (RFC 9068 §2.1).
pub(super) const ACCESS_TOKEN: &str = "at+jwt";

/// Signs claims in the token, off the request threads.
pub(super) async fn sign(
    app: &App,
    typ: &'static str,
    claims: Map<String, Value>,
) -> Result<String, Failure> {
    let state = app.oidc.clone();
    let signed = service::blocking(&app.pool, move || {
        let header = jose::header(typ, state.kid());
        let payload = Value::Object(claims).to_string();
        jose::sign_compact(header, payload.as_bytes(), state.signer().as_ref())
    })
    .await??;
    Ok(signed)
}

/// The claims of a token that this provider signed; expiry is the caller's to judge.
pub(super) fn verify_own(
    app: &App,
    typ: &'static str,
    token: &str,
) -> Result<Map<String, Value>, Error> {
    let schemes: Vec<SignatureScheme> = app
        .oidc
        .jwks()
        .keys
        .iter()
        .filter_map(jose::Jwk::scheme)
        .collect();
    let rules = Rules {
        allowed: &schemes,
        typ: &[typ],
    };
    let claims = jose::verify(token, app.oidc.jwks(), &rules, &OpenSslVerifier)
        .and_then(|verified| verified.claims())
        .map_err(|_| Error::new(ErrorCode::InvalidToken, "not a token of this provider"))?;
    if claims.get("iss").and_then(Value::as_str) != Some(super::issuer(app).as_str()) {
        return Err(Error::new(
            ErrorCode::InvalidToken,
            "a token of another issuer",
        ));
    }
    Ok(claims)
}
