//! The demo: from nothing to running services with people in them, on this machine alone.
//!
//! It makes keys in a ceremony, starts every program as its own process, seeds people through the same pages that
//! people use, writes `demo.json`, and stays in the foreground until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod application;
mod children;
mod clients;
mod describe;
mod folder;
mod people;
mod ports;
mod programs;
mod visitor;

use children::Children;
use folder::{Choices, Folder};
use ports::Ports;
use programs::Programs;

/// How long a call of the demo itself may take.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts Romduol with a data folder of its own and people to try it with.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// The data folder; made when it is missing, used again when it is there.
    #[arg(long, value_name = "DIR", default_value = ".romduol")]
    data: PathBuf,
    /// The first port; the others follow from it.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port_base: u16,
    /// A PostgreSQL server with databases `romduol_ca` and `romduol_idp`, in place of SQLite.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Start without people: for measurements that bring their own.
    #[arg(long)]
    no_people: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("demo: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let choices = Choices { ports: Ports::new(arguments.port_base)?, postgres: arguments.postgres };
    choices.ports.check_free()?;
    if !Path::new(folder::MODULE).exists() {
        return Err(format!("{} is missing: install the package softhsm2", folder::MODULE));
    }
    let programs = Programs::beside_this_one()?;
    let folder = Folder::open(&arguments.data)?;
    let http = reqwest::Client::builder()
        .timeout(HTTP_TIMEOUT)
        .build()
        .map_err(|e| format!("cannot make an HTTP client: {e}"))?;
    let mut children = Children::new(&folder.path(""), http);
    let outcome = tokio::select! {
        outcome = start(&folder, &choices, &programs, &mut children, arguments.no_people) => outcome,
        () = asked_to_stop() => Err("stopped before everything was up".to_owned()),
    };
    let outcome = match outcome {
        Ok(()) => {
            let again = signal(SignalKind::hangup()).map_err(|e| format!("signals: {e}"))?;
            children.watch(asked_to_stop(), again).await;
            println!("\nstopping");
            Ok(())
        }
        Err(reason) => Err(reason),
    };
    children.stop().await;
    outcome
}

async fn start(
    folder: &Folder,
    choices: &Choices,
    programs: &Programs,
    children: &mut Children,
    no_people: bool,
) -> Result<(), String> {
    println!("data folder: {}", folder.path("").display());
    folder.write_settings(choices)?;
    if folder.has_ceremony() {
        println!("the key ceremony was held before; its keys are used");
    } else {
        println!("holding the key ceremony (transcript: {})", folder.text("ceremony/transcript.txt"));
        programs.hold_ceremony(folder, choices).await?;
    }
    println!("starting hsm-bridge, idp, ca, ocsp");
    programs.start_services(folder, choices, children).await?;
    let clients = programs.register_clients(folder, choices).await?;
    programs.start_ministries(folder, choices, children, &clients).await?;
    let people = if no_people {
        Vec::new()
    } else {
        println!("introducing people (through the pages that people use)");
        people::seed(folder, choices, programs).await?
    };
    describe::write(folder, choices, &clients, &people)?;
    describe::tell(folder, choices, &people);
    Ok(())
}

/// Resolves at Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
