//! The sealed keys of one token: an index of all, and the opened few.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use der::Decode;
use spki::SubjectPublicKeyInfoOwned;
use zeroize::Zeroizing;

use super::cache::Cache;
use super::file::{Identity, SealedFile, can_be_sealed, part, taken};
use super::folder::{Folder, LabelDigest, Name};
use super::private::PrivateKey;
use super::vault::Vault;
use super::{aead, make};
use crate::activation::Holder;
use crate::pkcs11::KeyInfo;
use crate::verify::{PublicKey, Signed};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SignatureScheme};

/// Keys kept open at most; each takes a few kilobytes.
const OPENED: usize = 8192;
/// What a fresh key signs before it is kept.
const TRIAL: &[u8] = b"romduol-sealed-trial";

/// The sealed keys of one token.
pub(crate) struct SealedKeys {
    vault: Box<dyn Vault>,
    pub(super) folder: Folder,
    index: RwLock<Index>,
    opened: Cache<KeyId, Opened>,
    /// The generation that wraps fresh keys, once it is known.
    generation: Mutex<Option<u32>>,
    /// Labels of keys that are being made.
    making: Mutex<HashSet<KeyLabel>>,
}

/// Where each key is; some hundred bytes of memory a key.
#[derive(Default)]
struct Index {
    by_id: HashMap<KeyId, LabelDigest>,
    by_label: HashMap<LabelDigest, KeyId>,
}

/// A key that is open, and everything its file says: all of it authenticated.
pub(crate) struct Opened {
    info: Arc<KeyInfo>,
    private: PrivateKey,
    verifier: PublicKey,
    holder: Option<Holder>,
}

pub(super) fn refused(id: KeyId, why: &str) -> KeyStoreError {
    KeyStoreError::KeyRefused(format!("{id}: its sealed file {why}"))
}

/// What the token's refusal to unwrap says about a file.
pub(super) fn unopened(id: KeyId, error: KeyStoreError) -> KeyStoreError {
    match error {
        KeyStoreError::BadRequest(_) | KeyStoreError::UnknownKey(_) => {
            refused(id, "does not open with this token")
        }
        other => other,
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SealedKeys {
    /// Reads the names of all keys; opens none. Two files of one label or one key are refused: one of them was put there.
    pub(crate) fn open(
        vault: impl Vault + 'static,
        folder: PathBuf,
    ) -> Result<Self, KeyStoreError> {
        let folder = Folder::new(folder);
        let mut index = Index::default();
        folder.scan(|name| index.add(name))?;
        Ok(Self {
            vault: Box::new(vault),
            folder,
            index: RwLock::new(index),
            opened: Cache::new(OPENED),
            generation: Mutex::new(None),
            making: Mutex::default(),
        })
    }

    /// The key of a label. Costs no call into the token, and says nothing about the file.
    pub(crate) fn find(&self, label: &KeyLabel) -> Option<KeyId> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.by_label.get(&LabelDigest::of(label)).copied()
    }

    /// The key of an id, opened if need be; `None` when none is sealed.
    pub(crate) fn key(&self, id: KeyId) -> Result<Option<Arc<Opened>>, KeyStoreError> {
        let Some(name) = self.name(id) else {
            return Ok(None);
        };
        if let Some(opened) = self.opened.get(id) {
            return Ok(Some(opened));
        }
        let opened = Opened::read(&*self.vault, &self.folder.read(name)?, name)?;
        Ok(Some(self.opened.put(id, Arc::new(opened))))
    }

    /// The newest generation of the token's key.
    pub(crate) fn newest(&self) -> Result<Option<u32>, KeyStoreError> {
        self.vault.newest()
    }

    pub(super) fn name(&self, id: KeyId) -> Option<Name> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let label = *index.by_id.get(&id)?;
        Some(Name { id, label })
    }

    /// Makes a key of a label that neither a sealed key nor one in the token carries; it is on the disk when this returns.
    pub(crate) fn generate(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: Option<&Holder>,
    ) -> Result<KeyId, KeyStoreError> {
        if !can_be_sealed(algorithm) {
            return Err(KeyStoreError::BadRequest(format!(
                "a sealed key is p256, p384 or ed25519, not {algorithm}"
            )));
        }
        let exists = || KeyStoreError::KeyExists(label.to_string());
        let _place = Place::take(&self.making, label).ok_or_else(exists)?;
        if self.find(label).is_some() || self.vault.has(label)? {
            return Err(exists());
        }
        let fresh = make::make(&*self.vault, algorithm)?;
        let (pkcs8, public_key) = fresh.private.to_der().map_err(|e| make::failed(&e))?;
        let id = KeyId::of_der(&public_key);
        let public = Identity {
            label: label.clone(),
            id,
            algorithm,
            public_key,
        };
        let opened = Opened::assemble(&public, fresh.private, holder.cloned())?;
        let scheme = algorithm.default_scheme();
        opened.sign(scheme, &Signed::Message(TRIAL), true)?;
        let name = Name {
            id,
            label: LabelDigest::of(label),
        };
        let too_long = || KeyStoreError::BadRequest("too long to be sealed".to_owned());
        let bound = public.encode().ok_or_else(too_long)?;
        let text = text(id, &pkcs8, holder)?;
        let generation = self.generation()?;
        let file = SealedFile {
            wrapped: self.vault.wrap(generation, &bound, &fresh.data_key)?,
            sealed: aead::seal(&fresh.data_key, &bound, &text).map_err(|e| make::failed(&e))?,
            public,
            generation,
        };
        self.folder
            .write(name, &file.encode().ok_or_else(too_long)?)?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.add(name)?;
        drop(index);
        self.opened.put(id, Arc::new(opened));
        Ok(id)
    }

    /// Makes a key for a holder; an attempt whose answer was lost is taken up again, for the same holder alone.
    pub(crate) fn generate_held(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
    ) -> Result<KeyId, KeyStoreError> {
        if let Some(id) = self.find(label) {
            return match self.key(id)? {
                Some(key) if key.holder.as_ref() == Some(holder) => Ok(id),
                _ => Err(KeyStoreError::KeyExists(label.to_string())),
            };
        }
        self.generate(label, algorithm, Some(holder))
    }

    /// Removes a key; false when none of this id is sealed. Works for files that no longer open.
    pub(crate) fn destroy(&self, id: KeyId) -> Result<bool, KeyStoreError> {
        let Some(name) = self.name(id) else {
            return Ok(false);
        };
        self.folder.remove(name)?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.by_id.remove(&id);
        index.by_label.remove(&name.label);
        drop(index);
        self.opened.forget(id);
        Ok(true)
    }

    /// The newest generation of the token's key; the first is made at need.
    fn generation(&self) -> Result<u32, KeyStoreError> {
        let mut known = guard(&self.generation);
        if let Some(generation) = *known {
            return Ok(generation);
        }
        let generation = if let Some(newest) = self.vault.newest()? {
            newest
        } else {
            self.vault.make(1)?;
            1
        };
        *known = Some(generation);
        Ok(generation)
    }
}

impl Index {
    fn add(&mut self, name: Name) -> Result<(), KeyStoreError> {
        let twice = self.by_id.insert(name.id, name.label).is_some();
        if let Some(other) = self.by_label.insert(name.label, name.id)
            && !twice
        {
            return Err(KeyStoreError::Configuration(format!(
                "two sealed keys carry one label: {} and {other}",
                name.id
            )));
        }
        if twice {
            return Err(refused(name.id, "is there twice"));
        }
        Ok(())
    }
}

impl Opened {
    /// Opens a file, which must be the one of this name.
    fn read(vault: &dyn Vault, bytes: &[u8], name: Name) -> Result<Self, KeyStoreError> {
        let damaged = || refused(name.id, "is damaged");
        let file = SealedFile::parse(bytes).ok_or_else(damaged)?;
        let public = &file.public;
        if public.id != name.id || LabelDigest::of(&public.label) != name.label {
            return Err(refused(name.id, "is another key's"));
        }
        let bound = public.encode().ok_or_else(damaged)?;
        let data_key = vault
            .unwrap(file.generation, &bound, &file.wrapped)
            .map_err(|e| unopened(name.id, e))?;
        let text = aead::open(&data_key, &bound, &file.sealed).ok_or_else(damaged)?;
        let (pkcs8, holder) = taken(&text).ok_or_else(damaged)?;
        let private = PrivateKey::from_pkcs8(pkcs8).map_err(|_| damaged())?;
        let holder = match holder {
            [] => None,
            record => Some(Holder::from_body(record, name.id)?),
        };
        let (_, own) = private.to_der().map_err(|_| damaged())?;
        if own != public.public_key {
            return Err(damaged());
        }
        Self::assemble(public, private, holder)
    }

    fn assemble(
        public: &Identity,
        private: PrivateKey,
        holder: Option<Holder>,
    ) -> Result<Self, KeyStoreError> {
        let damaged = || refused(public.id, "holds no key of its kind");
        let public_key =
            SubjectPublicKeyInfoOwned::from_der(&public.public_key).map_err(|_| damaged())?;
        if KeyAlgorithm::of(&public_key) != Some(public.algorithm)
            || KeyId::of_der(&public.public_key) != public.id
        {
            return Err(damaged());
        }
        Ok(Self {
            verifier: PublicKey::parse(&public_key).map_err(|_| damaged())?,
            info: Arc::new(KeyInfo {
                id: public.id,
                label: public.label.clone(),
                algorithm: public.algorithm,
                public_key,
            }),
            private,
            holder,
        })
    }

    /// What is public about the key.
    pub(crate) fn info(&self) -> &Arc<KeyInfo> {
        &self.info
    }

    /// Who releases the key, where it has a holder.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    /// Signs and, when asked to, verifies; the signature is withheld when it does not verify.
    pub(crate) fn sign(
        &self,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
        verify: bool,
    ) -> Result<Vec<u8>, KeyStoreError> {
        if !self.info.algorithm.fits(scheme) {
            return Err(KeyStoreError::BadRequest(format!(
                "{} is a {} key, not one for {}",
                self.info.label,
                self.info.algorithm,
                scheme.jose_alg()
            )));
        }
        let signature = self.private.sign(scheme, signed)?;
        if verify && let Err(error) = self.verifier.verify(scheme, signed, &signature) {
            tracing::error!(key = %self.info.label, %error, "the library made a signature that does not verify");
            return Err(KeyStoreError::VerifyFailed);
        }
        Ok(signature)
    }
}

/// What is sealed: the private key, and the record of its holder.
fn text(
    id: KeyId,
    pkcs8: &[u8],
    holder: Option<&Holder>,
) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
    let record = holder.map(|holder| holder.body(id)).transpose()?;
    let record = record.unwrap_or_default();
    // All its room at once: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 + pkcs8.len() + record.len()));
    part(&mut text, pkcs8)
        .ok_or_else(|| KeyStoreError::BadRequest("too long to be sealed".to_owned()))?;
    text.extend_from_slice(&record);
    Ok(text)
}

/// A label that is being made, for as long as this value lives.
struct Place<'a> {
    making: &'a Mutex<HashSet<KeyLabel>>,
    label: &'a KeyLabel,
}

impl<'a> Place<'a> {
    fn take(making: &'a Mutex<HashSet<KeyLabel>>, label: &'a KeyLabel) -> Option<Self> {
        let fresh = guard(making).insert(label.clone());
        // Not made unless it is ours: dropping it gives the label back.
        fresh.then(|| Self { making, label })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        guard(self.making).remove(self.label);
    }
}
