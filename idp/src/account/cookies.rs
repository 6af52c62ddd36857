//! The cookies of this room: `__Host-` names under TLS, plain ones on a developer's plain HTTP.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// Random octets of a cookie value: 256 bits.
pub(super) const TOKEN_OCTETS: usize = 32;

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jar {
    /// A signed-in browser.
    Session,
    /// A browser on its way through choosing ways to sign in.
    Enrolment,
}

impl Jar {
    /// The cookie's name.
    pub(super) const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-session",
            (Self::Session, false) => "session",
            (Self::Enrolment, true) => "__Host-enrolment",
            (Self::Enrolment, false) => "enrolment",
        }
    }

    /// A cookie that lives as long as the browser window; the server keeps its own limits.
    pub(super) fn bake(self, token: String, secure: bool) -> Cookie<'static> {
        Cookie::build(self.name(secure), token)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(secure)
            .finish()
    }

    /// A cookie that removes the one before.
    pub(super) fn clear(self, secure: bool) -> Cookie<'static> {
        let mut cookie = self.bake(String::new(), secure);
        cookie.make_removal();
        cookie
    }

    /// The hash under which the request's token is stored; `None` when there is none or it cannot be ours.
    pub(super) fn hash(self, request: &HttpRequest, secure: bool) -> Option<[u8; 32]> {
        let cookie = request.cookie(self.name(secure))?;
        let octets = Base64UrlUnpadded::decode_vec(cookie.value()).ok()?;
        (octets.len() == TOKEN_OCTETS).then(|| hash(cookie.value()))
    }
}

/// SHA-256 of a token of full entropy, which needs no salt.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
