//! Files that are either the old or the new ones, also after a power cut.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::error::Error;

/// Replaces `path` by `content`: written beside it, flushed, renamed over it, and the folder flushed.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let bad = |e: std::io::Error| Error::file(path, e);
    let folder = path
        .parent()
        .ok_or_else(|| Error::file(path, "has no folder"))?;
    std::fs::create_dir_all(folder).map_err(bad)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = folder.join(name);
    let mut file = File::create(&fresh).map_err(bad)?;
    file.write_all(content).map_err(bad)?;
    file.sync_all().map_err(bad)?;
    drop(file);
    std::fs::rename(&fresh, path).map_err(bad)?;
    flush_folder(folder)
}

/// Makes names in a folder durable.
pub(crate) fn flush_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(|e| Error::file(folder, e))
}

/// Reads a file; `None` when there is none.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path, error)),
    }
}
