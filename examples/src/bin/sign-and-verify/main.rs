//! Time-stamps a file and checks signed documents, as anybody can: with a root certificate, public addresses, and
//! no account.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service::Sources;

mod document;
mod public;
mod stamp;
mod verdict;

use public::Public;
use verdict::Verdict;

/// Time-stamps files and checks signed PDFs against a running demo.
///
/// Exit codes: 0 valid, 1 not valid, 2 wrong use, 3 cannot tell (something is missing that the verdict needs),
/// 4 the program could not do its work.
#[derive(Debug, Parser)]
#[command(name = "sign-and-verify", version)]
struct Arguments {
    /// The `demo.json` of a running demo: tells the root certificate and the addresses.
    #[arg(
        long,
        value_name = "FILE",
        default_value = ".romduol/demo.json",
        global = true
    )]
    demo: PathBuf,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Gets a time-stamp for a file (RFC 3161) and checks it up to the root.
    TimeStamp {
        /// The file; it does not leave this machine, only its SHA-256 does.
        file: PathBuf,
        /// Where to write the answer; `openssl ts -verify` reads it. Default: the file's name and `.tsr`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Says of each signature of a PDF whether it is valid, by whom and when it was made, and what changed since.
    Verify {
        /// The signed PDF.
        file: PathBuf,
    },
}

/// The program could not do its work.
const FAILED: u8 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(verdict) => ExitCode::from(verdict.exit_code()),
        Err(reason) => {
            eprintln!("sign-and-verify: {reason}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(arguments: Arguments) -> Result<Verdict, String> {
    let public = Public::read(&arguments.demo)?;
    let sources = Sources::system();
    match arguments.act {
        Act::TimeStamp { file, out } => {
            let out = out.unwrap_or_else(|| {
                let mut name = file.clone().into_os_string();
                name.push(".tsr");
                name.into()
            });
            stamp::run(&public, &sources, &file, &out).await
        }
        Act::Verify { file } => document::run(&public, &sources, &file).await,
    }
}
