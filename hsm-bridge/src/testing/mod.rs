//! A SoftHSM token for tests, in one line. All tokens of a process live in one folder, since the module reads its configuration once.
//!
//! The suites that any token must pass run on another module when [`MODULE_VARIABLE`] names one.

mod environment;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use secrecy::SecretString;

use crate::KeyStoreError;
use crate::pkcs11::{Token, TokenConfig, TokenOptions, init_token};

/// Where Debian's package `softhsm2` puts the module.
pub const SOFTHSM_MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The environment variable that names another module than SoftHSM to the suites that any token must pass.
pub const MODULE_VARIABLE: &str = "ROMDUOL_TEST_MODULE";
/// How many blank tokens kryoptic is given; unlike SoftHSM it makes none of its own.
const BLANK_TOKENS: u32 = 32;
/// The user PIN of every test token.
pub const USER_PIN: &str = "test-user-1234";
/// The security officer's PIN of every test token.
pub const SO_PIN: &str = "test-officer-1234";
/// Folders of test tokens are called this and the number of their process.
const FOLDER_PREFIX: &str = "softhsm-test-";

/// SoftHSM aborts the process when slots are listed while a token is being made.
static SLOTS: Mutex<()> = Mutex::new(());

/// The module that the tests are about.
pub fn module() -> PathBuf {
    std::env::var_os(MODULE_VARIABLE).map_or_else(|| SOFTHSM_MODULE.into(), PathBuf::from)
}

/// A fresh token of its own in this process's folder of tokens.
#[derive(Debug, Clone)]
pub struct SoftHsm {
    label: String,
}

impl SoftHsm {
    /// Makes a token; fails when the package `softhsm2` is not installed.
    pub fn new() -> Result<Self, KeyStoreError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        folder()?;
        let label = format!(
            "test-{}-{}",
            process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        let _one_at_a_time = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        init_token(&module(), &label, &SO_PIN.into(), &USER_PIN.into())?;
        Ok(Self { label })
    }

    /// What opens this token.
    pub fn config(&self) -> TokenConfig {
        TokenConfig {
            module: module(),
            label: self.label.clone(),
            pin: USER_PIN.into(),
        }
    }

    /// What tries to open this token with another PIN.
    pub fn config_with_pin(&self, pin: &str) -> TokenConfig {
        TokenConfig {
            pin: SecretString::from(pin),
            ..self.config()
        }
    }

    /// Opens the token.
    pub fn open(&self) -> Result<Token, KeyStoreError> {
        let _one_at_a_time = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        Token::open(&self.config())
    }

    /// Opens the token, signing with session copies of its keys.
    pub fn open_with_session_copies(&self) -> Result<Token, KeyStoreError> {
        let _one_at_a_time = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        Token::open_with(
            &self.config(),
            TokenOptions {
                session_copy: true,
                ..TokenOptions::default()
            },
        )
    }

    /// The token's label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// SoftHSM's configuration file, for child processes (`SOFTHSM2_CONF`).
    pub fn configuration_file(&self) -> Result<PathBuf, KeyStoreError> {
        Ok(folder()?.join("softhsm2.conf"))
    }
}

/// The process's folder of tokens, made and named to the module on first use.
fn folder() -> Result<&'static Path, KeyStoreError> {
    static FOLDER: OnceLock<Result<PathBuf, KeyStoreError>> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        sweep();
        let folder = std::env::temp_dir().join(format!("{FOLDER_PREFIX}{}", process::id()));
        let file = write_configuration(&folder).map_err(|e| {
            KeyStoreError::Configuration(format!(
                "folder for test tokens {}: {e}",
                folder.display()
            ))
        })?;
        environment::name_configuration(&[
            ("SOFTHSM2_CONF", &file),
            ("KRYOPTIC_CONF", &folder.join(KRYOPTIC_FILE)),
        ]);
        Ok(folder)
    });
    made.as_deref().map_err(Clone::clone)
}

/// What [`write_configuration`] calls the configuration of kryoptic, for child processes (`KRYOPTIC_CONF`).
pub const KRYOPTIC_FILE: &str = "kryoptic.toml";

/// Makes a token folder and the configuration of SoftHSM that names it, whose path it gives, and that of kryoptic; used for child
/// processes as well.
pub fn write_configuration(folder: &Path) -> std::io::Result<PathBuf> {
    let tokens = folder.join("tokens");
    fs::create_dir_all(&tokens)?;
    let mut kryoptic = String::new();
    for slot in 0..BLANK_TOKENS {
        let _written = writeln!(
            kryoptic,
            "[[slots]]\nslot = {slot}\ndbtype = 'sqlite'\ndbargs = '{}/{slot}.sql'",
            tokens.display()
        );
    }
    fs::write(folder.join(KRYOPTIC_FILE), kryoptic)?;
    let file = folder.join("softhsm2.conf");
    fs::write(
        &file,
        format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
            tokens.display()
        ),
    )?;
    Ok(file)
}

/// Removes the folders of processes that are gone; a folder cannot be removed at exit while the module has it open.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER_PREFIX))
            .and_then(|id| id.parse::<u32>().ok());
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            // Another test process may be sweeping too.
            let _gone_either_way = fs::remove_dir_all(entry.path());
        }
    }
}
