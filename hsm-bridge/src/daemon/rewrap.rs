//! A new generation of the key that wraps a token's sealed keys, while the daemon is stopped.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Config, TokenSettings, harden, lock, prepare, sealed_folder};
use crate::KeyStoreError;
use crate::audit::{DONE, Durability, EVIDENCE, KeyOperation, Log, LogId, Record};
use crate::sealed::{self, Rewrapped};

/// Who the audit log names for what is done at the command line.
const OPERATOR: &str = "operator";

/// Wraps every sealed key of a token anew and records it; `None` when the token never sealed one. Offers the PIN once.
///
/// Refused while the daemon runs: it holds the lock of the state folder. `name` may be left out when there is one token.
pub fn rewrap(
    config: &Config,
    name: Option<&str>,
    now: SystemTime,
) -> Result<Option<Rewrapped>, KeyStoreError> {
    let settings = choose(config, name)?;
    harden::process()?;
    prepare(config)?;
    let _lock = lock(config)?;
    let token = config.open_token(settings)?;
    let wrong = |e: &dyn std::fmt::Display| KeyStoreError::Configuration(format!("audit log: {e}"));
    let folder = config.audit_folder.join(&settings.name);
    let log = Log::open(&folder, LogId::from_bytes(token.random()?), now).map_err(|e| wrong(&e))?;
    let log = Arc::new(log);
    let notary = Arc::clone(&log);
    token.set_notary(Box::new(move |key, key_id, hash| {
        let operation = KeyOperation {
            caller: OPERATOR,
            operation: EVIDENCE,
            key: Some(key),
            key_id,
            digest: Some(hash),
            ..KeyOperation::default()
        };
        let record = Record::Operator {
            operation,
            result: DONE,
        };
        let noted = notary.append(&record, now, Durability::Synced);
        noted.map(|_| ()).map_err(|e| wrong(&e))
    }));
    let note = |detail: &str, result: &str| {
        let operation = KeyOperation {
            caller: OPERATOR,
            operation: "rewrap",
            detail: Some(detail),
            ..KeyOperation::default()
        };
        let record = Record::Operator { operation, result };
        log.append(&record, now, Durability::Synced)
            .map_err(|e| wrong(&e))
    };
    note("begun", DONE)?;
    let rewrapped = sealed::rewrap(&token, sealed_folder(config, settings));
    match &rewrapped {
        Ok(None) => note("no sealed keys", DONE)?,
        Ok(Some(done)) => note(
            &format!(
                "generation {}: {} rewrapped, {} before, {} failed",
                done.generation,
                done.rewrapped,
                done.before,
                done.failed.len()
            ),
            if done.failed.is_empty() {
                DONE
            } else {
                "incomplete"
            },
        )?,
        Err(_) => note("stopped in the middle", "incomplete")?,
    };
    rewrapped
}

fn choose<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a TokenSettings, KeyStoreError> {
    let wrong = |text: String| KeyStoreError::Configuration(text);
    match (name, config.token.as_slice()) {
        (Some(name), _) => config
            .token(name)
            .ok_or_else(|| wrong(format!("there is no token '{name}'"))),
        (None, [only]) => Ok(only),
        (None, _) => Err(wrong("there are several tokens: say which one".to_owned())),
    }
}
