//! Metadata (OpenID Connect Discovery 1.0 §3, RFC 8414) and the key set.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Data};
use domain::assurance::{ACR_VALUES, TRUST_FRAMEWORK};
use domain::document::DocumentKind;
use domain::evidence::CheckKind;
use domain::oidc::Scope;
use domain::oidc::scope::VERIFIED_CLAIMS;
use serde_json::{Value, json};

use super::assertion::ASSERTION_ALGS;
use crate::app::App;

/// How long clients may keep metadata and keys; shorter than any key is announced before its use.
const CACHE_CONTROL: &str = "public, max-age=300";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/.well-known/openid-configuration").get(metadata))
        .service(web::resource("/.well-known/oauth-authorization-server").get(metadata))
        .service(web::resource("/jwks").get(jwks));
}

async fn metadata(app: Data<App>) -> HttpResponse {
    public_json(&document(&app))
}

async fn jwks(app: Data<App>) -> HttpResponse {
    public_json(app.oidc.published())
}

fn public_json(value: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(value)
}

/// The metadata document: what this provider really does, nothing else.
fn document(app: &App) -> Value {
    let issuer = super::issuer(app);
    let at = |path: &str| format!("{issuer}{path}");
    let methods = [
        "private_key_jwt",
        "client_secret_basic",
        "client_secret_post",
        "none",
    ];
    let authenticated = &methods[..3];
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "pushed_authorization_request_endpoint": at("/par"),
        "introspection_endpoint": at("/introspect"),
        "revocation_endpoint": at("/revoke"),
        "end_session_endpoint": at("/logout"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": false,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": app.oidc.signing_algs(),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS.map(hsm_bridge::SignatureScheme::jose_alg),
        "introspection_endpoint_auth_methods_supported": authenticated,
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS.map(hsm_bridge::SignatureScheme::jose_alg),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS.map(hsm_bridge::SignatureScheme::jose_alg),
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "acr_values_supported": ACR_VALUES,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["km", "en"],
        "claim_types_supported": ["normal"],
        "claims_supported": claims_supported(),
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "display_values_supported": ["page"],
    });
    if let (Some(document), Value::Object(assurance)) = (document.as_object_mut(), assurance()) {
        document.extend(assurance);
    }
    document
}

fn claims_supported() -> Vec<&'static str> {
    let protocol = [
        "sub",
        "iss",
        "auth_time",
        "acr",
        "amr",
        "ial",
        "aal",
        "fal",
        "sid",
        "verified_claims",
    ];
    let personal = Scope::ALL
        .into_iter()
        .filter(|scope| !matches!(scope, Scope::Identity | Scope::Address))
        .flat_map(Scope::claims);
    protocol.into_iter().chain(personal.copied()).collect()
}

/// OpenID Connect for Identity Assurance 1.0 §7.
fn assurance() -> Value {
    let mut checks: Vec<&str> = CheckKind::ALL
        .into_iter()
        .filter_map(CheckKind::check_method)
        .collect();
    checks.sort_unstable();
    checks.dedup();
    json!({
        "verified_claims_supported": true,
        "trust_frameworks_supported": [TRUST_FRAMEWORK],
        "claims_in_verified_claims_supported": VERIFIED_CLAIMS,
        "evidence_supported": ["document"],
        "documents_supported": DocumentKind::ALL.map(DocumentKind::verified_claims_type),
        "documents_check_methods_supported": checks,
    })
}
