//! What people get when their form or address cannot be read: a page in their language, never bare JSON.

use actix_web::error::UrlencodedError;
use actix_web::web::{Data, FormConfig, QueryConfig, ServiceConfig};
use actix_web::{Error, HttpRequest, ResponseError};

use crate::app::App;
use crate::page::PageError;

/// Answers unreadable forms, and those over `max_form` bytes, and queries with a page.
///
/// Endpoints that programs call read their bodies themselves and are not touched by this.
pub(crate) fn answers(max_form: usize) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(
                FormConfig::default()
                    .limit(max_form)
                    .error_handler(|error, request| match error {
                        UrlencodedError::Overflow { .. } => {
                            page(request, error, PageError::too_large)
                        }
                        UrlencodedError::ContentType => page(request, error, PageError::media_type),
                        _ => page(request, error, PageError::bad_request),
                    }),
            )
            .app_data(
                QueryConfig::default()
                    .error_handler(|error, request| page(request, error, PageError::bad_request)),
            );
    }
}

fn page<E: ResponseError + 'static>(
    request: &HttpRequest,
    cause: E,
    page: fn(&HttpRequest, &App, E) -> PageError,
) -> Error {
    match request.app_data::<Data<App>>() {
        Some(app) => page(request, app, cause).into(),
        // Without the application there are no texts to make a page of.
        None => cause.into(),
    }
}
