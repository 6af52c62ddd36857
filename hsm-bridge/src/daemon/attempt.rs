//! Logins outside a worker, a person's look at a token above all: under the same memory of refused PINs as the daemon's own.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::Access;
use super::pin_guard::{PinGuard, Version};
use super::{Config, TokenSettings};
use crate::KeyStoreError;
use crate::pkcs11::{Leave, Template, Token, WhenLost};

/// A PIN that may be offered once, and the memory of what becomes of it.
pub(super) struct Attempt {
    guard: Arc<PinGuard>,
    version: Version,
    offered: Arc<AtomicBool>,
    leave: Leave,
}

impl Attempt {
    /// Notes how the login went; a PIN that was never offered, or of which nobody knows, stays as it is remembered.
    pub(super) fn end(self, opened: Result<(), &KeyStoreError>) -> Result<(), KeyStoreError> {
        if !self.offered.load(Ordering::Acquire) || self.leave.is_in_doubt() {
            return Ok(());
        }
        self.guard.settle(self.version, opened)
    }
}

impl Config {
    /// Opens a token for a person's look at it, with one attempt of login. A PIN that the token refused before, whoever offered it, is
    /// [`KeyStoreError::PinRefused`] and not offered again until an operator acts: three looks would lock most tokens.
    pub fn open_token(&self, settings: &TokenSettings) -> Result<Token, KeyStoreError> {
        let (access, attempt) = self.access(settings)?;
        let opened = settings.open_with(access, WhenLost::default(), None);
        if let Some(attempt) = attempt {
            attempt.end(opened.as_ref().map(|_| ()))?;
        }
        opened
    }

    /// Reads what is needed to open a token in this process; where a PIN is offered, its attempt comes along.
    pub(super) fn access(
        &self,
        settings: &TokenSettings,
    ) -> Result<(Access, Option<Attempt>), KeyStoreError> {
        let template = Template::load(&settings.template)?;
        let Some(file) = settings.pin_source()? else {
            let access = Access {
                template,
                pin: settings.read_pin(None)?,
                leave: Leave::default(),
            };
            return Ok((access, None));
        };
        let wrong = |what: &Path, e: &io::Error| {
            KeyStoreError::Configuration(format!("{}: {e}", what.display()))
        };
        let version =
            Version::of(&file, settings.login).map_err(|e| wrong(&settings.pin_file, &e))?;
        let guard = Arc::new(PinGuard::new(&self.state_folder, &settings.name));
        guard.check(version)?;
        make(&self.state_folder).map_err(|e| wrong(&self.state_folder, &e))?;
        let offered = Arc::new(AtomicBool::new(false));
        let leave = Leave::of({
            let (guard, offered) = (Arc::clone(&guard), Arc::clone(&offered));
            move || {
                guard.offer(version)?;
                offered.store(true, Ordering::Release);
                Ok(())
            }
        });
        let access = Access {
            template,
            pin: settings.read_pin(Some(file))?,
            leave: leave.clone(),
        };
        let attempt = Attempt {
            guard,
            version,
            offered,
            leave,
        };
        Ok((access, Some(attempt)))
    }
}

/// Makes the folder of the daemon's memory, where this look comes before the daemon's first start; for its user, also when root looks.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let above = match folder.parent() {
        Some(above) if above != Path::new("") => above,
        _ => Path::new("."),
    };
    let (owner, own) = (fs::metadata(above)?, fs::metadata(folder)?);
    if (owner.uid(), owner.gid()) == (own.uid(), own.gid()) {
        return Ok(());
    }
    chown(folder, Some(owner.uid()), Some(owner.gid()))
}
