//! What every request passes: identifier, limit, deadline, then on the way out headers, problem, log line, metric.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::client_address::{self, Network, network_of};
use crate::methods::{self, Unserved};
use crate::rate_limit::RateLimit;
use crate::{Problem, ProblemType, Sources};

/// Header that carries the identifier of a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest identifier accepted from outside.
const MAX_REQUEST_ID: usize = 64;
/// Life of the promise to be reached by TLS alone: two years.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// The identifier of a request, in its log lines, its audit events and its problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The identifier as text of letters, digits, `.`, `_` and `-`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier of this request; `None` only where the edge was left out.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Takes over what a caller sent if it is harmless, else makes one.
    fn accept(headers: &HeaderMap, sources: &Sources) -> Self {
        let sent = headers
            .get(&REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| {
                (1..=MAX_REQUEST_ID).contains(&id.len())
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            });
        match sent {
            Some(id) => Self(id.into()),
            None => Self(sources.uuid().to_string().into()),
        }
    }
}

impl FromRequest for RequestId {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(request).ok_or_else(|| Problem::internal("no request id")))
    }
}

/// The client's address as the edge established it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address of this request's client; `None` for requests without a socket.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().copied()
    }
}

/// The page that people get instead of a problem which the edge found (a method, a limit); `None` where programs ask.
/// Status and text are its own, the problem's headers are added.
pub type Pages = fn(&HttpRequest, &Problem) -> Option<HttpResponse>;

/// Settings of the edge of one listener.
#[derive(Debug)]
pub struct Edge {
    pub(crate) listener: &'static str,
    pub(crate) sources: Sources,
    pub(crate) problem_base: String,
    pub(crate) request_timeout: Duration,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) limit: RateLimit<IpAddr>,
    pub(crate) access_log: bool,
    pub(crate) security_headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) pages: Option<Pages>,
}

impl Edge {
    /// The problem in the form that who asked can read.
    fn show(&self, request: &HttpRequest, problem: &Problem, id: &RequestId) -> HttpResponse {
        log_cause(problem);
        let Some(mut page) = self.pages.and_then(|pages| pages(request, problem)) else {
            return problem.response(&self.problem_base, Some(id.as_str()));
        };
        for (name, value) in problem.headers() {
            page.headers_mut().insert(name.clone(), value.clone());
        }
        page
    }

    fn add_headers(&self, headers: &mut HeaderMap, id: &RequestId) {
        for (name, value) in &self.security_headers {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if self.access_log
            && let Ok(value) = HeaderValue::from_str(id.as_str())
        {
            headers.insert(REQUEST_ID, value);
        }
    }
}

/// The headers every answer of a listener carries unless the handler set its own.
pub(crate) fn security_headers(
    content_security_policy: &str,
    tls: bool,
) -> Result<Vec<(HeaderName, HeaderValue)>, crate::config::ConfigError> {
    let policy = HeaderValue::from_str(content_security_policy).map_err(|_| {
        crate::config::ConfigError::Value("content_security_policy is no header value".to_owned())
    })?;
    let fixed = HeaderValue::from_static;
    let mut headers = vec![
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::X_FRAME_OPTIONS, fixed("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            fixed("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            fixed("same-origin"),
        ),
        (header::CACHE_CONTROL, fixed("no-store")),
    ];
    if !policy.is_empty() {
        headers.push((header::CONTENT_SECURITY_POLICY, policy));
    }
    if tls {
        headers.push((header::STRICT_TRANSPORT_SECURITY, HSTS));
    }
    Ok(headers)
}

/// A problem that left the application as an error instead of an answer, with what its body needs.
#[derive(Debug)]
struct Rendered {
    problem: Problem,
    edge: Arc<Edge>,
    id: RequestId,
}

impl std::fmt::Display for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl ResponseError for Rendered {
    fn status_code(&self) -> actix_web::http::StatusCode {
        self.problem.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self
            .problem
            .response(&self.edge.problem_base, Some(self.id.as_str()));
        self.edge.add_headers(response.headers_mut(), &self.id);
        response
    }
}

/// Passes one request through the edge; for `actix_web::middleware::from_fn`.
pub async fn edge(
    edge: Arc<Edge>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let id = RequestId::accept(request.headers(), &edge.sources);
    let started = Instant::now();
    let client = client_address::of_request(&request, &edge.trusted_proxies);
    let line = edge
        .access_log
        .then(|| (request.method().clone(), request.path().to_owned()));
    methods::head_as_get(&mut request);
    let within = async {
        request.extensions_mut().insert(id.clone());
        if let Some(client) = client {
            request.extensions_mut().insert(ClientAddress(client));
            if let Err(problem) = edge.limit.check(&network_of(client)) {
                let answer = edge.show(request.request(), &problem, &id);
                return Ok(request.into_response(answer));
            }
        }
        let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
        match tokio::time::timeout(edge.request_timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Problem::internal("a handler panicked").into()),
            Err(_) => Err(Problem::new(ProblemType::Timeout).into()),
        }
    };
    // Where requests are not logged, a span for each would cost more than the answer.
    let (id_text, listener) = (id.as_str(), edge.listener);
    let span = if edge.access_log {
        tracing::info_span!("request", request_id = id_text, listener)
    } else {
        tracing::debug_span!("request", request_id = id_text, listener)
    };
    let outcome = async {
        let outcome = within.await;
        let outcome = finish(&edge, &id, outcome);
        if let Some((method, path)) = line {
            report(&edge, &outcome, &method, &path, client, started);
        }
        outcome
    };
    outcome.instrument(span).await
}

fn finish(
    edge: &Arc<Edge>,
    id: &RequestId,
    outcome: Result<ServiceResponse, actix_web::Error>,
) -> Result<ServiceResponse, actix_web::Error> {
    let response = match outcome {
        Ok(response) => response,
        Err(error) => {
            let problem = match error.as_error::<Problem>() {
                Some(problem) => problem.clone(),
                None => Problem::new(problem_type(error.as_response_error().status_code()))
                    .because(&error),
            };
            log_cause(&problem);
            let rendered = Rendered {
                problem,
                edge: Arc::clone(edge),
                id: id.clone(),
            };
            return Err(rendered.into());
        }
    };
    let problem = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let replacement = match (problem, methods::unserved(&response)) {
        (Some(problem), _) => {
            log_cause(problem);
            Some(problem.response(&edge.problem_base, Some(id.as_str())))
        }
        (None, Some(Unserved::Options(answer))) => Some(answer),
        (None, Some(Unserved::Refused(problem))) => {
            Some(edge.show(response.request(), &problem, id))
        }
        (None, None) => None,
    };
    let mut response = match replacement {
        Some(answer) => response.into_response(answer),
        None => response,
    };
    edge.add_headers(response.headers_mut(), id);
    Ok(response)
}

fn problem_type(status: actix_web::http::StatusCode) -> ProblemType {
    match status.as_u16() {
        404 => ProblemType::NotFound,
        405 => ProblemType::MethodNotAllowed,
        408 => ProblemType::Timeout,
        413 => ProblemType::TooLarge,
        415 => ProblemType::UnsupportedMediaType,
        400..=499 => ProblemType::BadRequest,
        _ => ProblemType::Internal,
    }
}

fn log_cause(problem: &Problem) {
    let (kind, detail, cause) = (
        problem.kind().name(),
        problem.detail_text(),
        problem.cause(),
    );
    if problem.status_code().is_server_error() {
        tracing::error!(problem = kind, detail, cause, "request failed");
    } else {
        tracing::info!(problem = kind, detail, cause, "request refused");
    }
}

fn report<B>(
    edge: &Edge,
    outcome: &Result<ServiceResponse<B>, actix_web::Error>,
    method: &actix_web::http::Method,
    path: &str,
    client: Option<IpAddr>,
    started: Instant,
) {
    let elapsed = started.elapsed();
    let (status, route) = match outcome {
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    let client = client.map(|c| c.to_string());
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: "access", %method, path, status = status.as_u16(), micros, client, "request");
    metrics::histogram!(
        "romduol_http_request_duration_seconds",
        "listener" => edge.listener, "method" => method_label(method), "route" => route,
        "status" => status.as_str().to_owned(),
    )
    .record(elapsed);
}

/// The method as a metric label; what a client invents is one label.
fn method_label(method: &actix_web::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Answers addresses that are not served with a problem; for `default_service`.
pub async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::new(ProblemType::NotFound))
}
