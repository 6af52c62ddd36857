//! Keys that sign no more: a record beside each says so, and all are known to whoever signs.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use cryptoki::object::{Attribute, ObjectClass};

use super::attributes;
use super::data::{self, Kind};
use super::template::Namer;
use super::token::Fault;
use crate::{KeyLabel, KeyStoreError};

/// The labels of retired keys, read once per stretch of the token's life; nothing until then.
#[derive(Default)]
pub(super) struct Retired(RwLock<Option<HashSet<KeyLabel>>>);

impl Retired {
    /// Whether the key of a label is retired, where that was read already; costs no session.
    pub(super) fn known(&self, label: &KeyLabel) -> Option<bool> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|labels| labels.contains(label))
    }

    /// Whether the key of a label is retired.
    pub(super) fn contains(&self, namer: &Namer<'_>, label: &KeyLabel) -> Result<bool, Fault> {
        if let Some(known) = self.known(label) {
            return Ok(known);
        }
        self.read_once(namer, |labels| labels.contains(label))
    }

    /// Reads from the token which keys are retired, unless that is known, so that no signature has to.
    pub(super) fn learn(&self, namer: &Namer<'_>) -> Result<(), Fault> {
        self.read_once(namer, |_| ())
    }

    fn read_once<T>(
        &self,
        namer: &Namer<'_>,
        ask: impl FnOnce(&HashSet<KeyLabel>) -> T,
    ) -> Result<T, Fault> {
        // Held while the token is read, so that nobody retires a key between the reading and the noting.
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let labels = match known.take() {
            Some(labels) => labels,
            None => read(namer)?,
        };
        Ok(ask(known.insert(labels)))
    }

    /// Refuses to sign with a retired key.
    pub(super) fn refuse(&self, namer: &Namer<'_>, label: &KeyLabel) -> Result<(), Fault> {
        if self.contains(namer, label)? {
            return Err(Fault::Refused(KeyStoreError::KeyRefused(format!(
                "{label} is retired"
            ))));
        }
        Ok(())
    }

    /// Retires the key of a label, or does nothing when it is retired already.
    pub(super) fn add(
        &self,
        namer: &Namer<'_>,
        label: &KeyLabel,
        record: &[u8],
    ) -> Result<(), Fault> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if data::read(namer, Kind::Retired, label)?.is_none() {
            data::write(namer, Kind::Retired, label, record)?;
        }
        *known = None;
        Ok(())
    }

    /// Lets the key of a label sign again.
    pub(super) fn remove(&self, namer: &Namer<'_>, label: &KeyLabel) -> Result<(), Fault> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        data::remove(namer, Kind::Retired, label)?;
        *known = None;
        Ok(())
    }

    /// Reads the token again before the next signature, where a key was destroyed while some were retired: its label may come again.
    pub(super) fn forget(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|labels| !labels.is_empty()) {
            *known = None;
        }
    }
}

fn read(namer: &Namer<'_>) -> Result<HashSet<KeyLabel>, Fault> {
    let records = namer.session.find_objects(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Application(Kind::Retired.application().into()),
    ])?;
    let labels = records
        .into_iter()
        .map(|record| attributes::label_of(namer.session, record));
    let labels = labels.collect::<Result<HashSet<_>, _>>()?;
    if labels.is_empty() {
        // A session that is not logged in sees no records; that must not be taken for their absence.
        super::keys::logged_in(namer.session)?;
    }
    Ok(labels)
}
