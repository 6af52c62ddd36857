//! The addresses of the status service.

mod ocsp;
mod publish;

use actix_web::web;

/// Routes of the public listener.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/ocsp").get(ocsp::get).post(ocsp::post))
        // The path is read undecoded: base64 contains `/`, also twice in a row.
        .service(web::resource("/ocsp/{request:.*}").get(ocsp::get))
        .service(web::resource("/crl/{issuer}/{file}").get(publish::crl))
        .service(web::resource("/issuer/{file}").get(publish::issuer));
}
