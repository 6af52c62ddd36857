//! Browsers of this ministry, in memory: a random name in a cookie, everything else here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use openidconnect::CsrfToken;

use super::config::Config;
use super::person::Person;

/// Browsers remembered at most; the example forgets all of them when there are more.
const MAX_BROWSERS: usize = 10_000;
/// Random octets of a cookie.
const NAME_OCTETS: u32 = 32;

/// A login on its way.
#[derive(Clone)]
pub(super) struct Pending {
    /// Ties the answer to this browser.
    pub(super) state: String,
    /// Ties the ID token to this login.
    pub(super) nonce: String,
    /// Ties the code to this login.
    pub(super) verifier: String,
}

/// What is known of a browser.
#[derive(Clone)]
pub(super) enum Browser {
    /// Sent to the provider.
    Away(Pending),
    /// Logged in.
    Here(Box<Person>),
}

/// All browsers.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Browser>>);

impl Sessions {
    /// What is known of the browser of a request.
    pub(super) fn find(&self, request: &HttpRequest, config: &Config) -> Option<Browser> {
        let cookie = request.cookie(&config.cookie_name())?;
        self.lock().get(cookie.value()).cloned()
    }

    /// Remembers a browser under a new name, so that a name set by somebody else is worth nothing.
    pub(super) fn put(
        &self,
        request: &HttpRequest,
        config: &Config,
        browser: Browser,
    ) -> Cookie<'static> {
        let name = CsrfToken::new_random_len(NAME_OCTETS).secret().clone();
        let mut all = self.lock();
        if let Some(old) = request.cookie(&config.cookie_name()) {
            all.remove(old.value());
        }
        if all.len() >= MAX_BROWSERS {
            all.clear();
        }
        all.insert(name.clone(), browser);
        cookie(config, name)
    }

    /// Forgets a browser and gives back what was known of it.
    pub(super) fn take(&self, request: &HttpRequest, config: &Config) -> Option<Browser> {
        let cookie = request.cookie(&config.cookie_name())?;
        self.lock().remove(cookie.value())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Browser>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cookie(config: &Config, name: String) -> Cookie<'static> {
    // Lax: the browser comes back from the provider by a link from another site.
    Cookie::build(config.cookie_name(), name)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(config.is_secure())
        .finish()
}
