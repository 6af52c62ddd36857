//! Problems (RFC 9457): what our own APIs answer when they do not do what was asked.
//!
//! The client is told the type and what it can do about it; the inner cause goes to the log alone.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

mod catalogue;

pub use catalogue::{ProblemType, reference};

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One answer that is a problem. The edge middleware writes `type` and `instance` from configuration and request.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ProblemType,
    status: StatusCode,
    detail: Option<String>,
    cause: Option<String>,
    members: serde_json::Map<String, serde_json::Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: ProblemType) -> Self {
        Self(Box::new(Inner {
            kind,
            status: kind.status(),
            detail: None,
            cause: None,
            members: serde_json::Map::new(),
            headers: Vec::new(),
        }))
    }

    /// Something failed inside; `cause` goes to the log.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(ProblemType::Internal).because(cause)
    }

    /// The request cannot be understood; `detail` says what about it.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::BadRequest).detail(detail)
    }

    /// What this client can do about this occurrence, in words for people; never an inner cause.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The inner cause, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Adds an extension member (RFC 9457 §3.2).
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Tells when to come back (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(
            actix_web::http::header::RETRY_AFTER,
            HeaderValue::from(seconds),
        )
    }

    /// Answers with another status than the type's usual one.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Its type.
    pub fn kind(&self) -> ProblemType {
        self.0.kind
    }

    /// What the client is told about this occurrence.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The headers that its answer carries, whatever its body is.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The cause, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The body: `type` below `base`, `instance` if the request is known.
    pub(crate) fn body(&self, base: &str, request_id: Option<&str>) -> String {
        let inner = &self.0;
        let mut body = inner.members.clone();
        body.insert(
            "type".to_owned(),
            format!("{base}/problems/{}", inner.kind.name()).into(),
        );
        body.insert("title".to_owned(), inner.kind.title().into());
        body.insert("status".to_owned(), inner.status.as_u16().into());
        if let Some(detail) = &inner.detail {
            body.insert("detail".to_owned(), detail.as_str().into());
        }
        if let Some(id) = request_id {
            body.insert("instance".to_owned(), format!("urn:request:{id}").into());
        }
        serde_json::Value::Object(body).to_string()
    }

    pub(crate) fn response(&self, base: &str, request_id: Option<&str>) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        response.insert_header((CONTENT_TYPE, MEDIA_TYPE));
        response.insert_header(("cache-control", "no-store"));
        for (name, value) in &self.0.headers {
            response.append_header((name.clone(), value.clone()));
        }
        response.body(self.body(base, request_id))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.name())?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.response("", None)
    }
}

impl From<crate::BlockingError> for Problem {
    fn from(error: crate::BlockingError) -> Self {
        match error {
            crate::BlockingError::Overloaded => Self::new(ProblemType::Overloaded).retry_after(1),
            crate::BlockingError::Interrupted => Self::internal(error),
        }
    }
}

/// Extractor settings that answer unreadable JSON, forms, queries and paths with a problem.
pub fn extractors(
    max_json: usize,
    max_form: usize,
) -> impl FnOnce(&mut actix_web::web::ServiceConfig) {
    use actix_web::error::{JsonPayloadError, UrlencodedError};
    use actix_web::web;
    move |config| {
        config
            .app_data(
                web::JsonConfig::default()
                    .limit(max_json)
                    .error_handler(|error, _| {
                        match &error {
                            JsonPayloadError::OverflowKnownLength { .. }
                            | JsonPayloadError::Overflow { .. } => {
                                Problem::new(ProblemType::TooLarge)
                            }
                            JsonPayloadError::ContentType => {
                                Problem::new(ProblemType::UnsupportedMediaType)
                                    .detail("the body must be application/json")
                            }
                            JsonPayloadError::Deserialize(inner) => {
                                Problem::bad_request(inner.to_string())
                            }
                            _ => Problem::bad_request("the body could not be read").because(&error),
                        }
                        .into()
                    }),
            )
            .app_data(
                web::FormConfig::default()
                    .limit(max_form)
                    .error_handler(|error, _| {
                        match &error {
                            UrlencodedError::Overflow { .. } => Problem::new(ProblemType::TooLarge),
                            UrlencodedError::ContentType => {
                                Problem::new(ProblemType::UnsupportedMediaType)
                                    .detail("the body must be application/x-www-form-urlencoded")
                            }
                            _ => Problem::bad_request("the form could not be read").because(&error),
                        }
                        .into()
                    }),
            )
            .app_data(web::QueryConfig::default().error_handler(|error, _| {
                Problem::bad_request("the query could not be read")
                    .because(error)
                    .into()
            }))
            .app_data(web::PathConfig::default().error_handler(|error, _| {
                Problem::new(ProblemType::NotFound).because(error).into()
            }))
            .app_data(web::PayloadConfig::new(max_json));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_never_reaches_the_client() {
        let problem = Problem::internal("password=hunter2").member("retry", true);
        let body = problem.body("https://ca.example", Some("r-1"));
        assert!(!body.contains("hunter2"), "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "https://ca.example/problems/internal");
        assert_eq!(body["status"], 500);
        assert_eq!(body["instance"], "urn:request:r-1");
        assert_eq!(body["retry"], true);
        assert_eq!(problem.cause(), Some("password=hunter2"));
    }

    #[test]
    fn reserved_members_cannot_be_replaced() {
        let body = Problem::new(ProblemType::NotFound)
            .member("status", 200)
            .body("", None);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], 404);
    }
}
