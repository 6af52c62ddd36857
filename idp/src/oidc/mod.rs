//! The OpenID provider: endpoints of OAuth 2.0 and OpenID Connect, the consent page, and clients' registration.
//!
//! Rules are in `domain::oidc`; here they meet HTTP, the store and the token. Every secret handed out (codes, request
//! URIs, refresh tokens, client secrets) is stored as its SHA-256 and compared by it.

use actix_web::web;
use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::app::App;

pub mod admin;
mod assertion;
mod authorize;
mod bearer;
mod cleaning;
mod client_auth;
mod config;
mod consent;
mod consent_lines;
mod discovery;
mod failure;
mod form_post;
mod interaction;
mod introspect;
mod issue;
mod logout;
mod mint;
mod notice;
mod par;
mod read;
mod reply;
mod revoke;
pub mod services;
mod signing;
mod state;
mod token;
mod token_code;
mod token_machine;
mod token_refresh;
mod userinfo;

#[cfg(test)]
mod tests;

pub use cleaning::clean;
pub use config::OidcConfig;
pub use state::State;

/// Every route of the provider's protocols.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    discovery::routes(config);
    par::routes(config);
    authorize::routes(config);
    consent::routes(config);
    token::routes(config);
    userinfo::routes(config);
    introspect::routes(config);
    revoke::routes(config);
    logout::routes(config);
}

/// Whether programs ask at this path, and not a browser with a person before it.
pub(crate) fn is_endpoint(path: &str) -> bool {
    const BACK_CHANNEL: [&str; 6] = [
        "/token",
        "/par",
        "/userinfo",
        "/introspect",
        "/revoke",
        "/jwks",
    ];
    BACK_CHANNEL.contains(&path) || path.starts_with("/.well-known/")
}

/// The issuer identifier: no slash at the end, so that the well-known path is appended as RFC 8414 §3.1 says.
pub fn issuer(app: &App) -> String {
    issuer_of(&app.config)
}

fn issuer_of(config: &crate::config::Config) -> String {
    config.issuer.as_str().trim_end_matches('/').to_owned()
}

/// What is stored of a secret.
fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A session's name towards one client: two clients cannot find out that they serve the same browser.
fn pairwise_session(session: &str, client: &domain::oidc::ClientId) -> String {
    let digest = Sha256::new()
        .chain_update(b"romduol-sid-v1\0")
        .chain_update(client.as_str().as_bytes())
        .chain_update(b"\0")
        .chain_update(session.as_bytes())
        .finalize();
    Base64UrlUnpadded::encode_string(&digest)
}
