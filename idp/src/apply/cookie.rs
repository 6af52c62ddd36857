//! The continuation code: 80 random bits, kept by the applicant; we keep its hash.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use domain::account::code;
use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"romduol-continuation-v1\0";

fn name(secure: bool) -> &'static str {
    if secure { "__Host-apply" } else { "apply" }
}

/// A cookie for as long as the browser window is open; the paper receipt lasts longer.
pub(super) fn bake(code: &str, secure: bool) -> Cookie<'static> {
    Cookie::build(name(secure), code.to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .finish()
}

/// The code of this browser, as shown to people.
pub(super) fn code(request: &HttpRequest, secure: bool) -> Option<String> {
    let cookie = request.cookie(name(secure))?;
    code::normalise(cookie.value()).map(|_| cookie.value().to_owned())
}

/// What is kept of a code: a hash, for 80 random bits need neither salt nor stretching. `None` for what cannot be one.
pub(super) fn hash(typed: &str) -> Option<[u8; 32]> {
    let normal = code::normalise(typed)?;
    Some(
        Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(normal)
            .finalize()
            .into(),
    )
}
