//! A ministry's service as relying party: log in, see what the state vouches for, log out.

use clap::Parser as _;
use examples::ministry::{Options, run};

#[actix_web::main]
async fn main() -> std::process::ExitCode {
    match run(Options::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ministry: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
