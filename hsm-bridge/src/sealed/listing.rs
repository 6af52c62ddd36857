//! What can be told of sealed keys without opening one: what their files say for all to read.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use super::file::SealedFile;
use super::folder::{Folder, LabelDigest, Name};
use super::store::{SealedKeys, refused};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError};

/// A sealed key as its file has it; nothing of it is authenticated before the key is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Its label.
    pub label: KeyLabel,
    /// The id of its public half.
    pub id: KeyId,
    /// The kind of key.
    pub algorithm: KeyAlgorithm,
    /// Generation of the token's key that wraps it.
    pub generation: u32,
}

/// Gives every sealed key in a folder to `visit`, in no order; a file that cannot be one is an error in its place. Opens no key, changes
/// nothing, and may run beside the process that owns the folder.
pub(crate) fn each(
    folder: PathBuf,
    mut visit: impl FnMut(Result<SealedKey, KeyStoreError>),
) -> Result<(), KeyStoreError> {
    let folder = Folder::new(folder);
    let mut labels: HashMap<LabelDigest, KeyId> = HashMap::new();
    folder.look(|name| {
        if let Some(other) = labels.insert(name.label, name.id) {
            visit(Err(refused(
                name.id,
                &format!("carries the label of {other} as well"),
            )));
        }
        visit(read(&folder, name));
        Ok(())
    })
}

/// What depends on a generation of the token's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lying {
    /// Keys whose files say that it wraps them.
    pub(crate) keys: u64,
    /// Files that do not say what wraps them.
    pub(crate) unread: u64,
}

impl SealedKeys {
    /// Reads every file for what lies under a generation; [`KeyStoreError::Deadline`] when that takes longer than until then.
    pub(crate) fn lying_under(
        &self,
        generation: u32,
        until: Instant,
    ) -> Result<Lying, KeyStoreError> {
        let mut lying = Lying::default();
        self.folder.look(|name| {
            if Instant::now() >= until {
                return Err(KeyStoreError::Deadline);
            }
            match read(&self.folder, name) {
                Ok(key) if key.generation == generation => lying.keys += 1,
                Ok(_) => {}
                // Destroyed since its name was read.
                Err(_) if self.name(name.id).is_none() => {}
                Err(_) => lying.unread += 1,
            }
            Ok(())
        })?;
        Ok(lying)
    }
}

fn read(folder: &Folder, name: Name) -> Result<SealedKey, KeyStoreError> {
    let file =
        SealedFile::parse(&folder.read(name)?).ok_or_else(|| refused(name.id, "is damaged"))?;
    let public = file.public;
    if public.id != name.id || LabelDigest::of(&public.label) != name.label {
        return Err(refused(name.id, "is another key's"));
    }
    if KeyId::of_der(&public.public_key) != public.id {
        return Err(refused(name.id, "holds another public half than its own"));
    }
    Ok(SealedKey {
        label: public.label,
        id: public.id,
        algorithm: public.algorithm,
        generation: file.generation,
    })
}
