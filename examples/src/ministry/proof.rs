//! How the ministry proves itself to the provider: HTTP Basic, or an assertion signed with its own key.

use base64ct::{Base64UrlUnpadded, Encoding};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm};
use openidconnect::{CsrfToken, PrivateSigningKey};
use serde_json::json;

use super::config::{Config, Credential};

/// Life of an assertion in seconds.
const LIFE: i64 = 60;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The parameters that carry an assertion; none for a client with a secret.
pub(super) fn parameters(config: &Config) -> Result<Vec<(&'static str, String)>, String> {
    match &config.credential {
        Credential::Secret(_) => Ok(Vec::new()),
        Credential::Key(pem) => Ok(vec![
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", assertion(config, pem)?),
        ]),
    }
}

/// The secret of a client that has one.
pub(super) fn secret(config: &Config) -> Option<&str> {
    match &config.credential {
        Credential::Secret(secret) => Some(secret),
        Credential::Key(_) => None,
    }
}

/// An assertion for the provider alone (RFC 7523 §3): its audience is the issuer, it lives a minute and is used once.
fn assertion(config: &Config, pem: &str) -> Result<String, String> {
    let key = CoreEdDsaPrivateSigningKey::from_ed25519_pem(pem, None)
        .map_err(|error| format!("the client's key: {error}"))?;
    let now = now();
    let header = json!({ "alg": "EdDSA", "typ": "JWT" });
    let claims = json!({
        "iss": config.client_id,
        "sub": config.client_id,
        "aud": config.issuer,
        "iat": now,
        "exp": now + LIFE,
        "jti": CsrfToken::new_random().secret(),
    });
    let encode =
        |value: &serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let input = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key
        .sign(&CoreJwsSigningAlgorithm::EdDsa, input.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(format!(
        "{input}.{}",
        Base64UrlUnpadded::encode_string(&signature)
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this program is its own home of the clock"
)]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
