//! An order in words.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use hsm_bridge::admin::{Administrators, Operation, Order};
use hsm_bridge::daemon::Config;
use hsm_bridge::{KeyStoreError, SecretPurpose};

use super::files;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The order.
    #[arg(default_value = "order.json")]
    order: PathBuf,
    /// The bridge's configuration file, whose administrators' keys the signatures are checked with; without it nothing is checked.
    #[arg(long)]
    config: Option<PathBuf>,
}

/// What an order does, a fact a line.
pub(super) fn words(order: &Order) -> String {
    let label = order.operation.label();
    let what = match &order.operation {
        Operation::Generate { algorithm, .. } => format!("MAKE a {algorithm} key pair {label}"),
        Operation::GenerateSecret { purpose, .. } => {
            format!("MAKE a symmetric key {label} for {purpose:?}")
        }
        Operation::MakeTransportKey { .. } => {
            format!("MAKE a transport key {label}, under which keys of elsewhere are taken in")
        }
        Operation::Import(key) => format!(
            "TAKE IN the {} key {} as {label}, wrapped under {}",
            key.algorithm,
            key.id(),
            key.transport_key
        ),
        Operation::Retire { id, .. } => format!("RETIRE the key {label} ({id}): it signs no more"),
        Operation::Restore { id, .. } => {
            format!("RESTORE the retired key {label} ({id}): it signs again")
        }
        Operation::Destroy { id, .. } => format!("DESTROY the key {label} ({id}) for good"),
        Operation::RetireSecret { purpose, .. } => {
            format!("RETIRE the symmetric key {label}: {}", retired(*purpose))
        }
        Operation::RestoreSecret { purpose, .. } => {
            format!(
                "RESTORE the retired symmetric key {label}: {}",
                in_use(*purpose)
            )
        }
        Operation::DestroySecret { loses: None, .. } => {
            format!("DESTROY the key {label} for good, unless a sealed key still lies under it")
        }
        Operation::DestroySecret { purpose, .. } => {
            format!(
                "DESTROY the symmetric key {label} for good: {}",
                lost(*purpose)
            )
        }
        Operation::Attest { .. } => format!("ATTEST how the key {label} was made"),
    };
    let mut text = String::new();
    // Writing to memory cannot fail.
    let _written = write!(
        text,
        "order {} for the token {}, by {}\n  {what}\n  valid from {} until {}\n",
        order.id, order.token, order.author, order.not_before, order.expires
    );
    text
}

const fn retired(purpose: SecretPurpose) -> &'static str {
    match purpose {
        SecretPurpose::KeyEncryption => "it wraps nothing more, and opens what it wrapped",
        SecretPurpose::Mac => "it computes nothing more",
    }
}

const fn in_use(purpose: SecretPurpose) -> &'static str {
    match purpose {
        SecretPurpose::KeyEncryption => "it wraps again",
        SecretPurpose::Mac => "it computes again",
    }
}

const fn lost(purpose: SecretPurpose) -> &'static str {
    match purpose {
        SecretPurpose::KeyEncryption => "EVERYTHING WRAPPED UNDER IT IS LOST",
        SecretPurpose::Mac => "NOTHING COMPUTED WITH IT CAN BE COMPUTED AGAIN",
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is to the left of the room that hands clocks out"
)]
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, KeyStoreError> {
    let (order, bytes) = files::order(&arguments.order)?;
    let gathered = files::approvals(&arguments.order, &bytes)?.approvals;
    print!("{}", words(&order));
    let Some(config) = &arguments.config else {
        let names: Vec<_> = gathered
            .iter()
            .map(|it| it.administrator.as_str())
            .collect();
        println!(
            "signed in the names of: {} (nothing was checked; --config checks)",
            if names.is_empty() {
                "nobody".to_owned()
            } else {
                names.join(", ")
            }
        );
        return Ok(ExitCode::SUCCESS);
    };
    let config = Config::load(config, std::env::vars())?;
    let administrators = Administrators::new(&config.administrators()?)?;
    let judgement =
        administrators.judge((&order, &bytes), &gathered, &order.token, SystemTime::now());
    for name in &judgement.signers {
        println!("signed by {name}");
    }
    Ok(match judgement.verdict {
        Ok(_) => {
            println!("the bridge will carry it out, unless it did so before");
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            println!("the bridge will not carry it out: {refusal}");
            ExitCode::FAILURE
        }
    })
}
