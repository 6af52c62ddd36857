//! What carries the log: files on a disk, which may be full, slow or broken.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The three calls that appending makes of the system.
pub(super) trait Medium: Send + Sync {
    /// Makes a new file to append to, readable by its owner alone; one that exists is an error. Its name lasts before this returns.
    fn create(&self, folder: &Path, name: &str) -> io::Result<File>;
    /// Hands all bytes to the system.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was handed over before lasts through a loss of power.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk;

impl Medium for Disk {
    fn create(&self, folder: &Path, name: &str) -> io::Result<File> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(name))?;
        File::open(folder)?.sync_all()?;
        Ok(file)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
