//! The PIN file: read once, and only when nobody else could have read it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::KeyStoreError;

/// No token takes a longer PIN.
const MAX_PIN_BYTES: u64 = 256;
/// Permission bits of group and world.
const OTHERS: u32 = 0o077;

/// The same but for reading by the group: where systemd grants a service its credential by an access control list, the mode shows the
/// list's mask in the place of the group (acl(5)).
const OTHERS_THAN_SERVICE: u32 = 0o037;

/// Opens a PIN file that only its owner may read.
pub(super) fn open(path: &Path) -> Result<File, KeyStoreError> {
    open_guarded("PIN file", path, OTHERS)
}

/// Opens a file of secrets, called `what` in errors, that only its owner may read.
pub(crate) fn open_own(what: &str, path: &Path) -> Result<File, KeyStoreError> {
    open_guarded(what, path, OTHERS)
}

/// Opens a credential that systemd laid down for this service alone.
pub(super) fn open_credential(path: &Path) -> Result<File, KeyStoreError> {
    open_guarded("PIN file", path, OTHERS_THAN_SERVICE)
}

fn open_guarded(what: &str, path: &Path, others: u32) -> Result<File, KeyStoreError> {
    let wrong = |e: &dyn std::fmt::Display| {
        KeyStoreError::Configuration(format!("{what} {}: {e}", path.display()))
    };
    let file = File::open(path).map_err(|e| wrong(&e))?;
    let found = file.metadata().map_err(|e| wrong(&e))?;
    if !found.is_file() {
        return Err(wrong(&"is not a file"));
    }
    if found.mode() & others != 0 {
        return Err(wrong(&format_args!(
            "has mode {:04o}, so others may read it; set it to 0600",
            found.mode() & 0o7777
        )));
    }
    Ok(file)
}

/// Reads a PIN, without the line end after it.
pub(super) fn read(file: &mut impl Read) -> io::Result<SecretString> {
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(MAX_PIN_BYTES).unwrap_or_default(),
    ));
    file.take(MAX_PIN_BYTES).read_to_string(&mut text)?;
    let pin = text.trim_end_matches(['\r', '\n']);
    if pin.is_empty() {
        Err(io::Error::other("is empty"))
    } else {
        Ok(SecretString::from(pin))
    }
}

/// Reads a PIN, without the line end after it, from a file that only its owner may read.
pub fn read_pin(path: &Path) -> Result<SecretString, KeyStoreError> {
    read(&mut open(path)?)
        .map_err(|e| KeyStoreError::Configuration(format!("PIN file {}: {e}", path.display())))
}
