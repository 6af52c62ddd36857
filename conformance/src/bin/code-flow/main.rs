//! Load for an OpenID provider: the whole code flow, again and again, over connections that stay open.
//!
//! One flow is a pushed request (RFC 9126), the authorization endpoint with a session that exists and consent that was
//! given, the redemption of the code with its PKCE verifier, and the claims. What to call comes as JSON on standard
//! input; the figures go to standard output as JSON.

use std::process::ExitCode;

use conformance::load::{Shape, measure, read_order};
use serde::Deserialize;

mod flow;

use flow::{Flow, Target};

/// What to call and how long.
#[derive(Debug, Deserialize)]
struct Order {
    #[serde(flatten)]
    target: Target,
    #[serde(flatten)]
    shape: Shape,
}

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("code-flow: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let order: Order = read_order()?;
    let figures = measure(order.shape, |number| Flow::connect(&order.target, number))?;
    serde_json::to_string(&figures).map_err(|e| e.to_string())
}
