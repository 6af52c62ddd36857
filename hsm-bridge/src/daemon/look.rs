//! A person's look at tokens and what they sealed, from the command line.

use std::collections::BTreeMap;

use super::{Config, TokenSettings, sealed_folder};
use crate::pkcs11::{SecretInfo, Token};
use crate::sealed::{self, SealedKey, generation_of};
use crate::{KeyLabel, KeyStoreError};

/// Gives every key that a token sealed to `visit`; opens none, needs no PIN, and may run beside the daemon.
pub fn each_sealed_key(
    config: &Config,
    settings: &TokenSettings,
    visit: impl FnMut(Result<SealedKey, KeyStoreError>),
) -> Result<(), KeyStoreError> {
    sealed::each(sealed_folder(config, settings), visit)
}

/// What a look at a configuration and its tokens found, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// What is wrong.
    pub findings: Vec<String>,
    /// What nothing is wrong with and somebody may wonder about.
    pub remarks: Vec<String>,
}

/// Looks at a token and its keys.
pub(super) fn at(config: &Config, settings: &TokenSettings) -> Checked {
    let mut checked = Checked::default();
    let looked = config.open_token(settings).and_then(|token| {
        let secrets = keys(&token, &mut checked.findings)?;
        if config.admin.is_some() {
            checked.remarks.extend(token.import_obstacle()?);
        }
        Ok(secrets)
    });
    match looked {
        Err(error) => checked.findings.push(error.to_string()),
        Ok(secrets) => sealed_findings(config, settings, &secrets, &mut checked.findings),
    }
    checked
}

/// A symmetric key of the token.
struct Secret {
    label: KeyLabel,
    retired: bool,
}

/// The symmetric keys of a token; what is wrong with any object goes to `faults`.
fn keys(token: &Token, faults: &mut Vec<String>) -> Result<Vec<Secret>, KeyStoreError> {
    let pairs = token.list_keys()?.into_iter().filter_map(Result::err);
    faults.extend(pairs.map(|e| e.to_string()));
    let mut secrets = Vec::new();
    for secret in token.list_secrets()? {
        match secret {
            Ok(SecretInfo { label, .. }) => secrets.push(Secret {
                retired: token.is_retired(&label)?,
                label,
            }),
            Err(error) => faults.push(error.to_string()),
        }
    }
    Ok(secrets)
}

fn sealed_findings(
    config: &Config,
    settings: &TokenSettings,
    secrets: &[Secret],
    found: &mut Vec<String>,
) {
    let mut generations: BTreeMap<u32, u64> = BTreeMap::new();
    let looked = each_sealed_key(config, settings, |key| match key {
        Ok(key) => *generations.entry(key.generation).or_default() += 1,
        Err(error) => found.push(error.to_string()),
    });
    if let Err(error) = looked {
        found.push(error.to_string());
    }
    let newest = secrets.iter().max_by_key(|it| generation_of(&it.label));
    if let Some(newest) = newest.filter(|it| it.retired && generation_of(&it.label).is_some()) {
        found.push(format!(
            "{} is retired and no newer generation is there: no key can be sealed; `hsm-bridge rewrap` makes the next",
            newest.label
        ));
    }
    for (generation, count) in generations {
        match sealed::label_of(generation) {
            Ok(label) if secrets.iter().any(|known| known.label == label) => {}
            Ok(label) => found.push(format!(
                "{count} sealed keys are wrapped by {label}, which is not in the token: they cannot be opened, and nothing but a copy of that key brings them back; destroy them by order"
            )),
            Err(error) => found.push(error.to_string()),
        }
    }
}
