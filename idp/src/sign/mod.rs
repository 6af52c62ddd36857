//! An official signs a PDF: hand it over, see what it is, confirm with the passkey, take the signed file.
//!
//! The key lies in the token of `ca`; the passkey's answer goes there unchanged and is checked there against the
//! document's hash. Here only session, role and ownership are checked.

use actix_web::web;
use domain::account::Role;
use serde::{Deserialize, Serialize};
use service::HttpClientConfig;

mod ca_client;
mod confirm;
mod details;
mod public_key;
mod setup;
mod upload;

pub use ca_client::{Assertion, CaClient, CaError, NewCredential, PreparedDocument};

/// The role that signs.
pub(crate) const ROLE: Role = Role::Official;

/// Section `[idp.ca]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaConfig {
    /// Base address of `ca`; also the audience of our tokens for it.
    pub base_url: String,
    /// Deadlines, trust anchors and, with TLS, our client certificate.
    pub http: HttpClientConfig,
    /// `b-t` (with a time-stamp) or `b-b` (without), EN 319 142-1 §6.
    pub level: SignatureLevel,
    /// The institution that officials sign for, where their office does not say more.
    pub organization: String,
    /// Its identifier (EN 319 412-1 §5.1.4), as in `NTRKH-00001234`.
    pub organization_identifier: Option<String>,
    /// Largest document, in bytes.
    pub document_max_bytes: usize,
    /// Most pages.
    pub document_max_pages: usize,
    /// Minutes for which a signed document can be fetched.
    pub keep_minutes: u32,
}

/// How far a signature goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureLevel {
    /// Basic.
    BB,
    /// With a trusted time.
    #[default]
    BT,
}

impl SignatureLevel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BB => "b-b",
            Self::BT => "b-t",
        }
    }
}

impl Default for CaConfig {
    fn default() -> Self {
        Self {
            base_url: "http://localhost:8081".to_owned(),
            http: HttpClientConfig::default(),
            level: SignatureLevel::default(),
            organization: "Royal Government of Cambodia".to_owned(),
            organization_identifier: None,
            document_max_bytes: 10 * 1024 * 1024,
            document_max_pages: 500,
            keep_minutes: 60,
        }
    }
}

/// `/sign` and everything below it.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/sign")
                .get(upload::show)
                .post(upload::submit),
        )
        .service(
            web::resource("/sign/setup")
                .get(setup::show)
                .post(setup::submit),
        )
        .service(
            web::resource("/sign/{id}")
                .get(confirm::show)
                .post(confirm::submit),
        )
        .service(web::resource("/sign/{id}/document").get(confirm::download));
}
