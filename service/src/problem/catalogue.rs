//! Every type of problem, its status, title and page: the one place they are spelled.

use actix_web::http::StatusCode;

/// A type of problem; its name ends the `type` URI `https://HOST/problems/NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemType {
    /// The request cannot be understood.
    BadRequest,
    /// The request is understood and breaks a rule.
    Invalid,
    /// Nobody, or not provably somebody, asked.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The method is not one of this address.
    MethodNotAllowed,
    /// The state of the thing does not permit this.
    Conflict,
    /// It was there and is no more.
    Gone,
    /// The request is bigger than permitted.
    TooLarge,
    /// The media type is not one of this address.
    UnsupportedMediaType,
    /// The same idempotency key came with another request.
    IdempotencyMismatch,
    /// Too many requests.
    RateLimited,
    /// The request came too slowly or took too long.
    Timeout,
    /// Too much is waiting.
    Overloaded,
    /// Something this service needs does not answer.
    Unavailable,
    /// Something failed inside.
    Internal,
    /// The certificate profile refuses the request.
    ProfileViolation,
    /// The key does not pass the checks.
    KeyRefused,
    /// The proof does not hold.
    ProofRefused,
    /// The document cannot be signed.
    DocumentRefused,
    /// More checks of the person's identity are needed.
    AssuranceTooLow,
}

struct Entry(ProblemType, &'static str, u16, &'static str, &'static str);

/// Name, status, title and explanation of each type.
const ENTRIES: &[Entry] = &[
    Entry(
        ProblemType::BadRequest,
        "bad-request",
        400,
        "The request cannot be understood",
        "A header, the query or the body is not in the form this address expects. Correct the request as `detail` says; repeating it unchanged fails again.",
    ),
    Entry(
        ProblemType::Invalid,
        "invalid",
        422,
        "The request breaks a rule",
        "The request is well-formed, but a value in it is not permitted. `detail` names the rule; `errors`, where present, names the members.",
    ),
    Entry(
        ProblemType::Unauthenticated,
        "unauthenticated",
        401,
        "Authentication is needed",
        "The credential is missing, expired, or not valid for this service. Obtain a new one and repeat the request.",
    ),
    Entry(
        ProblemType::Forbidden,
        "forbidden",
        403,
        "Not permitted",
        "The caller is known, and lacks the role or relation this act needs. The refusal was recorded.",
    ),
    Entry(
        ProblemType::NotFound,
        "not-found",
        404,
        "There is no such thing",
        "Nothing exists at this address, or nothing the caller may know of.",
    ),
    Entry(
        ProblemType::MethodNotAllowed,
        "method-not-allowed",
        405,
        "Method not permitted here",
        "The address exists and does not offer this method; see the `Allow` header.",
    ),
    Entry(
        ProblemType::Conflict,
        "conflict",
        409,
        "The present state does not permit this",
        "Somebody or something else was first, or the thing is in a state from which this act is not possible. Read the present state and decide anew.",
    ),
    Entry(
        ProblemType::Gone,
        "gone",
        410,
        "No longer available",
        "The thing existed and its time is over. Start again.",
    ),
    Entry(
        ProblemType::TooLarge,
        "too-large",
        413,
        "The request is too large",
        "The body exceeds the limit of this address.",
    ),
    Entry(
        ProblemType::UnsupportedMediaType,
        "unsupported-media-type",
        415,
        "Media type not supported",
        "Send the body in a media type this address reads; `detail` names it.",
    ),
    Entry(
        ProblemType::IdempotencyMismatch,
        "idempotency-mismatch",
        422,
        "Idempotency key used for another request",
        "The `Idempotency-Key` belongs to an earlier request with a different content. Use a fresh key for a new request.",
    ),
    Entry(
        ProblemType::RateLimited,
        "rate-limited",
        429,
        "Too many requests",
        "Wait as long as `Retry-After` says.",
    ),
    Entry(
        ProblemType::Timeout,
        "timeout",
        408,
        "The request took too long",
        "The request did not arrive, or could not be carried out, in time. It may be repeated; acts with an `Idempotency-Key` happen once.",
    ),
    Entry(
        ProblemType::Overloaded,
        "overloaded",
        503,
        "Too busy",
        "The service has more work than it may queue. Wait as long as `Retry-After` says.",
    ),
    Entry(
        ProblemType::Unavailable,
        "unavailable",
        503,
        "Temporarily unavailable",
        "Something the service depends on does not answer. Nothing was done; repeat the request later.",
    ),
    Entry(
        ProblemType::Internal,
        "internal",
        500,
        "Something failed inside",
        "The failure was recorded under the identifier in `instance`. Quote it when asking for help.",
    ),
    Entry(
        ProblemType::ProfileViolation,
        "profile-violation",
        422,
        "The certificate profile refuses the request",
        "The requested names, validity or extensions do not fit the profile. `detail` names the first finding.",
    ),
    Entry(
        ProblemType::KeyRefused,
        "key-refused",
        422,
        "The key is refused",
        "The public key is too weak, malformed, known to be compromised, or not proven to be the requester's.",
    ),
    Entry(
        ProblemType::ProofRefused,
        "proof-refused",
        403,
        "The proof does not hold",
        "The signature, assertion or code is wrong, expired, already used, or made for something else.",
    ),
    Entry(
        ProblemType::DocumentRefused,
        "document-refused",
        422,
        "The document cannot be signed",
        "The file is not a PDF this service can sign; `detail` says why.",
    ),
    Entry(
        ProblemType::AssuranceTooLow,
        "assurance-too-low",
        403,
        "A higher assurance level is needed",
        "The person's identity or sign-in has not been checked at the level this act needs.",
    ),
];

impl ProblemType {
    fn entry(self) -> &'static Entry {
        const FALLBACK: Entry = Entry(
            ProblemType::Internal,
            "internal",
            500,
            "Something failed inside",
            "",
        );
        ENTRIES
            .iter()
            .find(|entry| entry.0 == self)
            .unwrap_or(&FALLBACK)
    }

    /// The last part of its URI, in kebab case.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The HTTP status it usually comes with.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.entry().2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its title, the same in every occurrence.
    pub fn title(self) -> &'static str {
        self.entry().3
    }

    /// What it means and what a client can do, for its page.
    pub fn explanation(self) -> &'static str {
        self.entry().4
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        ENTRIES
            .iter()
            .find(|entry| entry.1 == name)
            .map(|entry| entry.0)
    }
}

/// The reference page of all types, in Markdown.
pub fn reference() -> String {
    use std::fmt::Write as _;
    let mut page = "# Problems\n\nGenerated from the code; a test keeps it current. `type` is `https://HOST/problems/NAME` (RFC 9457).\n".to_owned();
    for Entry(_, name, status, title, explanation) in ENTRIES {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {name}\n\n{title}. Status {status}.\n\n{explanation}\n"
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for Entry(kind, name, ..) in ENTRIES {
            assert_eq!(ProblemType::from_name(name), Some(*kind));
            assert_eq!(kind.name(), *name);
            assert!(!kind.explanation().is_empty(), "{name}");
        }
    }

    #[test]
    fn the_page_is_current() {
        crate::config::document_is_current("problems.md", &reference()).unwrap();
    }
}
