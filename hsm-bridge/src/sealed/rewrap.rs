//! A new generation of the token's key for every sealed key.
//!
//! Only data keys are touched: each leaves the token for the moment in which it is wrapped anew, the private keys stay sealed. Files
//! are replaced one by one, so an end in the middle leaves every key usable, and the next run goes on where this one ended.

use std::path::PathBuf;

use super::file::SealedFile;
use super::folder::{Folder, LabelDigest, Name};
use super::store::{refused, unopened};
use super::vault::Vault;
use crate::{KeyId, KeyStoreError};

/// What became of the keys of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// The generation that wraps every key now, apart from the failed ones.
    pub generation: u32,
    /// How many keys were wrapped anew in this run.
    pub rewrapped: u64,
    /// How many an earlier run had wrapped already.
    pub before: u64,
    /// Keys that stay as they were, and why.
    pub failed: Vec<(KeyId, KeyStoreError)>,
}

/// Wraps every data key in `folder` anew; `None` when the token never sealed a key. No other process may use the folder meanwhile.
///
/// With keys under an older generation than the newest, an earlier run was cut short and is completed; otherwise, or when the newest was
/// retired, a generation is made.
pub(crate) fn rewrap(
    vault: &dyn Vault,
    folder: PathBuf,
) -> Result<Option<Rewrapped>, KeyStoreError> {
    let folder = Folder::new(folder);
    let Some(newest) = vault.newest()? else {
        return Ok(None);
    };
    let mut behind = false;
    folder.scan(|name| {
        // A file that cannot be read is reported by the second round.
        behind = behind || load(&folder, name).is_ok_and(|file| file.generation < newest);
        Ok(())
    })?;
    let generation = if behind && !vault.is_retired(newest)? {
        newest
    } else {
        let next = newest.checked_add(1);
        let next = next.ok_or_else(|| {
            KeyStoreError::Configuration("there are no more generations".to_owned())
        })?;
        vault.make(next)?;
        next
    };
    let mut done = Rewrapped {
        generation,
        rewrapped: 0,
        before: 0,
        failed: Vec::new(),
    };
    folder.scan(|name| {
        match one(vault, &folder, name, generation) {
            Ok(true) => done.rewrapped += 1,
            Ok(false) => done.before += 1,
            // The key's own fault; whatever else goes wrong would go wrong for every key.
            Err(error @ KeyStoreError::KeyRefused(_)) => done.failed.push((name.id, error)),
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok(Some(done))
}

fn load(folder: &Folder, name: Name) -> Result<SealedFile, KeyStoreError> {
    let file = SealedFile::parse(&folder.read(name)?);
    file.filter(|file| {
        file.public.id == name.id && LabelDigest::of(&file.public.label) == name.label
    })
    .ok_or_else(|| refused(name.id, "is damaged or another key's"))
}

fn one(
    vault: &dyn Vault,
    folder: &Folder,
    name: Name,
    generation: u32,
) -> Result<bool, KeyStoreError> {
    let file = load(folder, name)?;
    if file.generation == generation {
        return Ok(false);
    }
    let too_long = || refused(name.id, "is too long");
    let bound = file.public.encode().ok_or_else(too_long)?;
    let data_key = vault
        .unwrap(file.generation, &bound, &file.wrapped)
        .map_err(|e| unopened(name.id, e))?;
    let renewed = SealedFile {
        generation,
        wrapped: vault.wrap(generation, &bound, &data_key)?,
        ..file
    };
    folder.write(name, &renewed.encode().ok_or_else(too_long)?)?;
    Ok(true)
}
