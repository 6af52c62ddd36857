//! Making a token and, where they are missing, its PIN files.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use hsm_bridge::KeyStoreError;
use hsm_bridge::daemon::read_pin;
use hsm_bridge::pkcs11::{SecretString, init_token};
use zeroize::Zeroizing;

/// Random bytes in a PIN made here; it is written as twice as many hexadecimal digits.
const PIN_BYTES: usize = 16;

/// What `init` needs to know.
#[derive(Args)]
pub(super) struct Arguments {
    /// Path of the PKCS#11 module; `embedded:FILE` for the token that a build with it has linked in.
    #[arg(long, default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    module: PathBuf,
    /// Label of the new token.
    #[arg(long, default_value = "romduol")]
    label: String,
    /// File with the security officer's PIN; made with a random PIN and mode 0600 when it does not exist.
    #[arg(long)]
    so_pin_file: PathBuf,
    /// File with the user PIN; made with a random PIN and mode 0600 when it does not exist.
    #[arg(long)]
    pin_file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let so_pin = pin(&arguments.so_pin_file)?;
    let user_pin = pin(&arguments.pin_file)?;
    init_token(&arguments.module, &arguments.label, &so_pin, &user_pin)?;
    println!("token '{}' is ready", arguments.label);
    Ok(())
}

/// Reads a PIN file, or makes it.
fn pin(path: &Path) -> Result<SecretString, KeyStoreError> {
    if !path.exists() {
        make(path).map_err(|e| {
            KeyStoreError::Configuration(format!("PIN file {}: {e}", path.display()))
        })?;
    }
    read_pin(path)
}

fn make(path: &Path) -> std::io::Result<()> {
    let mut random = Zeroizing::new([0; PIN_BYTES]);
    File::open("/dev/urandom")?.read_exact(random.as_mut())?;
    let mut pin = Zeroizing::new(String::with_capacity(2 * PIN_BYTES + 1));
    for byte in random.iter() {
        // Writing to a string cannot fail.
        let _written = write!(pin, "{byte:02x}");
    }
    pin.push('\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(pin.as_bytes())
}
