//! A relying party on the `openidconnect` crate: pushed authorization request, PKCE, nonce, `state`, the `iss` of the
//! answer, the signature of the ID token, and logout at the provider.
//!
//! It shows an integrator what has to be checked, and nothing is skipped because it is an example.

mod callback;
mod config;
mod failure;
mod login;
mod logout;
mod person;
mod proof;
mod provider;
mod sessions;
#[cfg(test)]
mod tests;
mod view;

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};

pub use config::Options;

use config::{Config, Tls};
use failure::Failure;
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod};
use provider::Provider;
use sessions::Sessions;

/// What the handlers share.
struct Ministry {
    config: Config,
    provider: Provider,
    sessions: Sessions,
}

/// Serves the ministry until it is interrupted.
pub async fn run(options: Options) -> Result<(), String> {
    let config = Config::load(options)?;
    let address = (config.bind.clone(), config.port);
    let provider = Provider::new(&config)?;
    println!("{} at {}", config.name_en, config.base_url);
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let ministry = Data::new(Ministry {
        config,
        provider,
        sessions: Sessions::default(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(ministry.clone())
            .wrap(view::headers())
            .configure(routes)
    })
    .workers(1);
    match tls {
        Some(tls) => server.bind_openssl(&address, tls),
        None => server.bind(&address),
    }
    .map_err(|error| format!("cannot listen on {}:{}: {error}", address.0, address.1))?
    .run()
    .await
    .map_err(|error| error.to_string())
}

/// TLS 1.3 alone: every browser that knows passkeys speaks it.
fn acceptor(files: &Tls) -> Result<SslAcceptorBuilder, String> {
    let make = || {
        let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server())?;
        builder.set_certificate_chain_file(&files.certificate_file)?;
        builder.set_private_key_file(&files.key_file, SslFiletype::PEM)?;
        builder.check_private_key()?;
        Ok(builder)
    };
    make().map_err(|error: openssl::error::ErrorStack| {
        format!("TLS with {}: {error}", files.certificate_file.display())
    })
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/").get(view::home).head(view::home))
        .service(
            web::resource("/style.css")
                .get(view::style)
                .head(view::style),
        )
        .service(
            web::resource("/khmer.woff2")
                .get(view::khmer)
                .head(view::khmer),
        )
        .service(
            web::resource("/khmer-bold.woff2")
                .get(view::khmer_bold)
                .head(view::khmer_bold),
        )
        .service(web::resource("/login").post(login::start).get(login::start))
        .service(web::resource("/callback").get(callback::receive))
        .service(web::resource("/logout").post(logout::start))
        .default_service(web::to(|| async {
            Err::<HttpResponse, _>(Failure::not_found())
        }));
}
