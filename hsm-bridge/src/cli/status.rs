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
    let mut text: String = status.tokens.iter().map(line).collect();
    for keys in &status.unserved {
        let keys = keys_of(keys);
        text.push_str(&format!("no token serves {keys} now\n"));
    }
    text
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
    let mut line = format!("{}: {how} since {}", token.name, token.since);
    if let Some(reason) = &token.reason {
        line.push_str(&format!(" ({reason})"));
    }
    match token.restarts {
        0 => {}
        1 => line.push_str(", came back once"),
        times => line.push_str(&format!(", came back {times} times")),
    }
    if !token.serves.is_empty() {
        let keys: Vec<_> = token.serves.iter().map(|keys| keys_of(keys)).collect();
        line.push_str(&format!(", serves {}", keys.join(", ")));
    }
    line.push('\n');
    line
}

fn keys_of(keys: &str) -> &str {
    if keys == "*" { "all other keys" } else { keys }
}
