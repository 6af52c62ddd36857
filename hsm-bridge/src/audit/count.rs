//! How often keys were used since a moment, from the log: what the ceilings of the policy are measured by after a restart.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::entry::{Event, Text};
use super::finding::{Finding, What};
use super::read::{each_line, reaches_back, since_epoch};
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

/// What a count needs of a line; to read the rest of millions of lines would keep a restart waiting.
#[derive(Deserialize)]
struct Use<'a> {
    at_us: u64,
    #[serde(borrow)]
    caller: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Option<Text<'a>>,
    key: Option<&'a str>,
    #[serde(borrow)]
    result: Option<Text<'a>>,
}

/// Whether the line, whose third field tells, is about a use of a key.
fn is_use(line: &[u8]) -> Result<bool, What> {
    line.split(|byte| *byte == b',')
        .nth(2)
        .and_then(|field| field.strip_prefix(b"\"event\":\""))
        .and_then(|value| value.strip_suffix(b"\""))
        .map(|name| name == Event::Used.name().as_bytes())
        .ok_or(What::Malformed)
}

/// Hands caller, operation and key label of every use since a moment that succeeded to `visit`, in constant memory. Of segments that are
/// older as a whole only the first line is read. The log is not verified; a use that cannot be read is a finding, and so is a segment
/// since that moment that was moved away.
pub fn done_since(
    folder: &Path,
    since: SystemTime,
    mut visit: impl FnMut(&str, &str, &str),
) -> Result<(), Finding> {
    let from_us = since_epoch(since);
    // What was moved away too early would be counted as never used.
    reaches_back(folder, since)?;
    each_line(folder, since, |line| {
        if is_use(line)? {
            let used: Use<'_> = serde_json::from_slice(line).map_err(|_| What::Malformed)?;
            if let Use {
                at_us,
                caller: Some(caller),
                operation: Some(operation),
                key: Some(key),
                result: Some(result),
            } = used
                && at_us >= from_us
                && result.as_str() == DONE
            {
                visit(caller.as_str(), operation.as_str(), key);
            }
        }
        Ok(ControlFlow::Continue(()))
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
