//! A login that did not work, as a page.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

/// What went wrong, in a sentence for the visitor; the cause goes to the error output.
#[derive(Debug)]
pub(super) struct Failure {
    sentence: &'static str,
    status: StatusCode,
}

impl Failure {
    /// The provider could not be reached or answered what it should not.
    pub(super) fn provider(cause: impl fmt::Display) -> Self {
        eprintln!("ministry: provider: {cause}");
        Self {
            sentence: "The digital identity service could not be reached. Try again in a few minutes.",
            status: StatusCode::BAD_GATEWAY,
        }
    }

    /// The answer is not one to our question, or was changed on its way.
    pub(super) fn answer(cause: impl fmt::Display) -> Self {
        eprintln!("ministry: answer refused: {cause}");
        Self {
            sentence: "The answer could not be accepted. Begin again from the first page.",
            status: StatusCode::BAD_REQUEST,
        }
    }

    /// The person said no, or the provider refused.
    pub(super) fn refused(code: &str) -> Self {
        eprintln!("ministry: provider answered {code}");
        let sentence = match code {
            "access_denied" => "You did not share your details, so you are not logged in.",
            "login_required" | "interaction_required" | "consent_required" => {
                "You are not logged in to the digital identity service."
            }
            _ => "The digital identity service could not log you in.",
        };
        Self {
            sentence,
            status: StatusCode::FORBIDDEN,
        }
    }

    /// There is no such page.
    pub(super) fn not_found() -> Self {
        Self {
            sentence: "There is no page at this address. Begin again from the first page.",
            status: StatusCode::NOT_FOUND,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence)
    }
}

#[derive(Template)]
#[template(path = "ministry/failure.html")]
struct Page {
    sentence: &'static str,
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        super::view::html(
            &Page {
                sentence: self.sentence,
            },
            self.status,
        )
    }
}
