//! Client assertions: `private_key_jwt` (RFC 7523 §3, with the audience that FAPI 2.0 demands).

use domain::audit::{Actor, action};
use domain::oidc::{Client, Error, ErrorCode};
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use jiff::Timestamp;
use pki::jose::{self, Jwks, Rules};
use serde_json::{Map, Value};
use store::StoreError;

use super::failure::Failure;
use super::issue::event;
use crate::app::App;

/// `client_assertion_type` (RFC 7523 §2.2).
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Algorithms accepted for assertions (FAPI 2.0 Security Profile §5.4.1).
pub(super) const ASSERTION_ALGS: [SignatureScheme; 4] = [
    SignatureScheme::EcdsaP256Sha256,
    SignatureScheme::EcdsaP384Sha384,
    SignatureScheme::Ed25519,
    SignatureScheme::RsaPssSha256,
];

/// `typ` of an assertion: absent, the general one, or the explicit one of the updated RFC 7523.
const TYPES: [&str; 3] = ["", "JWT", "client-authentication+jwt"];
const MAX_JTI_LENGTH: usize = 256;

/// Who the assertion claims to be from; only good for finding the keys.
pub(super) fn issuer_of(token: &str) -> Option<String> {
    let claims = jose::parse_compact(token).ok()?.claims().ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// Checks an assertion of `client` and uses it up.
pub(super) async fn check(app: &App, client: &Client, token: &str) -> Result<(), Failure> {
    let keys = client
        .jwks
        .as_ref()
        .and_then(|jwks| Jwks::from_value(jwks).ok())
        .ok_or_else(refused)?;
    let rules = Rules {
        allowed: &ASSERTION_ALGS,
        typ: &TYPES,
    };
    let claims = jose::verify(token, &keys, &rules, &OpenSslVerifier)
        .and_then(|verified| verified.claims())
        .map_err(|cause| {
            tracing::info!(client = %client.id, %cause, "client assertion refused");
            refused()
        })?;
    let now = app.sources.now();
    let limits = Limits {
        life: i64::from(app.config.oidc.assertion_seconds),
        skew: i64::from(app.config.oidc.clock_skew_seconds),
    };
    let accepted = judge(
        &claims,
        client.id.as_str(),
        &super::issuer(app),
        now,
        limits,
    )
    .map_err(|reason| Error::new(ErrorCode::InvalidClient, reason))?;
    let id = client.id.clone();
    let jti = super::hash(&accepted.jti);
    let actor = Actor::Client { id: id.to_string() };
    let event = event(
        app,
        None,
        actor,
        action::IDP_ASSERTION_USED,
        format!("client:{id}"),
    );
    match app
        .store
        .write(event, move |w| {
            w.use_client_assertion(&id, &jti, accepted.dead_at)
        })
        .await
    {
        Err(StoreError::Conflict(_)) => {
            Err(Error::new(ErrorCode::InvalidClient, "the assertion was used before").into())
        }
        other => Ok(other?),
    }
}

fn refused() -> Failure {
    Error::new(ErrorCode::InvalidClient, "client authentication failed").into()
}

#[derive(Clone, Copy)]
struct Limits {
    life: i64,
    skew: i64,
}

#[derive(Debug, PartialEq)]
struct Accepted {
    jti: String,
    /// From when the assertion cannot count any more, so that its `jti` may be forgotten.
    dead_at: Timestamp,
}

/// The rules on claims: issuer and subject are the client, the audience is the issuer and nothing else, it lives now and
/// not for long, and it can be told from any other.
fn judge(
    claims: &Map<String, Value>,
    client: &str,
    issuer: &str,
    now: Timestamp,
    limits: Limits,
) -> Result<Accepted, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .map(Some)
            .ok_or("a time of the assertion is not a number"),
    };
    if text("iss") != Some(client) || text("sub") != Some(client) {
        return Err("iss and sub of the assertion must be the client_id");
    }
    // An array, or the URL of an endpoint, is refused: only the issuer identifier cannot be confused.
    if text("aud") != Some(issuer) {
        return Err("aud of the assertion must be the issuer identifier as a string");
    }
    let present = now.as_second();
    let exp = number("exp")?.ok_or("the assertion has no exp")?;
    if exp <= present {
        return Err("the assertion has expired");
    }
    if exp > present + limits.life + limits.skew {
        return Err("the assertion lives too long");
    }
    for name in ["nbf", "iat"] {
        if number(name)?.is_some_and(|from| from > present + limits.skew) {
            return Err("the assertion is not valid yet");
        }
    }
    let jti = text("jti")
        .filter(|jti| (1..=MAX_JTI_LENGTH).contains(&jti.len()))
        .ok_or("the assertion has no usable jti")?;
    let dead_at = Timestamp::from_second(exp).map_err(|_| "exp is not a time")?;
    Ok(Accepted {
        jti: jti.to_owned(),
        dead_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://id.gov.kh";

    fn check(changes: &[(&str, Value)]) -> Result<Accepted, &'static str> {
        let mut claims = json!({"iss": "gdt", "sub": "gdt", "aud": ISSUER, "exp": 1060, "iat": 1000, "jti": "1"});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let now = Timestamp::from_second(1000).unwrap();
        judge(
            claims.as_object().unwrap(),
            "gdt",
            ISSUER,
            now,
            Limits {
                life: 300,
                skew: 10,
            },
        )
    }

    #[test]
    fn a_sound_assertion_passes_also_from_a_clock_slightly_ahead() {
        assert_eq!(check(&[]).unwrap().jti, "1");
        assert!(check(&[("nbf", json!(1008)), ("iat", json!(1010))]).is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        for (name, value) in [
            ("iss", json!("nssf")),
            ("sub", json!("nssf")),
            ("aud", json!([ISSUER])),
            ("aud", json!("https://id.gov.kh/token")),
            ("aud", json!("https://id.gov.kh/par")),
            ("aud", json!("https://id.gov.kh/")),
            ("exp", json!(1000)),
            ("exp", json!(1311)),
            ("exp", json!("1060")),
            ("exp", Value::Null),
            ("nbf", json!(1060)),
            ("iat", json!(1011)),
            ("jti", json!("")),
            ("jti", Value::Null),
            ("jti", json!("x".repeat(257))),
        ] {
            assert!(check(&[(name, value.clone())]).is_err(), "{name} = {value}");
        }
    }
}
