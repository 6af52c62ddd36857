//! How the tokens of a running daemon are, for people and for machines.

use std::process::ExitCode;

use clap::Args;
use hsm_bridge::KeyStoreError;
use hsm_bridge::daemon::{Condition, Status, TokenStatus, status};

use super::ConfigFile;

/// What `status` needs to know.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// Fails when a token is not sound or a key is not served.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, KeyStoreError> {
    let status = status(&arguments.file.load()?)?;
    if arguments.json {
        let text = serde_json::to_string(&status)
            .map_err(|e| KeyStoreError::Configuration(format!("output: {e}")))?;
        println!("{text}");
    } else {
        print!("{}", in_words(&status));
    }
    Ok(if status.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn in_words(status: &Status) -> String {
    let tokens = status.tokens.iter().map(line);
    let unserved = status.unserved.iter();
    let unserved = unserved.map(|keys| format!("no token serves {} now\n", keys_of(keys)));
    tokens.chain(unserved).collect()
}

fn line(token: &TokenStatus) -> String {
    let how = match token.condition {
        Condition::Sound => "sound",
        Condition::Opening => "being opened",
        Condition::Lost => "lost",
        Condition::AwaitingQuorum => "awaiting its custodians",
        Condition::PinRefused => "stopped: PIN refused",
        Condition::PinLocked => "stopped: PIN locked",
    };
    let reason = token.reason.as_ref();
    let reason = reason.map(|reason| format!(" ({reason})"));
    let restarts = match token.restarts {
        0 => String::new(),
        1 => ", came back once".to_owned(),
        times => format!(", came back {times} times"),
    };
    let keys: Vec<_> = token.serves.iter().map(|keys| keys_of(keys)).collect();
    let serves = if keys.is_empty() {
        String::new()
    } else {
        format!(", serves {}", keys.join(", "))
    };
    format!(
        "{}: {how} since {}{}{restarts}{serves}\n",
        token.name,
        token.since,
        reason.unwrap_or_default()
    )
}

fn keys_of(keys: &str) -> &str {
    if keys == "*" { "all other keys" } else { keys }
}
