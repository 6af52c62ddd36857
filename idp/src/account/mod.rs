//! Accounts of people and staff: invitation, ways to sign in, sessions, and the page where people see and control
//! what is held about them.
//!
//! Proofs are judged here, rules live in `domain::account`. A secret is kept as a keyed hash, sealed, or not at all.

use std::future::Future;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use store::sealing::SealingError;

use crate::app::App;

pub mod access_log;
pub mod activation;
mod ceremony;
pub mod cleaning;
mod clients;
mod close;
mod cookies;
mod enrol;
mod error;
mod export;
mod home;
mod lookup;
mod notices;
mod passkeys;
mod passwords;
mod recovery;
pub mod session;
mod sessions;
mod sign_in;
pub mod staff;
mod throttle;
mod vault;
mod verifier;

#[cfg(test)]
mod tests;

pub use error::AccountError;
pub use session::Session;

pub(crate) use home::{PasskeyView, display_name, find_facts};
pub(crate) use vault::{open, open_key, seal};

/// Section `[idp.account]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountConfig {
    /// Days an invitation code counts (NIST SP 800-63A: at most 21 by post).
    pub invitation_days: u32,
    /// Minutes a person may take to choose ways to sign in.
    pub enrolment_minutes: u32,
    /// Seconds between the start and the end of a passkey ceremony.
    pub ceremony_seconds: u32,
    /// Minutes after signing in during which sensitive changes need no new sign-in.
    pub fresh_minutes: u32,
    /// Years for which people can read who used their data.
    pub access_log_years: u32,
    /// Days for which ended sessions stay in the records.
    pub session_keep_days: u32,
    /// Memory for hashing one password, in KiB.
    pub password_memory_kib: u32,
    /// Passes over that memory.
    pub password_passes: u32,
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self {
            invitation_days: 14,
            enrolment_minutes: 60,
            ceremony_seconds: 600,
            fresh_minutes: 10,
            access_log_years: 5,
            session_keep_days: 90,
            password_memory_kib: 19 * 1024,
            password_passes: 2,
        }
    }
}

/// Every route of this room.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    sign_in::routes(config);
    enrol::routes(config);
    activation::routes(config);
    home::routes(config);
    passkeys::routes(config);
    recovery::routes(config);
    sessions::routes(config);
    export::routes(config);
    close::routes(config);
}

/// Runs a page's work and turns whatever went wrong into a page, or into the way to sign in.
pub(crate) async fn answer(
    request: &HttpRequest,
    app: &App,
    work: impl Future<Output = Result<HttpResponse, AccountError>>,
) -> HttpResponse {
    match work.await {
        Ok(response) => response,
        Err(error) => error.into_page(request, app),
    }
}

/// Runs calls to the token, which block, away from the threads that serve requests.
pub(crate) async fn in_token<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, SealingError> + Send + 'static,
) -> Result<T, AccountError> {
    Ok(service::blocking(&app.pool, work).await??)
}
