//! A page that says what went wrong and what to do, in the reader's language.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use service::middleware::RequestId;

use super::{Page, respond};
use crate::app::App;

/// A failed page request: the answer is an HTML page, the cause goes to the log alone.
#[derive(Debug, thiserror::Error)]
#[error("page failed with {status}: {cause}")]
pub struct PageError {
    status: StatusCode,
    text: &'static str,
    cause: String,
    page: Box<Page>,
    reference: String,
    retry_after: Option<u64>,
}

impl PageError {
    /// A failure with the status and text key to show; `cause` is logged, never shown.
    pub fn new(
        request: &HttpRequest,
        app: &App,
        status: StatusCode,
        text: &'static str,
        cause: impl std::fmt::Display,
    ) -> Self {
        let page = Box::new(Page::new(request, app, "error-title"));
        let reference = RequestId::of(request)
            .map(|id| id.as_str().to_owned())
            .unwrap_or_default();
        Self {
            status,
            text,
            cause: cause.to_string(),
            page,
            reference,
            retry_after: None,
        }
    }

    /// A form that did not come from our page.
    pub fn csrf(request: &HttpRequest, app: &App) -> Self {
        Self::new(
            request,
            app,
            StatusCode::FORBIDDEN,
            "error-csrf",
            "form token missing or wrong",
        )
    }

    /// A page that the reader's roles do not open.
    pub fn forbidden(request: &HttpRequest, app: &App, cause: impl std::fmt::Display) -> Self {
        Self::new(
            request,
            app,
            StatusCode::FORBIDDEN,
            "error-forbidden",
            cause,
        )
    }

    /// No such page, or none for this reader.
    pub fn not_found(request: &HttpRequest, app: &App) -> Self {
        Self::new(
            request,
            app,
            StatusCode::NOT_FOUND,
            "error-not-found",
            "not found",
        )
    }

    /// A request that could not be read.
    pub fn bad_request(request: &HttpRequest, app: &App, cause: impl std::fmt::Display) -> Self {
        Self::new(
            request,
            app,
            StatusCode::BAD_REQUEST,
            "error-bad-request",
            cause,
        )
    }

    /// A form that is longer than permitted.
    pub fn too_large(request: &HttpRequest, app: &App, cause: impl std::fmt::Display) -> Self {
        Self::new(
            request,
            app,
            StatusCode::PAYLOAD_TOO_LARGE,
            "error-form-too-large",
            cause,
        )
    }

    /// A body that is no form.
    pub fn media_type(request: &HttpRequest, app: &App, cause: impl std::fmt::Display) -> Self {
        Self::new(
            request,
            app,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "error-bad-request",
            cause,
        )
    }

    /// Too many tries; the next may come after `wait` seconds (RFC 6585 §4).
    pub fn too_many(
        request: &HttpRequest,
        app: &App,
        wait: u64,
        cause: impl std::fmt::Display,
    ) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self {
            retry_after: Some(wait),
            ..Self::new(request, app, status, "error-too-many", cause)
        }
    }

    /// A fault on our side.
    pub fn internal(request: &HttpRequest, app: &App, cause: impl std::fmt::Display) -> Self {
        Self::new(
            request,
            app,
            StatusCode::INTERNAL_SERVER_ERROR,
            "error-internal",
            cause,
        )
    }

    /// A part that we need does not answer at the moment.
    pub fn unavailable(request: &HttpRequest, app: &App, cause: impl std::fmt::Display) -> Self {
        Self::new(
            request,
            app,
            StatusCode::SERVICE_UNAVAILABLE,
            "error-unavailable",
            cause,
        )
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        if self.status.is_server_error() {
            tracing::error!(http.status = self.status.as_u16(), cause = %self.cause, "page failed");
        } else {
            tracing::info!(http.status = self.status.as_u16(), cause = %self.cause, "page refused");
        }
        let view = ErrorView {
            text: self.page.t(self.text),
            reference: self.reference.clone(),
            page: (*self.page).clone(),
        };
        let mut response = respond(&view.page, &view, self.status);
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorView {
    page: Page,
    text: String,
    reference: String,
}

/// The page for an error that no handler made, such as an unknown address.
pub fn error_page(
    request: &HttpRequest,
    app: &App,
    status: StatusCode,
    text: &'static str,
) -> HttpResponse {
    PageError::new(request, app, status, text, "no handler").error_response()
}
