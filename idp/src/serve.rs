//! The provider as a program: its verbs, its start, its background work.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use hsm_bridge::client::{Client, ClientOptions, Transport};
use hsm_bridge::{Health, KeyStore, SecretStore};
use service::cli::{Context, Failure, Service};
use service::config::ConfigError;
use service::server::{Listener, MonitorConfig, bind};
use service::telemetry::TelemetryConfig;
use service::{BlockingPool, blocking};
use store::{Schema, Store};

use crate::app::{App, Parts};
use crate::command::{self, Command};
use crate::config::Config;

/// The `idp` program.
#[derive(Debug)]
pub struct Idp;

impl Service for Idp {
    const NAME: &'static str = "idp";
    type Config = Config;
    type Command = Command;

    fn telemetry(config: &Config) -> &TelemetryConfig {
        &config.telemetry
    }

    fn monitor(config: &Config) -> &MonitorConfig {
        &config.monitor
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check().map_err(ConfigError::Value)
    }

    async fn migrate(config: Config) -> Result<Vec<String>, Failure> {
        let store = Store::open(&config.store, Schema::Idp)?;
        Ok(store.migrate().await?)
    }

    async fn serve(config: Config, context: Context) -> Result<(), Failure> {
        let app = open(config, &context)?;
        let bound = bind(vec![listener(&app)], Some(&app.config.monitor))?;
        start_background(&app, &context);
        bound.run(&context, &app.config.origin()).await?;
        Ok(())
    }

    async fn command(config: Config, context: Context, command: Command) -> Result<(), Failure> {
        let app = open(config, &context)?;
        command::run(&app, command).await
    }
}

/// The public socket, and everything that is served on it.
pub(crate) fn listener(app: &App) -> Listener {
    let data = Data::new(app.clone());
    let config = app.config.listener.clone();
    let max_form = config.max_body_bytes;
    Listener::new("public", config, move |services| {
        services
            .app_data(data.clone())
            .configure(crate::http::answers(max_form))
            .configure(crate::http::routes);
    })
    .pages(crate::http::refusal)
}

/// How often what has expired is removed.
const CLEANING: Duration = Duration::from_secs(5 * 60);

/// Sending messages and forgetting what has expired, for as long as the service runs.
fn start_background(app: &App, context: &Context) {
    context
        .tasks
        .spawn("outbox", crate::outbox::run(Data::new(app.clone())));
    let app = app.clone();
    context.tasks.repeat("cleaning", CLEANING, move || {
        let app = app.clone();
        async move {
            let accounts = crate::account::cleaning::run(&app)
                .await
                .map_err(|e| e.to_string());
            let cases = crate::apply::cleaning::clean(&app)
                .await
                .map_err(|e| e.to_string());
            let protocol = crate::oidc::clean(&app).await.map_err(|e| e.to_string());
            for error in [accounts.err(), cases.err(), protocol.err()]
                .into_iter()
                .flatten()
            {
                tracing::error!(error, "cleaning failed and is tried again");
            }
        }
    });
}

/// Opens the store and the bridge, and says what readiness depends on.
fn open(config: Config, context: &Context) -> Result<App, Failure> {
    let store = Store::open(&config.store, Schema::Idp)?;
    let bridge = Transport::of(&config.bridge_socket, config.bridge_remote.as_ref());
    let bridge = Arc::new(Client::open(bridge, ClientOptions::default())?);
    watch_token(&bridge, context);
    watch_database(&store, context);
    let keys: Arc<dyn KeyStore> = bridge.clone();
    let secrets: Arc<dyn SecretStore> = bridge;
    let app = App::new(Parts {
        config,
        store,
        keys,
        secrets,
        sources: context.sources.clone(),
    })?;
    Ok(app)
}

fn watch_token(bridge: &Arc<Client>, context: &Context) {
    let pool = BlockingPool::new(1);
    let bridge = Arc::clone(bridge);
    context.readiness.require("token", move || {
        let (pool, bridge) = (pool.clone(), Arc::clone(&bridge));
        async move {
            match blocking(&pool, move || bridge.health()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
    });
}

fn watch_database(store: &Store, context: &Context) {
    let store = store.clone();
    context.readiness.require("database", move || {
        let store = store.clone();
        async move {
            store
                .read(|r| r.audit_head())
                .await
                .map(drop)
                .map_err(|e| e.to_string())
        }
    });
}
