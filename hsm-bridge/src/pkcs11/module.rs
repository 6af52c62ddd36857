//! PKCS#11 modules of this process: each is loaded and initialised once, whoever asks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::linked;
use crate::KeyStoreError;

/// Loads a module, or hands out the one loaded before; `C_Initialize` from two threads at once would be undefined.
pub(super) fn load(path: &Path) -> Result<Pkcs11, KeyStoreError> {
    static MODULES: OnceLock<Mutex<HashMap<PathBuf, Pkcs11>>> = OnceLock::new();
    let mut modules = MODULES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(context) = modules.get(path) {
        return Ok(context.clone());
    }
    if linked::file(path).is_some() {
        let context = linked::open(path)?;
        modules.insert(path.to_owned(), context.clone());
        return Ok(context);
    }
    if !path.exists() {
        return Err(KeyStoreError::TokenUnavailable(format!(
            "there is no PKCS#11 module at {}",
            path.display()
        )));
    }
    let unusable = |e: Error| {
        KeyStoreError::TokenUnavailable(format!("PKCS#11 module {}: {e}", path.display()))
    };
    let context = Pkcs11::new(path).map_err(unusable)?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(e) => return Err(unusable(e)),
    }
    modules.insert(path.to_owned(), context.clone());
    Ok(context)
}
