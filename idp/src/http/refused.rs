//! The page that people get where the edge refused a request before any handler saw it: a method, a limit.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use service::{Problem, ProblemType};

use crate::app::App;
use crate::page::error_page;

/// `None` where programs ask: they read the problem.
pub(crate) fn page(request: &HttpRequest, problem: &Problem) -> Option<HttpResponse> {
    if crate::oidc::is_endpoint(request.path()) {
        return None;
    }
    let text = match problem.kind() {
        ProblemType::MethodNotAllowed => "error-method",
        ProblemType::RateLimited => "error-too-many",
        _ => return None,
    };
    let app = request.app_data::<Data<App>>()?;
    Some(error_page(request, app, problem.kind().status(), text))
}
