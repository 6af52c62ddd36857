//! What can go wrong behind an endpoint, and the error form a client gets for it (RFC 6749 §5.2).

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use domain::oidc::{Error, ErrorCode};
use serde_json::json;
use store::StoreError;

/// A failed request; only [`Failure::Protocol`] says its cause to the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Failure {
    /// A refusal in the protocol's own words.
    #[error(transparent)]
    Protocol(#[from] Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token.
    #[error(transparent)]
    KeyStore(#[from] hsm_bridge::KeyStoreError),
    /// Blocking work was not started or did not end.
    #[error(transparent)]
    Blocking(#[from] service::BlockingError),
    /// A token could not be made.
    #[error(transparent)]
    Jose(#[from] pki::jose::JoseError),
    /// Reading a person's facts or session.
    #[error(transparent)]
    Account(#[from] crate::account::AccountError),
    /// The client makes too many requests.
    #[error("too many requests")]
    TooMany {
        /// Seconds until the next may come.
        wait: u64,
    },
    /// The body is larger than permitted.
    #[error("the body is larger than permitted")]
    TooLarge,
}

impl Failure {
    /// The error for the client; an inner cause goes to the log.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Protocol(error) => {
                tracing::info!(%error, "request refused");
                error
            }
            Self::TooLarge => {
                tracing::info!("body too large");
                Error::invalid_request("the body is larger than permitted")
            }
            Self::TooMany { .. } => Error::new(
                ErrorCode::TemporarilyUnavailable,
                "too many requests, try later",
            ),
            Self::Blocking(error) => {
                tracing::error!(%error, "overloaded");
                Error::new(ErrorCode::TemporarilyUnavailable, "try again later")
            }
            inner => {
                tracing::error!(error = %inner, "request failed");
                Error::new(ErrorCode::ServerError, "the provider could not do this now")
            }
        }
    }

    /// The JSON answer of the back-channel endpoints. `asked_by_header` tells that the client authenticated with HTTP
    /// Basic, which is then named in the challenge.
    pub(super) fn into_response(self, asked_by_header: bool) -> HttpResponse {
        let wait = match self {
            Self::TooMany { wait } => Some(wait),
            _ => None,
        };
        // Statuses that tell more than 400 are kept: RFC 9126 §2.3 names 413 and 429.
        let too_large = matches!(self, Self::TooLarge);
        let error = self.into_error();
        let status = match error.code {
            _ if wait.is_some() => StatusCode::TOO_MANY_REQUESTS,
            _ if too_large => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut response = HttpResponse::build(status);
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"));
        if status == StatusCode::UNAUTHORIZED && asked_by_header {
            response.insert_header((
                header::WWW_AUTHENTICATE,
                "Basic realm=\"romduol\", charset=\"UTF-8\"",
            ));
        }
        if let Some(wait) = wait {
            response.insert_header((header::RETRY_AFTER, wait));
        }
        response.json(json!({
            "error": error.code.as_str(),
            "error_description": error.description,
        }))
    }
}

/// Refuses with an error code.
pub(super) fn refuse(code: ErrorCode, description: &'static str) -> Failure {
    Failure::Protocol(Error::new(code, description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_asks_too_often_is_told_when_to_come_back() {
        let response = Failure::TooMany { wait: 17 }.into_response(false);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait = response.headers().get(header::RETRY_AFTER).unwrap();
        assert_eq!(wait, "17");
    }
}
