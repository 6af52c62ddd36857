//! Opening the two tokens of a ceremony, and making them where the file says so.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hsm_bridge::pkcs11::{SecretString, Token, TokenConfig, init_token, list_tokens};
use service::Sources;
use zeroize::Zeroizing;

use super::CeremonyError;
use super::plan::TokenPlan;
use crate::hex;

/// Random bytes in a PIN the ceremony makes.
const PIN_BYTES: usize = 16;
/// Longest PIN file that is read, in bytes.
const MAX_PIN_FILE: u64 = 1024;
/// Only the owner reads a PIN file.
const PIN_FILE_MODE: u32 = 0o600;

/// Opens a token; makes it first where the plan says so and it is missing. Tells whether it was made.
pub(super) fn open(plan: &TokenPlan, sources: &Sources) -> Result<(Token, bool), CeremonyError> {
    let exists = list_tokens(&plan.module)?
        .iter()
        .any(|token| token.label == plan.label);
    let mut made = false;
    if !exists {
        let so_pin_file = match &plan.so_pin_file {
            Some(path) if plan.initialise => path,
            _ => {
                return Err(CeremonyError::Plan(format!(
                    "there is no token '{}', and the file does not say to initialise it",
                    plan.label
                )));
            }
        };
        let so_pin = pin(so_pin_file, true, sources)?;
        let user_pin = pin(&plan.pin_file, true, sources)?;
        init_token(&plan.module, &plan.label, &so_pin, &user_pin)?;
        made = true;
    }
    let config = TokenConfig {
        module: plan.module.clone(),
        label: plan.label.clone(),
        pin: pin(&plan.pin_file, false, sources)?,
    };
    Ok((Token::open(&config)?, made))
}

/// Reads a PIN; with `make`, a missing file is written with a random one.
fn pin(path: &Path, make: bool, sources: &Sources) -> Result<SecretString, CeremonyError> {
    if make && !path.exists() {
        write_pin(path, sources)?;
    }
    let failed = |error: std::io::Error| CeremonyError::file(path, &error);
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_PIN_FILE {
        return Err(CeremonyError::Plan(format!(
            "{} is no PIN file",
            path.display()
        )));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let pin = text.trim_end_matches(['\r', '\n']);
    if pin.is_empty() {
        return Err(CeremonyError::Plan(format!(
            "{} holds no PIN",
            path.display()
        )));
    }
    Ok(pin.to_owned().into())
}

fn write_pin(path: &Path, sources: &Sources) -> Result<(), CeremonyError> {
    let pin = Zeroizing::new(hex::encode(&*Zeroizing::new(sources.random::<PIN_BYTES>())));
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(PIN_FILE_MODE)
            .open(path)?;
        file.write_all(pin.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|error| CeremonyError::file(path, &error))
}
