//! Orders of administrators, for people: drafting, signing, showing and handing in; and wrapping a key for its way into a token.

mod approve;
mod draft;
mod files;
mod passphrase;
mod show;
mod submit;
mod wrap;

use std::process::ExitCode;

use clap::Subcommand;
use hsm_bridge::KeyStoreError;
use hsm_bridge::admin::OrderError;

/// What to do with an order.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Write an order. It counts once its author and two others have signed it, for as long as it is valid, once.
    Draft(draft::Arguments),
    /// Say in words what an order does and who has signed it.
    Show(show::Arguments),
    /// Sign an order with your own key, or add a signature that was made elsewhere. The author signs as everybody else does.
    Approve(approve::Arguments),
    /// Hand a signed order in at the bridge and print what was done, as JSON.
    Submit(submit::Arguments),
    /// Wrap a private key under a token's transport key, on the machine where the key was made.
    Wrap(wrap::Arguments),
}

pub(super) fn run(verb: &Verb) -> Result<ExitCode, KeyStoreError> {
    match verb {
        Verb::Draft(arguments) => draft::run(arguments)?,
        Verb::Show(arguments) => return show::run(arguments),
        Verb::Approve(arguments) => approve::run(arguments)?,
        Verb::Submit(arguments) => submit::run(arguments)?,
        Verb::Wrap(arguments) => wrap::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn bad(error: &OrderError) -> KeyStoreError {
    KeyStoreError::BadRequest(error.to_string())
}
