//! The form that carries an answer to the client by POST (OAuth 2.0 Form Post Response Mode). It sends itself where
//! script runs; elsewhere a person presses the button.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use base64ct::{Base64, Encoding};
use domain::oidc::redirect::RedirectUri;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::page::{Page, respond};

/// The only script; the policy names it by its hash.
const SCRIPT: &str = "document.forms[document.forms.length-1].submit()";

#[derive(Template)]
#[template(path = "oidc/form_post.html")]
struct View {
    page: Page,
    action: String,
    members: Vec<(&'static str, String)>,
    script: &'static str,
}

/// The page with the form.
pub(super) fn page(
    http: &HttpRequest,
    app: &App,
    redirect_uri: &RedirectUri,
    members: Vec<(&'static str, String)>,
) -> HttpResponse {
    let view = View {
        page: Page::new(http, app, "oidc-continue-title"),
        action: redirect_uri.as_str().to_owned(),
        members,
        script: SCRIPT,
    };
    let mut response = respond(&view.page, &view, StatusCode::OK);
    let script = format!(
        "'sha256-{}'",
        Base64::encode_string(&Sha256::digest(SCRIPT))
    );
    set_policy(&mut response, redirect_uri.origin(), &script);
    response
}

/// Lets the forms of a page lead to the client's origin as well: browsers hold every redirect after a form against
/// `form-action` (Content Security Policy Level 3 §6.4.1). `script` names the scripts that may run.
pub(super) fn set_policy(response: &mut HttpResponse, origin: &str, script: &str) {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src {script}; \
         form-action 'self' {origin}; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = header::HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // With "no-referrer" a browser sends `Origin: null` with the form, and we could not tell our own from a foreign one.
    headers.insert(
        header::REFERRER_POLICY,
        header::HeaderValue::from_static("same-origin"),
    );
}
