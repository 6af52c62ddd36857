//! How often keys were used since a moment, from the log: what the ceilings of the policy are measured by after a restart.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use super::entry::Event;
use super::finding::Finding;
use super::read::read;
use super::record::DONE;

/// Who used which key for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyUse {
    /// The caller's name in the policy.
    pub caller: String,
    /// The operation's name in the policy.
    pub operation: String,
    /// Label of the key.
    pub key: String,
}

/// Hands caller, operation and key label of every use since a moment that succeeded to `visit`, in constant memory.
pub fn done_since(
    folder: &Path,
    since: SystemTime,
    mut visit: impl FnMut(&str, &str, &str),
) -> Result<(), Finding> {
    read(folder, Some(since), |entry| {
        let done = entry.event == Event::Used
            && entry
                .result
                .as_ref()
                .is_some_and(|word| word.as_str() == DONE);
        if let (true, Some(caller), Some(operation), Some(key)) =
            (done, &entry.caller, &entry.operation, entry.key)
        {
            visit(caller.as_str(), operation.as_str(), key);
        }
        ControlFlow::Continue(())
    })
}

/// How many uses since a moment succeeded, for each caller, operation and key label that `wanted` says yes to.
pub fn daily_count(
    folder: &Path,
    since: SystemTime,
    mut wanted: impl FnMut(&str, &str, &str) -> bool,
) -> Result<HashMap<KeyUse, u64>, Finding> {
    let mut counts = HashMap::new();
    done_since(folder, since, |caller, operation, key| {
        if wanted(caller, operation, key) {
            let used = KeyUse {
                caller: caller.to_owned(),
                operation: operation.to_owned(),
                key: key.to_owned(),
            };
            *counts.entry(used).or_default() += 1;
        }
    })?;
    Ok(counts)
}
