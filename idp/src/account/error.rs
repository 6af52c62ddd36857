//! What can go wrong in this room, and the page each failure becomes.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use domain::account::ReturnTo;
use domain::account::throttle::Held;
use store::StoreError;
use store::sealing::SealingError;
use webauthn_rs::prelude::WebauthnError;

use crate::app::App;
use crate::page::{PageError, see_other};

/// A request of this room that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token or a sealed value.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// A stored or sent JSON value.
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
    /// A passkey ceremony.
    #[error("passkey: {0:?}")]
    Passkey(WebauthnError),
    /// Password hashing.
    #[error("password hashing failed")]
    Hashing,
    /// Blocking work was not started or did not end.
    #[error(transparent)]
    Blocking(#[from] service::BlockingError),
    /// Too many tries.
    #[error(transparent)]
    Held(#[from] Held),
    /// The page needs something first (signing in, say); the way there.
    #[error("another page comes first")]
    Elsewhere(String),
    /// The certificate authority.
    #[error("ca: {0}")]
    Ca(String),
    /// A file for the operator could not be written.
    #[error("file: {0}")]
    File(#[from] std::io::Error),
    /// A value handed in is not what it has to be.
    #[error("{0}")]
    Invalid(&'static str),
    /// A page already made.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl From<WebauthnError> for AccountError {
    fn from(error: WebauthnError) -> Self {
        Self::Passkey(error)
    }
}

impl AccountError {
    /// The error that leads to `/sign-in` and back to this request's path.
    pub(crate) fn sign_in(request: &HttpRequest, fresh: bool) -> Self {
        let here = request
            .uri()
            .path_and_query()
            .map_or("/account", |path| path.as_str());
        // A form's own address has no page; people come back to the account page instead.
        let back = if request.method() == actix_web::http::Method::GET {
            ReturnTo::parse(here).unwrap_or_else(|_| ReturnTo::account())
        } else {
            ReturnTo::account()
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", back.as_str());
        if fresh {
            query.append_pair("prompt", "login");
        }
        Self::Elsewhere(format!("/sign-in?{}", query.finish()))
    }

    /// The page for the error; causes go to the log alone.
    pub(crate) fn into_page(self, request: &HttpRequest, app: &App) -> HttpResponse {
        let (status, text) = match &self {
            Self::Elsewhere(way) => return see_other(way),
            Self::Page(page) => return page.error_response(),
            Self::Store(StoreError::NotFound) => (StatusCode::NOT_FOUND, "error-not-found"),
            Self::Store(StoreError::Conflict(_)) => (StatusCode::CONFLICT, "error-bad-request"),
            Self::Store(StoreError::Unavailable(_))
            | Self::Sealing(SealingError::Token(_))
            | Self::Blocking(_)
            | Self::Ca(_) => (StatusCode::SERVICE_UNAVAILABLE, "error-unavailable"),
            Self::Held(Held::Wait(wait)) => {
                // Rounded up: whoever comes back then is let in.
                let seconds = u64::try_from(wait.as_secs()).unwrap_or_default() + 1;
                return PageError::too_many(request, app, seconds, &self).error_response();
            }
            // Waiting does not help, so this is no 429.
            Self::Held(Held::Closed) => (StatusCode::FORBIDDEN, "sign-in-closed"),
            Self::Invalid(_) | Self::Passkey(_) => (StatusCode::BAD_REQUEST, "error-bad-request"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "error-internal"),
        };
        PageError::new(request, app, status, text, &self).error_response()
    }
}
