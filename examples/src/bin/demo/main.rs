//! The demo: from nothing to running services with people in them, on this machine alone.
//!
//! It makes keys in a ceremony, starts every program as its own process, seeds people through the same pages that
//! people use, writes `demo.json`, and stays in the foreground until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use examples::demo::folder::{Folder, Held};
use examples::demo::ports::Ports;
use examples::demo::{Choices, MODULE, Stage};
use tokio::signal::unix::{SignalKind, signal};

mod application;
mod children;
mod clients;
mod describe;
mod launcher;
mod leftovers;
mod people;
mod programs;
mod tls;
mod visitor;

use children::Children;
use programs::{Client, Programs};
use visitor::{Site, http_client};

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
    /// Serve HTTPS with certificates of our own authority; the services prove themselves to each other by
    /// certificates as well.
    #[arg(long)]
    tls: bool,
    /// Start without people: for measurements that bring their own.
    #[arg(long)]
    no_people: bool,
}

fn main() -> ExitCode {
    if let Some(reason) = launcher::become_program(std::env::args_os()) {
        eprintln!("demo: {reason}");
        return ExitCode::FAILURE;
    }
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("demo: {reason}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> Result<(), String> {
    let choices = Choices {
        ports: Ports::new(arguments.port_base, arguments.tls)?,
        postgres: arguments.postgres,
        tls: arguments.tls,
    };
    if !Path::new(MODULE).exists() {
        return Err(format!("{MODULE} is missing: install the package softhsm2"));
    }
    let programs = Programs::beside_this_one()?;
    let (folder, _held) = take(&arguments.data, &choices).await?;
    let http = http_client(None)?
        .build()
        .map_err(|e| format!("cannot make an HTTP client: {e}"))?;
    let mut children = Children::new(&folder.path(""), http);
    let outcome = tokio::select! {
        outcome = start(&folder, &choices, &programs, &mut children, arguments.no_people) => outcome,
        () = asked_to_stop() => Err("stopped before everything was up".to_owned()),
    };
    let outcome = match outcome {
        Ok(office) => {
            let again = signal(SignalKind::hangup()).map_err(|e| format!("signals: {e}"))?;
            tokio::select! {
                () = children.watch(asked_to_stop(), again) => {}
                () = keep_fresh(&folder, &choices, office.as_ref()) => {}
            }
            println!("\nstopping");
            Ok(())
        }
        Err(reason) => Err(reason),
    };
    children.stop().await;
    outcome
}

/// Takes the data folder for this process, without programs of an earlier start in it, and looks at the ports.
async fn take(data: &Path, choices: &Choices) -> Result<(Folder, Held), String> {
    let folder = Folder::open(data)?;
    let held = folder.hold()?;
    leftovers::stop(&folder).await;
    choices.ports.check_free()?;
    folder.keep_purpose(choices)?;
    Ok((folder, held))
}

/// Looks after TLS certificates where there are any; never comes back.
async fn keep_fresh(folder: &Folder, choices: &Choices, office: Option<&Client>) {
    match office {
        Some(office) if choices.tls => tls::keep_fresh(folder, choices, office).await,
        _ => std::future::pending().await,
    }
}

/// Starts everything; gives the machine of the certificate office.
async fn start(
    folder: &Folder,
    choices: &Choices,
    programs: &Programs,
    children: &mut Children,
    no_people: bool,
) -> Result<Option<Client>, String> {
    println!("data folder: {}", folder.text(""));
    folder.write_settings(choices, Stage::Service)?;
    if folder.has_ceremony() {
        println!("the key ceremony was held before; its keys are used");
    } else {
        println!(
            "holding the key ceremony (transcript: {})",
            folder.text("ceremony/transcript.txt")
        );
        programs.hold_ceremony(folder, choices).await?;
    }
    println!("starting hsm-bridge, idp, ca, ocsp");
    programs.start_bridge(folder, children).await?;
    let mut site = Site {
        base: choices.idp(),
        root: None,
    };
    if choices.tls {
        tls::prepare(programs, folder, choices, children).await?;
        site.root = Some(folder.path("tls/root.pem"));
        let http = http_client(site.root.as_deref())?.build();
        children.use_http(http.map_err(|e| format!("cannot make an HTTP client: {e}"))?);
    }
    for name in ["idp", "ca", "ocsp"] {
        programs
            .start_service(folder, choices, children, name, Stage::Service)
            .await?;
    }
    let clients = programs.register_clients(folder, choices).await?;
    programs
        .start_ministries(folder, choices, children, &clients)
        .await?;
    let people = if no_people {
        Vec::new()
    } else {
        println!("introducing people (through the pages that people use)");
        people::seed(folder, &site, programs).await?
    };
    describe::write(folder, choices, &clients, &people)?;
    describe::tell(folder, choices, &people);
    Ok(clients
        .into_iter()
        .find(|client| client.relying_party.is_none()))
}

/// Resolves at Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
