//! Certificate authority, status service, provider and the bridge to the token in one process: for a machine with
//! little memory, and as a picture of how the libraries fit together.
//!
//! The data folder is that of the demo. The key ceremony runs in a process of its own, so that the one that serves
//! never opens the root's token.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use examples::demo::folder::Folder;
use examples::demo::ports::Ports;
use examples::demo::{Choices, MODULE, Stage};
use hsm_bridge::daemon::{self, Daemon};
use rustix::fs::Mode;
use service::Sources;
use service::cli::{Context, Failure, Service};
use service::config;
use service::telemetry::{TelemetryConfig, start_logging};

/// What is logged: the services' own words are for their own processes.
const LOG: &str = "warn";

/// Runs all services of Romduol in one process, over plain HTTP on this machine.
#[derive(Debug, Parser)]
#[command(name = "all-in-one", version)]
struct Arguments {
    /// The data folder; made when it is missing, used again when it is there. The demo can use the same one.
    #[arg(long, value_name = "DIR", default_value = ".romduol")]
    data: PathBuf,
    /// The first port; the others follow from it.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port_base: u16,
    /// Which part of the work this process does; the first one starts the others.
    #[arg(long, value_enum, hide = true, default_value = "prepare")]
    part: Part,
}

/// SoftHSM finds its tokens by an environment variable, which a process gets at its start and not later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Makes the folder, then becomes the process that serves.
    Prepare,
    /// Holds the key ceremony.
    Ceremony,
    /// Serves.
    Serve,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("all-in-one: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let choices = Choices {
        ports: Ports::new(arguments.port_base, false)?,
        postgres: None,
        tls: false,
    };
    let folder = Folder::open(&arguments.data)?;
    match arguments.part {
        Part::Prepare => prepare(&folder, &choices, arguments),
        Part::Ceremony => hold_ceremony(&folder, &choices),
        Part::Serve => serve(&folder, &choices),
    }
}

fn prepare(folder: &Folder, choices: &Choices, arguments: &Arguments) -> Result<(), Failure> {
    if !Path::new(MODULE).exists() {
        return Err(format!("{MODULE} is missing: install the package softhsm2").into());
    }
    let held = folder.hold()?;
    choices.ports.check_free()?;
    folder.keep_purpose(choices)?;
    folder.write_settings(choices, Stage::Service)?;
    let this = |part: &str| {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("--data")
            .arg(folder.path(""))
            .args(["--part", part]);
        command.args(["--port-base", &arguments.port_base.to_string()]);
        command.envs([folder.softhsm("token")]);
        command
    };
    if !folder.has_ceremony() {
        println!("holding the key ceremony");
        if !this("ceremony").status()?.success() {
            return Err("the key ceremony failed".into());
        }
        folder.put_root_away()?;
    }
    // The process that serves takes the folder again.
    drop(held);
    Err(this("serve").exec().into())
}

fn hold_ceremony(folder: &Folder, choices: &Choices) -> Result<(), Failure> {
    let text = std::fs::read_to_string(folder.write_ceremony(choices)?)?;
    let (base, out) = (folder.path(""), folder.path("ceremony"));
    let outcome = ca::ceremony::run(&text, &base, &out, &Sources::system(), &mut |_| {})?;
    println!("root certificate, SHA-256: {}", outcome.root);
    Ok(())
}

fn serve(folder: &Folder, choices: &Choices) -> Result<(), Failure> {
    let _held = folder.hold()?;
    rustix::process::umask(Mode::RWXO | Mode::WGRP);
    start_logging(&TelemetryConfig {
        log: LOG.to_owned(),
    })?;
    let settings = folder.path(Stage::Service.file());
    // One thread per connection, beside the runtime of the services.
    let bridge = Daemon::start(&daemon::Config::load(&settings, config::environment())?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve_all(&settings, choices));
    // Last, so that running signatures end.
    bridge.stop();
    outcome
}

async fn serve_all(settings: &Path, choices: &Choices) -> Result<(), Failure> {
    let contexts = [Context::system(), Context::system(), Context::system()];
    for context in &contexts {
        context.tasks.shutdown().on_signals()?;
    }
    let [first, second, third] = contexts.clone();
    println!(
        "provider {}, authority {}, Ctrl-C stops everything",
        choices.idp(),
        choices.ca()
    );
    let (provider, authority, status) = tokio::join!(
        run_one::<idp::serve::Idp>(settings, first, &contexts),
        run_one::<ca::CertificateAuthority>(settings, second, &contexts),
        run_one::<ocsp::Ocsp>(settings, third, &contexts),
    );
    provider.and(authority).and(status)
}

/// Runs one service; when it ends, so do the others.
async fn run_one<S: Service>(
    settings: &Path,
    context: Context,
    all: &[Context],
) -> Result<(), Failure> {
    let outcome = async {
        let config: S::Config = config::load(Some(settings), S::NAME, &config::environment())?;
        S::check(&config)?;
        S::migrate(config.clone()).await?;
        S::serve(config, context).await
    };
    let outcome = outcome.await;
    for context in all {
        context.tasks.shutdown().trigger();
    }
    outcome.map_err(|failure| format!("{}: {failure}", S::NAME).into())
}
