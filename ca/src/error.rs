//! What can go wrong in the authority, and what a client is told about it.

use service::{BlockingError, Problem, ProblemType};
use store::StoreError;

/// A failed request or task. Inner causes are for the log alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// The request breaks a rule that is not a profile's.
    #[error("{0}")]
    Invalid(String),
    /// The certificate profile refuses the request.
    #[error("{0}")]
    Profile(String),
    /// The public key is refused.
    #[error("{0}")]
    Key(String),
    /// A proof (an assertion) does not hold.
    #[error("{0}")]
    Proof(String),
    /// The document cannot be signed.
    #[error("{0}")]
    Document(String),
    /// Nobody provable asked.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller may not do this.
    #[error("the caller's roles do not carry this")]
    Forbidden,
    /// There is no such thing.
    #[error("{0}")]
    NotFound(&'static str),
    /// The thing's time is over.
    #[error("{0}")]
    Gone(&'static str),
    /// The present state does not permit this.
    #[error("{0}")]
    Conflict(&'static str),
    /// The idempotency key belongs to another request.
    #[error("the Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// The body is too large.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The body is of another media type.
    #[error("the body must be {0}")]
    MediaType(&'static str),
    /// Too much waits already.
    #[error("too much work is waiting")]
    Overloaded,
    /// Something needed does not answer; nothing was handed out.
    #[error("{0}")]
    Unavailable(String),
    /// Something failed inside.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// An inner failure with its cause for the log.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    pub fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        let kind = match &error {
            Error::BadRequest(_) => ProblemType::BadRequest,
            Error::Invalid(_) => ProblemType::Invalid,
            Error::Profile(_) => ProblemType::ProfileViolation,
            Error::Key(_) => ProblemType::KeyRefused,
            Error::Proof(_) => ProblemType::ProofRefused,
            Error::Document(_) => ProblemType::DocumentRefused,
            Error::Unauthenticated(_) => {
                return Self::new(ProblemType::Unauthenticated)
                    .detail(words)
                    .header(
                        actix_web::http::header::WWW_AUTHENTICATE,
                        actix_web::http::header::HeaderValue::from_static("Bearer"),
                    );
            }
            Error::Forbidden => ProblemType::Forbidden,
            Error::NotFound(_) => ProblemType::NotFound,
            Error::Gone(_) => ProblemType::Gone,
            Error::Conflict(_) => ProblemType::Conflict,
            Error::IdempotencyMismatch => {
                return Self::new(ProblemType::IdempotencyMismatch)
                    .with_status(actix_web::http::StatusCode::CONFLICT)
                    .detail(words);
            }
            Error::TooLarge(_) => ProblemType::TooLarge,
            Error::MediaType(_) => ProblemType::UnsupportedMediaType,
            Error::Overloaded => return Self::new(ProblemType::Overloaded).retry_after(1),
            Error::Unavailable(_) => {
                return Self::new(ProblemType::Unavailable)
                    .retry_after(1)
                    .because(words);
            }
            Error::Internal(_) => return Self::internal(words),
        };
        Self::new(kind).detail(words)
    }
}

impl From<Error> for actix_web::Error {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("there is no such thing"),
            StoreError::Conflict(words) => Self::Conflict(words),
            StoreError::Unavailable(_) | StoreError::Interrupted => {
                Self::Unavailable(error.to_string())
            }
            other => Self::internal(other),
        }
    }
}

impl From<hsm_bridge::KeyStoreError> for Error {
    fn from(error: hsm_bridge::KeyStoreError) -> Self {
        use hsm_bridge::KeyStoreError as E;
        match error {
            E::Busy(_) => Self::Overloaded,
            E::TokenUnavailable(_) | E::Deadline | E::OutcomeUnknown => {
                Self::Unavailable(error.to_string())
            }
            other => Self::internal(other),
        }
    }
}

impl From<BlockingError> for Error {
    fn from(error: BlockingError) -> Self {
        match error {
            BlockingError::Overloaded => Self::Overloaded,
            other => Self::internal(other),
        }
    }
}

impl From<pki::issue::IssueError> for Error {
    fn from(error: pki::issue::IssueError) -> Self {
        use pki::issue::IssueError as E;
        match error {
            E::Key(_) => Self::Key(error.to_string()),
            E::Name(_) | E::SubjectAltName(_) | E::Validity(_) | E::Profile(_) => {
                Self::Profile(error.to_string())
            }
            // The whole list is for the log; a client acts on the first finding.
            E::Lint(ref findings) => Self::Profile(
                findings
                    .first()
                    .map_or_else(|| error.to_string(), ToString::to_string),
            ),
            E::KeyStore(inner) => inner.into(),
            other => Self::internal(other),
        }
    }
}

impl From<pki::crl::CrlError> for Error {
    fn from(error: pki::crl::CrlError) -> Self {
        match error {
            pki::crl::CrlError::KeyStore(inner) => inner.into(),
            other => Self::internal(other),
        }
    }
}
