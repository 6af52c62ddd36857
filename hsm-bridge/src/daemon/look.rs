//! A person's look at tokens and what they sealed, from the command line.

use std::collections::BTreeMap;

use super::{Config, TokenSettings, sealed_folder};
use crate::KeyStoreError;
use crate::pkcs11::Token;
use crate::sealed::{self, SealedKey};

/// Gives every key that a token sealed to `visit`; opens none, needs no PIN, and may run beside the daemon.
pub fn each_sealed_key(
    config: &Config,
    settings: &TokenSettings,
    visit: impl FnMut(Result<SealedKey, KeyStoreError>),
) -> Result<(), KeyStoreError> {
    sealed::each(sealed_folder(config, settings), visit)
}

/// What is wrong with a token and its keys, in words.
pub(super) fn findings(config: &Config, settings: &TokenSettings) -> Vec<String> {
    let mut found = Vec::new();
    match config.open_token(settings).and_then(|token| keys(&token)) {
        Err(error) => found.push(error.to_string()),
        Ok((labels, faults)) => {
            found.extend(faults);
            sealed_findings(config, settings, &labels, &mut found);
        }
    }
    found
}

/// The labels of the token's secret keys, and what is wrong with any object.
fn keys(token: &Token) -> Result<(Vec<String>, Vec<String>), KeyStoreError> {
    let pairs = token.list_keys()?.into_iter().filter_map(Result::err);
    let mut faults: Vec<String> = pairs.map(|e| e.to_string()).collect();
    let mut labels = Vec::new();
    for secret in token.list_secrets()? {
        match secret {
            Ok(secret) => labels.push(secret.label.to_string()),
            Err(error) => faults.push(error.to_string()),
        }
    }
    Ok((labels, faults))
}

fn sealed_findings(
    config: &Config,
    settings: &TokenSettings,
    secrets: &[String],
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
    for (generation, count) in generations {
        match sealed::label_of(generation) {
            Ok(label) if secrets.iter().any(|known| *known == label.as_str()) => {}
            Ok(label) => found.push(format!(
                "{count} sealed keys are wrapped by {label}, which is not in the token: they cannot be opened"
            )),
            Err(error) => found.push(error.to_string()),
        }
    }
}
