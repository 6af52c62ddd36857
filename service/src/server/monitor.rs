//! Health and metrics, on a socket that the public does not reach.

use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;

use crate::cli::Context;
use crate::{Shutdown, methods, telemetry};

/// How long a check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Checking + Send + Sync>;

/// What must work for the service to be sent requests; cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<RwLock<Vec<(&'static str, Check)>>>);

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readiness")
    }
}

impl Readiness {
    /// Adds a check; its error is shown on the health page and must not contain secrets.
    pub fn require<F>(&self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, check));
    }

    /// Runs all checks; the names and reasons of those that fail.
    pub async fn failures(&self) -> Vec<(&'static str, String)> {
        let checks = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut failures = Vec::new();
        for (name, check) in checks {
            match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => failures.push((name, reason)),
                Err(_) => failures.push((name, "did not answer in time".to_owned())),
            }
        }
        failures
    }
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

async fn ready(readiness: web::Data<Readiness>, shutdown: web::Data<Shutdown>) -> HttpResponse {
    if shutdown.is_triggered() {
        return HttpResponse::ServiceUnavailable().json(json!({"status": "ending"}));
    }
    let failures = readiness.failures().await;
    if failures.is_empty() {
        return HttpResponse::Ok().json(json!({"status": "ready"}));
    }
    let failed: serde_json::Map<_, _> = failures
        .into_iter()
        .map(|(name, reason)| (name.to_owned(), reason.into()))
        .collect();
    HttpResponse::ServiceUnavailable().json(json!({"status": "not ready", "failed": failed}))
}

async fn metrics_page() -> HttpResponse {
    let handle = telemetry::metrics();
    handle.run_upkeep();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(handle.render())
}

pub(super) fn server(
    socket: TcpListener,
    context: &Context,
) -> std::io::Result<actix_web::dev::Server> {
    telemetry::metrics();
    let readiness = web::Data::new(context.readiness.clone());
    let shutdown = web::Data::new(context.tasks.shutdown().clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(readiness.clone())
            .app_data(shutdown.clone())
            .wrap(from_fn(methods::keep))
            .service(web::resource("/health/live").get(live))
            .service(web::resource("/health/ready").get(ready))
            .service(web::resource("/metrics").get(metrics_page))
    });
    Ok(server
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(socket)?
        .run())
}
