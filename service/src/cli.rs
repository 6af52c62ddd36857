//! The command line of every service: `serve`, `check-config`, `print-config`, `migrate`, `health`, and what a
//! service adds.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{self, ConfigError};
use crate::server::{MonitorConfig, Readiness};
use crate::telemetry::{self, TelemetryConfig};
use crate::{HttpClientConfig, Shutdown, Sources, Tasks};

/// Any failure that ends a command; its text is shown in one line.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A service's extra verbs when it has none.
#[derive(Clone, Debug, Subcommand)]
pub enum NoCommand {}

/// What a service is handed at its start.
#[derive(Clone, Debug)]
pub struct Context {
    /// Clock and randomness.
    pub sources: Sources,
    /// Background work, and the signal to end.
    pub tasks: Tasks,
    /// What must work before requests are sent here.
    pub readiness: Readiness,
}

impl Context {
    /// The system's clock and randomness, nothing running yet; call within a runtime.
    pub fn system() -> Self {
        Self::new(Sources::system())
    }

    /// With these sources, nothing running yet; call within a runtime.
    pub fn new(sources: Sources) -> Self {
        Self {
            sources,
            tasks: Tasks::new(Shutdown::default()),
            readiness: Readiness::default(),
        }
    }
}

/// A program of this project, as its command line sees it.
pub trait Service: 'static {
    /// Name of the program and of its configuration section.
    const NAME: &'static str;
    /// Its configuration section.
    type Config: Serialize + DeserializeOwned + Default + Clone;
    /// Its extra verbs, or [`NoCommand`].
    type Command: Subcommand;

    /// What is logged.
    fn telemetry(config: &Self::Config) -> &TelemetryConfig;
    /// Where health and metrics are.
    fn monitor(config: &Self::Config) -> &MonitorConfig;
    /// Checks what types cannot; called before everything else.
    fn check(config: &Self::Config) -> Result<(), ConfigError>;
    /// Brings the database to the state this program expects and names what was done.
    fn migrate(config: Self::Config) -> impl Future<Output = Result<Vec<String>, Failure>>;
    /// Runs until the context's shutdown is triggered.
    fn serve(config: Self::Config, context: Context) -> impl Future<Output = Result<(), Failure>>;
    /// Carries out an extra verb.
    fn command(
        config: Self::Config,
        context: Context,
        command: Self::Command,
    ) -> impl Future<Output = Result<(), Failure>>;
}

#[derive(Debug, Parser)]
struct Arguments {
    /// Configuration file; without it all settings have their defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the service until SIGTERM or SIGINT.
    Serve,
    /// Reads the configuration and says whether it is usable.
    CheckConfig,
    /// Shows the configuration in force, with secrets masked.
    PrintConfig,
    /// Brings the database to the state this program expects.
    Migrate,
    /// Asks the running service whether it is ready.
    Health,
}

/// Files of a service are its own and its group's: databases, journals and logs are nobody else's to read.
fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXO | rustix::fs::Mode::WGRP);
}

/// Reads the command line and does what it says; errors are one line on standard error.
pub fn run<S: Service>() -> ExitCode {
    keep_files_private();
    match try_run::<S>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let line = failure
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            eprintln!("{}: {line}", S::NAME);
            ExitCode::FAILURE
        }
    }
}

fn try_run<S: Service>() -> Result<(), Failure> {
    let command = clap::Command::new(S::NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true);
    let command = <Arguments as clap::Args>::augment_args(command);
    let command = S::Command::augment_subcommands(Verb::augment_subcommands(command));
    let matches = command.get_matches();
    let arguments = Arguments::from_arg_matches(&matches)?;
    let config: S::Config =
        config::load(arguments.config.as_deref(), S::NAME, &config::environment())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if let Ok(verb) = Verb::from_arg_matches(&matches) {
        return runtime.block_on(common::<S>(verb, config));
    }
    let command = S::Command::from_arg_matches(&matches)?;
    S::check(&config)?;
    telemetry::start_logging(S::telemetry(&config))?;
    runtime.block_on(async { S::command(config, Context::system(), command).await })
}

async fn common<S: Service>(verb: Verb, config: S::Config) -> Result<(), Failure> {
    match verb {
        Verb::PrintConfig => {
            println!("{}", config::print(S::NAME, &config)?);
            Ok(())
        }
        Verb::CheckConfig => {
            S::check(&config)?;
            println!("{}: configuration is usable", S::NAME);
            Ok(())
        }
        Verb::Migrate => {
            S::check(&config)?;
            for step in S::migrate(config).await? {
                println!("{}: {step}", S::NAME);
            }
            Ok(())
        }
        Verb::Health => health(S::monitor(&config)).await,
        Verb::Serve => {
            S::check(&config)?;
            telemetry::start_logging(S::telemetry(&config))?;
            let context = Context::system();
            context.tasks.shutdown().on_signals()?;
            S::serve(config, context).await
        }
    }
}

async fn health(monitor: &MonitorConfig) -> Result<(), Failure> {
    let client = crate::http_client(&HttpClientConfig::default())?;
    let url = format!("http://{}/health/ready", monitor.address);
    let answer = client.get(url).send().await?;
    let ready = answer.status().is_success();
    let body = answer.text().await?;
    println!("{body}");
    if ready {
        Ok(())
    } else {
        Err("not ready".into())
    }
}
