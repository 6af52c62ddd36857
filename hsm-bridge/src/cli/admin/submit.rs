//! Handing an order in.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hsm_bridge::KeyStoreError;
use hsm_bridge::client::submit;
use hsm_bridge::daemon::Config;

use super::files;

/// A public key is for others to read.
const MODE: u32 = 0o644;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The order.
    #[arg(default_value = "order.json")]
    order: PathBuf,
    /// The administrators' socket; that of the configuration file when absent.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// The bridge's configuration file.
    #[arg(long, default_value = "romduol.toml")]
    config: PathBuf,
    /// How long to wait for the bridge, in seconds.
    #[arg(long, default_value_t = 60)]
    limit_s: u64,
    /// Write the public half of the key that was made or taken in to this file, in PEM.
    #[arg(long)]
    public_key_out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let (_, bytes) = files::order(&arguments.order)?;
    let approvals = files::approvals(&arguments.order, &bytes)?.approvals;
    let socket = match &arguments.socket {
        Some(socket) => socket.clone(),
        None => Config::load(&arguments.config, std::env::vars())?
            .admin
            .map(|admin| admin.path)
            .ok_or_else(|| {
                KeyStoreError::Configuration(format!(
                    "{}: there is no [bridge.admin]",
                    arguments.config.display()
                ))
            })?,
    };
    let limit = Duration::from_secs(arguments.limit_s);
    let report = submit(&socket, &bytes, &approvals, limit)?;
    println!("{report}");
    if let Some(path) = &arguments.public_key_out {
        let report: serde_json::Value =
            serde_json::from_str(&report).map_err(|e| files::wrong(path, &e))?;
        let public_key = report.get("public_key").and_then(|key| key.as_str());
        let public_key = public_key
            .ok_or_else(|| KeyStoreError::BadRequest("this order made no public key".to_owned()))?;
        files::write_new(path, public_key.as_bytes(), MODE)?;
    }
    Ok(())
}
