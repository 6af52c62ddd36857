//! The addresses of the status service.

mod ocsp;
mod publish;

use actix_web::web;

/// Routes of the public listener.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/ocsp")
                .route(web::post().to(ocsp::post))
                .route(web::get().to(ocsp::get)),
        )
        // The path is read undecoded: base64 contains `/`, also twice in a row.
        .route("/ocsp/{request:.*}", web::get().to(ocsp::get))
        .route("/crl/{issuer}/{file}", web::get().to(publish::crl))
        .route("/issuer/{file}", web::get().to(publish::issuer));
}
