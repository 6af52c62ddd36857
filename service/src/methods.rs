//! What every address does about methods (RFC 9110 §9): HEAD wherever there is GET, OPTIONS wherever there is anything,
//! and for all others a refusal that names those there are.
//!
//! Invariant: an address is one `web::resource` with all its methods, so that only the resource refuses one.

use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::{Problem, ProblemType};

/// Lets HEAD be answered as GET; the transport leaves the body out (RFC 9110 §9.3.2).
pub(crate) fn head_as_get(request: &mut ServiceRequest) {
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
}

/// What became of a method that a resource does not have.
pub(crate) enum Unserved {
    /// It was OPTIONS: the answer (RFC 9110 §9.3.7).
    Options(HttpResponse),
    /// The refusal, with `Allow` (RFC 9110 §15.5.6).
    Refused(Problem),
}

/// `None` unless the resource refused the method.
pub(crate) fn unserved(response: &ServiceResponse<BoxBody>) -> Option<Unserved> {
    let is_bare = matches!(
        response.response().body().size(),
        BodySize::None | BodySize::Sized(0)
    );
    if response.status() != StatusCode::METHOD_NOT_ALLOWED || !is_bare {
        return None;
    }
    let allow = allow(response.headers().get(ALLOW));
    Some(if response.request().method() == Method::OPTIONS {
        let mut answer = HttpResponseBuilder::new(StatusCode::NO_CONTENT);
        Unserved::Options(answer.insert_header((ALLOW, allow)).finish())
    } else {
        Unserved::Refused(Problem::new(ProblemType::MethodNotAllowed).header(ALLOW, allow))
    })
}

/// The methods of the resource, with those that are answered for it.
fn allow(own: Option<&HeaderValue>) -> HeaderValue {
    let own = own
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut methods: Vec<&str> = own
        .split(',')
        .map(str::trim)
        .filter(|method| !method.is_empty())
        .collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    // Method names are tokens, so their list is a header value.
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// The rules alone, for a listener that has no edge; for `actix_web::middleware::from_fn`.
pub(crate) async fn keep(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    head_as_get(&mut request);
    let response = next.call(request).await?;
    Ok(match unserved(&response) {
        Some(Unserved::Options(answer)) => response.into_response(answer),
        Some(Unserved::Refused(problem)) => response.into_response(problem.response("", None)),
        None => response,
    })
}
