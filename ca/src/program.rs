//! The program as its command line sees it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use hsm_bridge::client::{Client, ClientOptions, Transport};
use service::cli::{Context, Failure, Service};
use service::config::ConfigError;
use service::server::{self, Bound, Listener, MonitorConfig};
use service::telemetry::TelemetryConfig;
use store::{Schema, Store};

use crate::app::App;
use crate::config::Config;
use crate::keys::TokenDoor;
use crate::{background, ceremony, http, import};

/// The program `ca`.
#[derive(Clone, Copy, Debug)]
pub struct CertificateAuthority;

/// What the authority does beside serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Holds or checks a key ceremony.
    Ceremony {
        /// Which of the two.
        #[command(subcommand)]
        act: CeremonyCommand,
    },
}

/// Acts of a ceremony.
#[derive(Clone, Debug, Subcommand)]
pub enum CeremonyCommand {
    /// Makes the hierarchy that a reviewed file describes.
    Run {
        /// The ceremony file.
        #[arg(long)]
        file: PathBuf,
        /// Directory for the public results; must be empty or absent.
        #[arg(long)]
        out: PathBuf,
        /// Directory from which relative paths in the file are taken.
        #[arg(long, default_value = ".")]
        base: PathBuf,
    },
    /// Replays a ceremony's transcript against its results.
    Verify {
        /// The directory with the results.
        #[arg(long)]
        dir: PathBuf,
    },
}

impl Service for CertificateAuthority {
    const NAME: &'static str = "ca";
    type Config = Config;
    type Command = Command;

    fn telemetry(config: &Config) -> &TelemetryConfig {
        &config.telemetry
    }

    fn monitor(config: &Config) -> &MonitorConfig {
        &config.monitor
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check()
    }

    async fn migrate(config: Config) -> Result<Vec<String>, Failure> {
        Ok(Store::open(&config.store, Schema::Ca)?.migrate().await?)
    }

    async fn serve(config: Config, context: Context) -> Result<(), Failure> {
        let base = config.base_url.clone();
        let bridge = Transport::of(&config.bridge_socket, config.bridge_remote.as_ref());
        let connect = move || Client::open(bridge, ClientOptions::default());
        let client = tokio::task::spawn_blocking(connect).await??;
        let store = Store::open(&config.store, Schema::Ca)?;
        store.migrate().await?;
        let bound = start(config, store, Arc::new(client), &context).await?;
        Ok(bound.run(&context, &base).await?)
    }

    async fn command(_: Config, context: Context, command: Command) -> Result<(), Failure> {
        let Command::Ceremony { act } = command;
        tokio::task::spawn_blocking(move || run_ceremony(&act, &context)).await?
    }
}

/// Puts the authority together, takes over the ceremony's results, starts its background work, and opens its
/// sockets; running them is the caller's.
pub async fn start(
    config: Config,
    store: Store,
    door: Arc<dyn TokenDoor>,
    context: &Context,
) -> Result<Bound, Failure> {
    let listeners = (
        config.listener.clone(),
        config.tsa_listener.clone(),
        config.monitor.clone(),
    );
    let inner = context.clone();
    let app =
        tokio::task::spawn_blocking(move || App::build(config, store, door, &inner)).await??;
    let (api, tsa) = (Arc::clone(&app), Arc::clone(&app));
    let bound = server::bind(
        vec![
            Listener::new("ca", listeners.0, move |services| http::api(&api, services)),
            Listener::new("tsa", listeners.1, move |services| {
                http::tsa(&tsa, services);
            }),
        ],
        Some(&listeners.2),
    )?;
    import::ceremony_results(&app).await?;
    require_readiness(&app, context);
    background::start(&app);
    Ok(bound)
}

fn require_readiness(app: &Arc<App>, context: &Context) {
    let inner = Arc::clone(app);
    context.readiness.require("database", move || {
        let app = Arc::clone(&inner);
        async move { app.store.health().await.map_err(|error| error.to_string()) }
    });
    let inner = Arc::clone(app);
    context.readiness.require("token", move || {
        let app = Arc::clone(&inner);
        async move {
            let keys = app.keys.clone();
            match service::blocking(&app.token_pool, move || keys.health()).await {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
    });
}

fn run_ceremony(act: &CeremonyCommand, context: &Context) -> Result<(), Failure> {
    match act {
        CeremonyCommand::Run { file, out, base } => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let mut show = |step: &str| print!("{step}");
            let outcome = ceremony::run(&text, base, out, &context.sources, &mut show)?;
            println!("root certificate, SHA-256: {}", outcome.root);
            println!("transcript, last hash:     {}", outcome.transcript);
            println!("Compare both with the printed copies before leaving the room.");
        }
        CeremonyCommand::Verify { dir } => {
            let report = ceremony::verify(dir)?;
            println!(
                "sound: {} steps, {} files, {} certificates, {} revocation lists",
                report.steps, report.files, report.certificates, report.crls
            );
            println!("transcript, last hash: {}", report.transcript);
        }
    }
    Ok(())
}
