//! The orders that were used: a file each, named by the order's number, so that the system itself lets one of two have it.
//!
//! A file is on the disk before the order is begun and stays for ever: neither a kill, nor a restart, nor a clock that is set back makes
//! an order valid again. Orders are few and their files are small.

#[cfg(test)]
use std::fs;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::field::OrderId;
use crate::KeyStoreError;

/// The used orders of one token.
#[derive(Debug)]
pub(crate) struct UsedOrders(PathBuf);

fn unwritable(path: &Path, error: &io::Error) -> KeyStoreError {
    tracing::error!(%error, path = %path.display(), "used orders cannot be noted; none is carried out until they can");
    KeyStoreError::TokenUnavailable("used orders cannot be noted".to_owned())
}

impl UsedOrders {
    /// Those noted in a folder, which is made if it is not there.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, KeyStoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|e| {
                KeyStoreError::Configuration(format!("used orders {}: {e}", folder.display()))
            })?;
        Ok(Self(folder))
    }

    /// Notes an order as used; false when it was before. An order is begun only after this returned true.
    pub(crate) fn spend(&self, id: OrderId, hash: &[u8; 32]) -> Result<bool, KeyStoreError> {
        let path = self.0.join(id.to_string());
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let note = |mut file: File| {
            file.write_all(hash)?;
            file.sync_all()?;
            // The name lasts when its folder does, and so does the folder's own.
            File::open(&self.0)?.sync_all()?;
            match self.0.parent() {
                Some(above) => File::open(above)?.sync_all(),
                None => Ok(()),
            }
        };
        match opened {
            Ok(file) => note(file).map(|()| true).map_err(|e| unwritable(&path, &e)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    /// How many orders were used.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        fs::read_dir(&self.0).map_or(0, Iterator::count)
    }
}
