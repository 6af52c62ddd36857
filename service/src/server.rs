//! Listeners: sockets, TLS, limits and the edge around an application; health and metrics on a socket of their own;
//! an end that lets running requests finish.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

mod config;
mod monitor;

pub use config::{ListenerConfig, MonitorConfig};
pub use monitor::Readiness;

use crate::cli::Context;
use crate::config::ConfigError;
use crate::middleware::{self, Edge, Pages};
use crate::rate_limit::RateLimit;
use crate::tls::{self, ClientCertificate};

/// How long running requests may take to finish once the end was asked for.
const DRAIN_SECONDS: u64 = 30;

/// A service that cannot start or was ended by a fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The socket is not to be had.
    #[error("{listener}: cannot listen on {address}: {reason}")]
    Listen {
        /// Which listener.
        listener: &'static str,
        /// Its address.
        address: String,
        /// Why not.
        reason: String,
    },
    /// A setting does not work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server failed while running.
    #[error("server: {0}")]
    Io(#[from] std::io::Error),
}

type Configure = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// An application and the socket it is to be served on.
pub struct Listener {
    name: &'static str,
    config: ListenerConfig,
    configure: Configure,
    pages: Option<Pages>,
}

impl Listener {
    /// The application `configure` sets up, once per worker, on the socket of `config`.
    pub fn new(
        name: &'static str,
        config: ListenerConfig,
        configure: impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            config,
            configure: Arc::new(configure),
            pages: None,
        }
    }

    /// Lets people read a page where the edge found a problem.
    #[must_use]
    pub fn pages(mut self, pages: Pages) -> Self {
        self.pages = Some(pages);
        self
    }
}

/// Listeners whose sockets are open and do not answer yet.
pub struct Bound {
    listeners: Vec<(Listener, TcpListener)>,
    monitor: Option<TcpListener>,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.listeners.iter().map(|(listener, _)| listener.name))
            .finish()
    }
}

/// Opens all sockets, so that a taken port is found before anything else starts.
pub fn bind(
    listeners: Vec<Listener>,
    monitor: Option<&MonitorConfig>,
) -> Result<Bound, ServeError> {
    let listeners = listeners
        .into_iter()
        .map(|listener| {
            let socket = open(listener.name, &listener.config.address)?;
            Ok((listener, socket))
        })
        .collect::<Result<_, ServeError>>()?;
    let monitor = match monitor {
        Some(config) if !config.address.is_empty() => Some(open("monitor", &config.address)?),
        _ => None,
    };
    Ok(Bound { listeners, monitor })
}

fn open(listener: &'static str, address: &str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
            _ => error.to_string(),
        };
        ServeError::Listen {
            listener,
            address: address.to_owned(),
            reason,
        }
    })
}

impl Bound {
    /// The addresses of the listeners, in their order; tells the port where the configuration said 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|(_, socket)| socket.local_addr().ok())
            .collect()
    }

    /// The address of the health and metrics listener.
    pub fn monitor_address(&self) -> Option<SocketAddr> {
        self.monitor
            .as_ref()
            .and_then(|socket| socket.local_addr().ok())
    }

    /// Serves until the context's shutdown is triggered, then lets running requests and background work finish.
    /// `problem_base` is the scheme and host before `/problems/…`.
    pub async fn run(self, context: &Context, problem_base: &str) -> Result<(), ServeError> {
        let mut handles: Vec<ServerHandle> = Vec::new();
        let mut servers = tokio::task::JoinSet::new();
        if let Some(socket) = self.monitor {
            let server = monitor::server(socket, context)?;
            handles.push(server.handle());
            servers.spawn(server);
        }
        for (listener, socket) in self.listeners {
            let server = start(&listener, socket, context, problem_base)?;
            tracing::info!(
                listener = listener.name,
                address = listener.config.address,
                "listening"
            );
            handles.push(server.handle());
            servers.spawn(server);
        }
        let mut fault = None;
        tokio::select! {
            () = context.tasks.shutdown().wait() => {}
            ended = servers.join_next() => {
                if let Some(Ok(Err(error))) = ended {
                    fault = Some(error);
                }
                context.tasks.shutdown().trigger();
            }
        }
        for stop in handles.iter().rev().map(|handle| handle.stop(true)) {
            stop.await;
        }
        while servers.join_next().await.is_some() {}
        context
            .tasks
            .drain(Duration::from_secs(DRAIN_SECONDS))
            .await;
        match fault {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

fn start(
    listener: &Listener,
    socket: TcpListener,
    context: &Context,
    problem_base: &str,
) -> Result<actix_web::dev::Server, ServeError> {
    let config = &listener.config;
    let limit = RateLimit::new(listener.name, config.rate_limit);
    limit.keep_clean(&context.tasks);
    let tls = config
        .tls
        .as_ref()
        .map(|tls| tls::acceptor(tls, &context.tasks))
        .transpose()?;
    let edge = Arc::new(Edge {
        listener: listener.name,
        sources: context.sources.clone(),
        problem_base: problem_base.trim_end_matches('/').to_owned(),
        request_timeout: Duration::from_secs(config.request_timeout_seconds),
        trusted_proxies: config.trusted_proxies.clone(),
        limit,
        access_log: config.access_log,
        security_headers: middleware::security_headers(
            &config.content_security_policy,
            tls.is_some(),
        )?,
        pages: listener.pages,
    });
    let configure = Arc::clone(&listener.configure);
    let max_body = config.max_body_bytes;
    let application = move || {
        let (edge, configure) = (Arc::clone(&edge), Arc::clone(&configure));
        App::new()
            .wrap(from_fn(move |request, next| {
                middleware::edge(Arc::clone(&edge), request, next)
            }))
            .configure(crate::problem::extractors(max_body, max_body))
            .default_service(web::to(middleware::not_found))
            .configure(|services| configure(services))
    };
    let mut server = HttpServer::new(application)
        .disable_signals()
        .shutdown_timeout(DRAIN_SECONDS)
        .keep_alive(Duration::from_secs(config.keep_alive_seconds))
        .client_request_timeout(Duration::from_secs(config.head_timeout_seconds))
        .max_connections(config.max_connections)
        .on_connect(|io, extensions| {
            let stream = io.downcast_ref::<actix_web::rt::net::TcpStream>();
            if let Some(stream) = stream {
                // Small answers must not wait for more; a failure costs time alone.
                let _ = stream.set_nodelay(true);
            }
            let tls = io.downcast_ref::<TlsStream>();
            let certificate = tls.and_then(|stream| stream.ssl().peer_certificate());
            if let Some(certificate) = certificate.as_ref().and_then(ClientCertificate::of) {
                extensions.insert(certificate);
            }
        });
    if config.workers > 0 {
        server = server.workers(config.workers);
    }
    let server = match tls {
        Some(tls) => server.listen_openssl(socket, tls)?,
        None => server.listen(socket)?,
    };
    Ok(server.run())
}

/// The stream of a TLS connection as the server hands it out.
type TlsStream = actix_tls::accept::openssl::TlsStream<actix_web::rt::net::TcpStream>;

#[cfg(test)]
#[path = "server/tests.rs"]
mod tests;
