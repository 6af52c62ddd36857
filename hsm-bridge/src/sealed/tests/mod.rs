//! Sealed keys on a vault in memory: what a file survives, what it does not, and what an end in the middle leaves behind.

mod files;
mod rotation;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::store::SealedKeys;
use super::vault::{FRESH, Vault};
use super::{aead, rewrap};
use crate::verify::{OpenSslVerifier, Signed};
use crate::{DataKey, KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SignatureVerifier};

/// A token with one seed, from which all its keys and random numbers follow.
#[derive(Clone)]
struct Memory(Arc<Inner>);

struct Inner {
    seed: u8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    drawn: u64,
    generations: BTreeSet<u32>,
    retired: BTreeSet<u32>,
    pairs: HashSet<KeyLabel>,
    unwraps: u64,
    /// Wraps that are left before the token is gone.
    wraps_left: Option<u64>,
}

impl Memory {
    fn new(seed: u8) -> Self {
        Self(Arc::new(Inner {
            seed,
            state: Mutex::default(),
        }))
    }

    fn kek(&self, generation: u32) -> Result<DataKey, KeyStoreError> {
        if !self
            .0
            .state
            .lock()
            .unwrap()
            .generations
            .contains(&generation)
        {
            return Err(KeyStoreError::UnknownKey("kek".to_owned()));
        }
        let bytes = [&[self.0.seed][..], &generation.to_be_bytes()].concat();
        Ok(DataKey::from_bytes(Sha256::digest(bytes).into()))
    }
}

impl Vault for Memory {
    fn fresh(&self) -> Result<Zeroizing<[u8; FRESH]>, KeyStoreError> {
        let mut state = self.0.state.lock().unwrap();
        state.drawn += 1;
        let mut bytes = [0; FRESH];
        for (at, chunk) in bytes.chunks_mut(32).enumerate() {
            let seed = [u64::from(self.0.seed), state.drawn, at as u64];
            let block = Sha256::digest(seed.map(u64::to_be_bytes).concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(Zeroizing::new(bytes))
    }

    fn newest(&self) -> Result<Option<u32>, KeyStoreError> {
        Ok(self.0.state.lock().unwrap().generations.last().copied())
    }

    fn is_retired(&self, generation: u32) -> Result<bool, KeyStoreError> {
        Ok(self.0.state.lock().unwrap().retired.contains(&generation))
    }

    fn make(&self, generation: u32) -> Result<(), KeyStoreError> {
        assert!(self.0.state.lock().unwrap().generations.insert(generation));
        Ok(())
    }

    fn wrap(&self, generation: u32, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyStoreError> {
        if let Some(left) = &mut self.0.state.lock().unwrap().wraps_left {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| KeyStoreError::TokenUnavailable("gone".to_owned()))?;
        }
        Ok(aead::seal(&self.kek(generation)?, aad, key.as_bytes()).unwrap())
    }

    fn unwrap(
        &self,
        generation: u32,
        aad: &[u8],
        wrapped: &[u8],
    ) -> Result<DataKey, KeyStoreError> {
        self.0.state.lock().unwrap().unwraps += 1;
        let opened = aead::open(&self.kek(generation)?, aad, wrapped)
            .ok_or_else(|| KeyStoreError::BadRequest("damaged".to_owned()))?;
        Ok(DataKey::from_bytes(opened.as_slice().try_into().unwrap()))
    }

    fn has(&self, label: &KeyLabel) -> Result<bool, KeyStoreError> {
        Ok(self.0.state.lock().unwrap().pairs.contains(label))
    }
}

/// A folder, and the token whose keys lie in it.
struct Shelf {
    folder: TempDir,
    vault: Memory,
}

impl Shelf {
    fn new(seed: u8) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            vault: Memory::new(seed),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sealed").join("main")
    }

    fn open(&self) -> SealedKeys {
        SealedKeys::open(self.vault.clone(), self.path()).unwrap()
    }

    fn rewrap(&self) -> Result<Option<super::Rewrapped>, KeyStoreError> {
        rewrap(&self.vault, self.path())
    }

    /// Every file below the folder.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }
}

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

/// Whether the key signs, and by its own public half.
fn signs(keys: &SealedKeys, id: KeyId) -> Result<(), KeyStoreError> {
    let key = keys.key(id)?.expect("a sealed key");
    let info = key.info();
    let scheme = info.algorithm.default_scheme();
    let message = b"what was said";
    let signature = key.sign(scheme, &Signed::Message(message), false)?;
    OpenSslVerifier
        .verify(&info.public_key, scheme, message, &signature)
        .unwrap();
    assert_eq!((info.id, KeyId::of(&info.public_key).unwrap()), (id, id));
    Ok(())
}

fn is_refused<T>(result: &Result<T, KeyStoreError>) -> bool {
    matches!(result, Err(KeyStoreError::KeyRefused(_)))
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}
