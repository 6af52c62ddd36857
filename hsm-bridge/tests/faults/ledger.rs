//! The token's own count of signatures beside the audit log's.

use std::collections::BTreeMap;

use crate::scene::Scene;

/// What the log says of signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Signatures the token made, by its own count.
    pub made: u64,
    /// Intents to sign.
    pub intents: u64,
    /// Signatures of the log's own head.
    pub checkpoints: u64,
    /// Intents that a use fulfilled.
    pub fulfilled: u64,
    /// Uses to sign by their result.
    pub results: BTreeMap<String, u64>,
}

impl Ledger {
    /// Reads both counts, with the daemon at rest.
    pub fn read(scene: &Scene) -> Self {
        let mut ledger = Self {
            made: scene.control.signatures_made(),
            ..Self::default()
        };
        for row in scene.house.audit() {
            match row["event"].as_str() {
                Some("bridge.checkpoint") => ledger.checkpoints += 1,
                Some("bridge.key.intent") if row["operation"] == "sign" => ledger.intents += 1,
                // A checkpoint that did not come to stand in the log is a use like any other.
                Some("bridge.key.used")
                    if row["operation"] == "sign" || row["operation"] == "checkpoint" =>
                {
                    let result = row["result"].as_str().unwrap().to_owned();
                    *ledger.results.entry(result).or_default() += 1;
                    ledger.fulfilled += u64::from(row["intent"].is_u64());
                }
                _ => {}
            }
        }
        ledger
    }

    fn of(&self, result: &str) -> u64 {
        self.results.get(result).copied().unwrap_or_default()
    }

    /// What happened since an earlier reading.
    pub fn since(&self, before: &Self) -> Self {
        let grown = |result: &String| (result.clone(), self.of(result) - before.of(result));
        Self {
            made: self.made - before.made,
            intents: self.intents - before.intents,
            fulfilled: self.fulfilled - before.fulfilled,
            checkpoints: self.checkpoints - before.checkpoints,
            results: self.results.keys().map(grown).collect(),
        }
    }

    /// Uses of which the log says that a signature was made.
    pub fn certain(&self) -> u64 {
        self.checkpoints + self.of("done") + self.of("verify-failed")
    }

    /// Uses of which the log says that one may have been made; an intent that nothing fulfils is one of them.
    pub fn possible(&self) -> u64 {
        self.of("outcome-unknown") + self.intents - self.fulfilled
    }
}
