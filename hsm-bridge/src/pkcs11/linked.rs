//! The embedded token: a PKCS#11 module that is linked into this program and keeps its objects in one SQLite file.
//!
//! A setting names it as `embedded`, or as `embedded:FILE` for a file of its own. Only a build with the feature `embedded` has one;
//! every other build says so in place of opening it.

use std::ffi::OsStr;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::KeyStoreError;

/// What names the embedded token in place of the path of a module.
const NAME: &[u8] = b"embedded";
/// The file of the embedded token when none is named.
const DEFAULT_FILE: &str = ".romduol/token.sql";
/// The ending by which the linked-in token knows its file.
const ENDING: &str = "sql";

fn wrong(what: &dyn std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(what.to_string())
}

/// The file of the embedded token; `None` when the setting is the path of a module.
pub(crate) fn file(module: &Path) -> Option<PathBuf> {
    match module.as_os_str().as_bytes().strip_prefix(NAME)? {
        [] => Some(DEFAULT_FILE.into()),
        [b':', file @ ..] => Some(OsStr::from_bytes(file).into()),
        _ => None,
    }
}

/// The folder of the embedded token, where its file and what SQLite keeps beside it are written.
pub(crate) fn folder(module: &Path) -> Option<PathBuf> {
    file(module).map(|file| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    })
}

/// Names what is wrong with a setting that names the embedded token.
pub(crate) fn check(module: &Path) -> Result<(), KeyStoreError> {
    let Some(file) = file(module) else {
        return Ok(());
    };
    if cfg!(not(feature = "embedded")) {
        return Err(wrong(
            &"this build has no embedded token: it is in the program hsm-bridge-embedded, which is built from hsm-bridge/embedded; \
              or name the path of a PKCS#11 module",
        ));
    }
    if file.extension() == Some(OsStr::new(ENDING)) {
        Ok(())
    } else {
        Err(wrong(&format_args!(
            "embedded token: the name of its file must end in .{ENDING}: {}",
            file.display()
        )))
    }
}

/// Makes the empty file of a token that is about to be initialised, for its owner alone; one that is there already stays as it is.
pub(super) fn make(module: &Path) -> Result<(), KeyStoreError> {
    check(module)?;
    let (Some(file), Some(folder)) = (file(module), folder(module)) else {
        return Ok(());
    };
    let made = || {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
    };
    match made() {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(wrong(&format_args!(
            "embedded token {}: {error}",
            file.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(feature = "embedded")]
pub use open::{Prepare, prepare_with};
#[cfg(feature = "embedded")]
pub(super) use open::{open, prepare};

#[cfg(not(feature = "embedded"))]
pub(super) fn open(module: &Path) -> Result<cryptoki::context::Pkcs11, KeyStoreError> {
    check(module).and_then(|()| Err(wrong(&"there is no embedded token")))
}

#[cfg(not(feature = "embedded"))]
pub(super) fn prepare(module: &Path) -> Result<(), KeyStoreError> {
    check(module)
}

#[cfg(feature = "embedded")]
mod open {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::ptr::NonNull;
    use std::sync::OnceLock;

    use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
    use cryptoki::error::{Error, RvError};

    use crate::KeyStoreError;

    /// What the program that links the token in does to the file of a token that was made or is about to be opened; it says in words
    /// what failed.
    pub type Prepare = fn(&Path) -> Result<(), String>;

    static PREPARE: OnceLock<Prepare> = OnceLock::new();

    /// Sets what is done to the file of each embedded token once it was made and before it is opened; the first call counts.
    pub fn prepare_with(prepare: Prepare) {
        PREPARE.get_or_init(|| prepare);
    }

    fn unusable(file: &Path, what: &dyn std::fmt::Display) -> KeyStoreError {
        KeyStoreError::TokenUnavailable(format!("embedded token {}: {what}", file.display()))
    }

    /// Does to the file of an embedded token what the program that links it in wants done.
    pub(in crate::pkcs11) fn prepare(module: &Path) -> Result<(), KeyStoreError> {
        match (super::file(module), PREPARE.get()) {
            (Some(file), Some(prepare)) => prepare(&file).map_err(|e| unusable(&file, &e)),
            _ => Ok(()),
        }
    }

    /// Opens the embedded token of a setting. Several of one process, each with its own file, are slots of one module.
    #[expect(
        unsafe_code,
        reason = "the linked-in token is told the path of its file by the reserved pointer of C_Initialize"
    )]
    pub(in crate::pkcs11) fn open(module: &Path) -> Result<Pkcs11, KeyStoreError> {
        super::check(module)?;
        let file = super::file(module).unwrap_or_default();
        let unusable = |what: &dyn std::fmt::Display| unusable(&file, what);
        if !file.is_file() {
            return Err(unusable(
                &"there is no such file; `init` with the same --module makes one",
            ));
        }
        let path = CString::new(file.as_os_str().as_bytes()).map_err(|e| unusable(&e))?;
        prepare(module)?;
        let context = Pkcs11::new_from_self().map_err(|e| match e {
            Error::LibraryLoading(_) | Error::MissingSymbol(_) => {
                unusable(&"no token is linked into this program")
            }
            other => unusable(&other),
        })?;
        let reserved = NonNull::from(path.as_c_str()).cast();
        // SAFETY: a C string that lives until the call below has returned; the module copies it (kryoptic, `fns::general`).
        let arguments = unsafe {
            CInitializeArgs::new_with_reserved(CInitializeFlags::OS_LOCKING_OK, reserved)
        };
        match context.initialize(arguments) {
            // A second file becomes a second slot of the module that is initialised already.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(context),
            Err(e) => Err(unusable(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_names_a_module_or_the_embedded_token_and_its_file() {
        let named = |setting: &str| file(Path::new(setting)).map(|it| it.display().to_string());
        assert_eq!(named("embedded").as_deref(), Some(DEFAULT_FILE));
        assert_eq!(named("embedded:/var/t.sql").as_deref(), Some("/var/t.sql"));
        assert_eq!(named("embedded:t.sql").as_deref(), Some("t.sql"));
        for module in ["/usr/lib/embedded", "embedded.so", "./embedded", "/x.so"] {
            assert_eq!(named(module), None, "{module}");
        }
        assert_eq!(folder(Path::new("embedded:t.sql")), Some(".".into()));
        assert_eq!(folder(Path::new("embedded:/v/t.sql")), Some("/v".into()));
    }

    #[cfg(not(feature = "embedded"))]
    #[test]
    fn a_build_without_the_token_says_so_and_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("token.sql");
        let setting = PathBuf::from(format!("embedded:{}", at.display()));
        for answer in [check(&setting), make(&setting), open(&setting).map(|_| ())] {
            let said = answer.unwrap_err().to_string();
            assert!(said.contains("no embedded token"), "{said}");
        }
        assert!(!at.exists());
        assert_eq!(check(Path::new("/x.so")), Ok(()));
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn a_file_of_another_ending_is_refused() {
        let said = check(Path::new("embedded:token.db")).unwrap_err();
        assert!(said.to_string().contains(".sql"), "{said}");
    }
}
