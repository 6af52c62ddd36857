//! OCSP responder and CRL publisher edge: answers about certificates, with the authority and its database stopped.
//!
//! It follows the authority's status log into memory and a journal of its own, and signs with delegated keys that
//! can sign nothing but answers. It holds no authority's key and needs no database.

mod answer;
mod ca_client;
mod config;
mod error;
mod files;
mod follow;
mod hierarchy;
pub mod http;
mod journal;
mod lists;
mod publishing;
mod responder;
mod status;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use hsm_bridge::client::{Client, ClientOptions, Transport};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{Health, KeyLabel, KeyStore};
use service::cli::{Context, Failure, NoCommand};
use service::config::ConfigError;
use service::peer::PeerSigner;
use service::rate_limit::RateLimit;
use service::server::{self, Listener, MonitorConfig};
use service::telemetry::TelemetryConfig;
use tokio::sync::watch;

pub use answer::{Answer, Answers, Asked, Order};
pub use config::{AnswerConfig, CaConfig, Config};
pub use error::Error;
pub use hierarchy::Authority;
pub use journal::Journal;
pub use lists::Lists;
pub use responder::Responder;
pub use status::{Change, Entry, Known, Record, Statuses};

use ca_client::CaClient;
use follow::Follower;

/// How often responder certificates are looked at.
const RENEWAL_EVERY: Duration = Duration::from_mins(10);

/// The status service's program.
#[derive(Debug)]
pub struct Ocsp;

impl service::cli::Service for Ocsp {
    const NAME: &'static str = "ocsp";
    type Config = Config;
    type Command = NoCommand;

    fn telemetry(config: &Config) -> &TelemetryConfig {
        &config.telemetry
    }

    fn monitor(config: &Config) -> &MonitorConfig {
        &config.monitor
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check()
    }

    async fn migrate(_: Config) -> Result<Vec<String>, Failure> {
        Ok(vec![
            "nothing to do: this service has no database".to_owned(),
        ])
    }

    async fn serve(config: Config, context: Context) -> Result<(), Failure> {
        serve(config, context).await
    }

    async fn command(_: Config, _: Context, command: NoCommand) -> Result<(), Failure> {
        match command {}
    }
}

/// The parts of a running service that requests reach.
#[derive(Clone, Debug)]
pub struct App {
    /// Who answers.
    pub answers: Answers,
    /// What is known.
    pub statuses: Arc<Statuses>,
    /// What is published.
    pub lists: Arc<Lists>,
    limit: RateLimit<std::net::IpAddr>,
}

impl App {
    /// Joins the authorities' certificates and lists with the keys of their responders. Blocks.
    pub fn open(
        config: &Config,
        authorities: &[Authority],
        keys: &dyn KeyStore,
        context: &Context,
    ) -> Result<Self, Error> {
        let statuses = Arc::new(Statuses::default());
        let mut responders = Vec::new();
        for authority in authorities {
            let responder =
                Responder::open(authority, keys, &config.status_folder, &OpenSslVerifier)?;
            responders.extend(responder.map(Arc::new));
        }
        let lists = Arc::new(Lists::open(
            &config.crl_folder,
            authorities,
            OpenSslVerifier,
        )?);
        let limit = RateLimit::new("ocsp-signing", config.answers.signing_limit);
        limit.keep_clean(&context.tasks);
        let answers = Answers::new(
            config.answers.clone(),
            responders,
            Arc::clone(&statuses),
            context.sources.clone(),
            context.tasks.clone(),
        );
        Ok(Self {
            answers,
            statuses,
            lists,
            limit,
        })
    }

    /// Routes and what they need, for a listener.
    pub fn configure(&self, services: &mut web::ServiceConfig) {
        services
            .app_data(web::Data::new(self.answers.clone()))
            .app_data(web::Data::new(Arc::clone(&self.lists)))
            .app_data(web::Data::new(self.limit.clone()))
            .configure(http::routes);
    }
}

/// Runs the service until the context's shutdown is triggered.
pub async fn serve(config: Config, context: Context) -> Result<(), Failure> {
    let opened = {
        let (config, context) = (config.clone(), context.clone());
        tokio::task::spawn_blocking(move || open(&config, &context)).await??
    };
    let Opened {
        app,
        journal,
        client,
        bridge,
    } = opened;
    let public = app.clone();
    let listener = Listener::new("ocsp", config.listener.clone(), move |services| {
        public.configure(services);
    });
    let bound = server::bind(vec![listener], Some(&config.monitor))?;
    start_background(&config, &context, &app, journal, client);
    let answers = app.answers.clone();
    context.readiness.require("status", move || {
        let ready = answers.is_ready();
        async move { ready }
    });
    context.readiness.require("bridge", move || {
        let bridge = bridge.clone();
        async move {
            let asked = tokio::task::spawn_blocking(move || bridge.health());
            asked
                .await
                .map_err(|e| e.to_string())?
                .map_err(|e| e.to_string())
        }
    });
    bound.run(&context, &config.base_url).await?;
    Ok(())
}

struct Opened {
    app: App,
    journal: Journal,
    client: CaClient,
    bridge: Client,
}

fn open(config: &Config, context: &Context) -> Result<Opened, Error> {
    let authorities = hierarchy::read(&config.hierarchy_folder, &OpenSslVerifier)?;
    let bridge = Transport::of(&config.bridge_socket, config.bridge_remote.as_ref());
    let bridge = Client::open(bridge, ClientOptions::default())?;
    let app = App::open(config, &authorities, &bridge, context)?;
    let journal = Journal::open(&config.status_folder, &app.statuses)?;
    let label = KeyLabel::parse(&config.ca.peer_key)
        .map_err(|e| Error::Hierarchy(format!("ca.peer_key: {e}")))?;
    let id = bridge
        .find(&label)?
        .ok_or_else(|| Error::Hierarchy(format!("key {label} is not in the token")))?;
    let signer = PeerSigner::new(config.ca.peer_name.clone(), bridge.signer(id, None)?.into())
        .map_err(|e| Error::Hierarchy(e.to_string()))?;
    let client = CaClient::new(config.ca.clone(), signer, context.sources.clone())?;
    Ok(Opened {
        app,
        journal,
        client,
        bridge,
    })
}

fn start_background(
    config: &Config,
    context: &Context,
    app: &App,
    journal: Journal,
    client: CaClient,
) {
    let (news, revoked) = watch::channel(Vec::new());
    let follower = Follower::new(
        client.clone(),
        journal,
        Arc::clone(&app.statuses),
        app.answers.clone(),
        context.sources.clone(),
        news.clone(),
    );
    context.tasks.spawn("status-log", follower.run());
    let every = Duration::from_secs(u64::from(config.ca.crl_seconds));
    let lists = Arc::clone(&app.lists);
    context.tasks.spawn(
        "lists",
        publishing::run(lists, client.clone(), revoked, news, every),
    );
    let answers = app.answers.clone();
    context
        .tasks
        .repeat("responder-renewal", RENEWAL_EVERY, move || {
            let (client, answers) = (client.clone(), answers.clone());
            async move { follow::renew_due(&client, &answers).await }
        });
}
