//! `POST /tsa` (RFC 3161 §3.4); open to everybody, limited per address.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::error::Error;
use crate::tsa;

pub(super) async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    super::expect_type(request.headers(), "application/timestamp-query")?;
    let limit = pki::tsp::MAX_REQUEST_BYTES;
    let body = payload
        .to_bytes_limited(limit)
        .await
        .map_err(|_| Error::TooLarge(limit))?
        .map_err(|error| Error::BadRequest(format!("the body could not be read: {error}")))?;
    let app = app.into_inner();
    let inner = std::sync::Arc::clone(&app);
    // The serial number is given out once; the answer is made even if nobody waits for it any more.
    let answer = app
        .tasks
        .to_the_end(async move { tsa::respond(&inner, &body).await })
        .await??;
    Ok(HttpResponse::Ok()
        .content_type("application/timestamp-reply")
        .body(answer))
}
