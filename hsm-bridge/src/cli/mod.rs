//! The command line: verbs, help texts, and one clear line for what goes wrong.

mod admin;
mod audit;
mod bench;
mod gate;
mod init;
mod listing;
mod rewrap;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use hsm_bridge::daemon::{self, Config};
use hsm_bridge::{KeyLabel, KeyStoreError};
use tracing_subscriber::EnvFilter;

/// Exit status for a refused or locked PIN; a supervisor must not start the daemon again before an operator acted.
const EXIT_PIN: u8 = 77;
/// Exit status for a setting that cannot be used.
const EXIT_CONFIGURATION: u8 = 78;
/// Exit status for a token or module that cannot be reached.
const EXIT_UNAVAILABLE: u8 = 69;

/// The only door to private keys: owns a PKCS#11 token and lets each service do what the policy grants it.
#[derive(Parser)]
#[command(name = "hsm-bridge", version)]
struct Cli {
    /// Which log events are shown, as in `info` or `hsm_bridge=debug`.
    #[arg(long, env = "ROMDUOL_LOG", default_value = "info", global = true)]
    log: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file; its section [bridge] is read, or [gate] by `gate`.
    #[arg(long, default_value = "romduol.toml")]
    config: PathBuf,
}

#[derive(Args)]
struct Start {
    #[command(flatten)]
    file: ConfigFile,
    /// Start nothing: say in words what is right and what is wrong. Exit status 0 when nothing is wrong, 1 when something is, 78 for
    /// settings that cannot be read. `serve --check` is `check`.
    #[arg(long)]
    check: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the daemon until SIGTERM.
    Serve(Start),
    /// Run the gate for services on other hosts, over mutual TLS, until SIGTERM. Reads the section [gate] alone.
    Gate(Start),
    /// Say in words what is wrong with module, token, PIN, policy, sockets or keys. Offers the PIN once.
    Check(ConfigFile),
    /// List the keys in the token and those it sealed. Offers the PIN once.
    Keys(ConfigFile),
    /// Say how each token of the running daemon is: sound, lost, awaiting its custodians or refusing its PIN, since when, how often it
    /// came back, and which keys it serves now. Exit status 1 when not all is well.
    Status(status::Arguments),
    /// Print how a key was made, as JSON: module, token, mechanism and the key's attributes as the token showed them then. Offers the
    /// PIN once.
    Evidence {
        /// Label of the key.
        label: KeyLabel,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List the tokens that a module shows. Needs no PIN.
    Tokens {
        /// Path of the PKCS#11 module; `embedded:FILE` for the token that a build with it has linked in.
        #[arg(long, default_value = "/usr/lib/softhsm/libsofthsm2.so")]
        module: PathBuf,
    },
    /// Initialise the first blank token of a module, SoftHSM's for example. Never touches a token that has a label already.
    Init(init::Arguments),
    /// Wrap every sealed key under a new generation of the token's key, with the daemon stopped; goes on where an earlier run was cut
    /// short. Offers the PIN once.
    Rewrap(rewrap::Arguments),
    /// Measure signatures through the bridge beside the bare driver, on a SoftHSM token made for it.
    Bench(bench::Arguments),
    /// Own one token for the supervisor that started this process.
    #[command(hide = true)]
    Worker,
    /// Order administrative work on keys: draft an order, sign it, hand it in; wrap a key for its way into a token.
    #[command(subcommand)]
    Admin(admin::Verb),
    /// Verify or show an audit log.
    #[command(subcommand)]
    Audit(audit::Verb),
    #[command(hide = true)]
    BenchDriver(bench::DriverArguments),
    /// Makes the keys of the bench's full token.
    #[command(hide = true)]
    BenchFill(bench::FillArguments),
}

impl ConfigFile {
    fn load(&self) -> Result<Config, KeyStoreError> {
        Config::load(&self.config, std::env::vars())
    }
}

/// Runs the verb of this process's arguments and turns its outcome into an exit status.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::try_new(&cli.log).unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .init();
    match perform(&cli.verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hsm-bridge: {}", explained(&error));
            ExitCode::from(match error {
                KeyStoreError::PinRefused | KeyStoreError::PinLocked => EXIT_PIN,
                KeyStoreError::TokenUnavailable(_) => EXIT_UNAVAILABLE,
                KeyStoreError::Configuration(_) => EXIT_CONFIGURATION,
                _ => 1,
            })
        }
    }
}

fn perform(verb: &Verb) -> Result<ExitCode, KeyStoreError> {
    match verb {
        Verb::Serve(start) if start.check => return Ok(check(&start.file.load()?)),
        Verb::Serve(start) => daemon::run(&start.file.load()?)?,
        Verb::Gate(start) => return gate::run(&start.file.config, start.check),
        Verb::Worker => daemon::run_worker()?,
        Verb::Check(file) => return Ok(check(&file.load()?)),
        Verb::Status(arguments) => return status::run(arguments),
        Verb::Keys(file) => listing::keys(&file.load()?)?,
        Verb::Evidence { label, file } => listing::evidence(&file.load()?, label)?,
        Verb::Tokens { module } => listing::tokens(module)?,
        Verb::Rewrap(arguments) => return rewrap::run(arguments),
        Verb::Init(arguments) => init::run(arguments)?,
        Verb::Bench(arguments) => bench::run(arguments)?,
        Verb::Admin(verb) => return admin::run(verb),
        Verb::Audit(verb) => return audit::run(verb),
        Verb::BenchDriver(arguments) => bench::run_driver(arguments)?,
        Verb::BenchFill(arguments) => bench::run_fill(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn explained(error: &KeyStoreError) -> String {
    match error {
        KeyStoreError::PinRefused => {
            "the token refused the PIN; it was tried once and will not be tried again: correct the PIN file, then start anew".to_owned()
        }
        KeyStoreError::PinLocked => "the token's PIN is locked; its security officer must set a new one".to_owned(),
        other => other.to_string(),
    }
}

fn check(config: &Config) -> ExitCode {
    let checked = daemon::check(config);
    if checked.findings.is_empty() {
        println!("hsm-bridge: everything is in place");
    }
    for finding in &checked.findings {
        println!("hsm-bridge: {finding}");
    }
    for remark in &checked.remarks {
        println!("hsm-bridge: note: {remark}");
    }
    if checked.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
