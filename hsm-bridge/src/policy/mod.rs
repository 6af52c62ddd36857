//! Who may do what with which key, how often, when, and what a key signs at all. Whatever no grant allows is refused.
//!
//! A policy is compiled once from its file and never changes; only what its grants have spent does. Deciding takes one pass over the
//! grants and one over the keys, and allocates nothing unless it refuses.

mod file;
mod key_rules;
mod operation;
mod pattern;
mod rate;
mod rules_file;
mod window;

use std::path::Path;
use std::time::{Instant, SystemTime};

pub use key_rules::{Content, KeyRules, Payload, Proof, Tier};
pub use operation::{DigestName, Operation};
pub use pattern::Pattern;
pub(crate) use rules_file::hexadecimal;
pub use window::Window;

use crate::{KeyLabel, KeyStoreError, SignatureScheme};
use rate::{Budget, Spent};

/// The longest policy file: it travels to each worker in one message.
const MAX_BYTES: usize = 128 * 1024;

/// The moment of a request, by both clocks: rates follow the steady one, days and windows that of the wall.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The steady clock.
    pub instant: Instant,
    /// The wall clock.
    pub utc: SystemTime,
}

/// How a signature is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The scheme.
    pub scheme: SignatureScheme,
    /// What is handed in.
    pub payload: Payload,
}

/// One request before its policy.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who asks.
    pub caller: &'a str,
    /// For what.
    pub operation: Operation,
    /// With which key.
    pub label: &'a KeyLabel,
    /// For [`Operation::Sign`], what kind of signature.
    pub signature: Option<Signature>,
    /// When.
    pub now: Now,
}

/// A request that may go on, under the rules of its key.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Allowed<'a> {
    /// What the key is for; the one who performs the request keeps them.
    pub rules: &'a KeyRules,
}

/// How often a caller used a key on the present day before this process began.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    /// Who.
    pub caller: &'a str,
    /// For what.
    pub operation: Operation,
    /// Which key.
    pub label: &'a KeyLabel,
    /// How often.
    pub count: u64,
}

#[derive(Debug)]
struct Grant {
    caller: String,
    keys: Pattern,
    operations: Vec<Operation>,
    budget: Budget,
    window: Option<Window>,
    digests: Option<Vec<DigestName>>,
}

#[derive(Debug)]
struct KeyEntry {
    keys: Pattern,
    rules: KeyRules,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Policy {
    grants: Vec<Grant>,
    keys: Vec<KeyEntry>,
}

impl Policy {
    /// Reads a policy file.
    pub fn load(file: &Path) -> Result<Self, KeyStoreError> {
        let wrong = |e: &dyn std::fmt::Display| {
            KeyStoreError::Configuration(format!("{}: {e}", file.display()))
        };
        let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
        if text.len() > MAX_BYTES {
            let length = text.len();
            return Err(wrong(&format!(
                "the policy has {length} bytes, and at most {MAX_BYTES} are read; one pattern can cover many keys"
            )));
        }
        Self::parse(&text).map_err(|e| wrong(&e))
    }

    /// Compiles the text of a policy file; unknown words are refused, so that a slip never grants. Errors name line and word.
    pub fn parse(text: &str) -> Result<Self, String> {
        file::compile(text)
    }

    /// Allows or refuses one request, spending from the grant that covers it.
    ///
    /// [`KeyStoreError::NotPermitted`] when no grant covers it or the key's rules refuse what is handed in; [`KeyStoreError::Busy`] when
    /// every grant that covers it is spent. The first grant in the file that has something left pays.
    pub fn authorise(&self, ask: &Ask<'_>) -> Result<Allowed<'_>, KeyStoreError> {
        let rules = self.rules(ask.label);
        // A signature without its kind, or a kind without a signature, is a mistake of ours and allowed nothing.
        if ask.signature.is_some() != (ask.operation == Operation::Sign)
            || ask.signature.is_some_and(|signature| {
                !rules.takes(signature.payload) || rules.is_over(ask.now.utc)
            })
        {
            return Err(KeyStoreError::NotPermitted);
        }
        let day = rate::day_of(ask.now.utc);
        let mut refusal = None;
        for grant in self
            .of(ask.caller, ask.label)
            .filter(|grant| grant.covers(ask))
        {
            match grant.budget.take(ask.now.instant, day) {
                Ok(()) => return Ok(Allowed { rules }),
                Err(spent) => refusal = Some(spent),
            }
        }
        Err(match refusal {
            None => KeyStoreError::NotPermitted,
            Some(Spent::Rate) => KeyStoreError::Busy("the caller's rate is spent".to_owned()),
            Some(Spent::Day) => KeyStoreError::Busy("the caller's day is spent".to_owned()),
        })
    }

    /// The rules of a key: those of the narrowest entry that covers it.
    pub fn rules(&self, label: &KeyLabel) -> &KeyRules {
        self.keys
            .iter()
            .filter(|entry| entry.keys.covers(label))
            .max_by_key(|entry| entry.keys.specificity())
            .map_or(&key_rules::DEFAULT, |entry| &entry.rules)
    }

    /// Counts what was used before this process began, on the day of `now`, so that a restart opens no second day.
    ///
    /// The record does not say which grant paid, so every grant that could have is charged: too early a refusal is a nuisance, one
    /// too late a hole.
    pub fn preload<'a>(&self, now: SystemTime, used: impl IntoIterator<Item = Used<'a>>) {
        let day = rate::day_of(now);
        for used in used {
            for grant in self
                .of(used.caller, used.label)
                .filter(|grant| grant.operations.contains(&used.operation))
            {
                grant.budget.count(day, used.count);
            }
        }
    }

    /// Whether any grant has a ceiling by the day, so that what the day has seen matters.
    pub fn counts_days(&self) -> bool {
        self.grants.iter().any(|grant| grant.budget.has_ceiling())
    }

    /// Whether the caller may know that a key exists: it does when any operation on it was granted.
    pub fn may_see(&self, caller: &str, label: &KeyLabel) -> bool {
        self.of(caller, label).next().is_some()
    }

    /// Whether a caller was granted anything.
    pub fn knows(&self, caller: &str) -> bool {
        self.callers().any(|known| known == caller)
    }

    /// Every caller that was granted something.
    pub fn callers(&self) -> impl Iterator<Item = &str> {
        self.grants.iter().map(|grant| grant.caller.as_str())
    }

    fn of<'a>(&'a self, caller: &'a str, label: &'a KeyLabel) -> impl Iterator<Item = &'a Grant> {
        self.grants
            .iter()
            .filter(move |grant| grant.caller == caller && grant.keys.covers(label))
    }
}

impl Grant {
    fn covers(&self, ask: &Ask<'_>) -> bool {
        self.operations.contains(&ask.operation)
            && self
                .window
                .is_none_or(|window| window.contains(ask.now.utc))
            && match (&self.digests, ask.signature) {
                (Some(allowed), Some(signature)) => {
                    allowed.contains(&DigestName::of(signature.scheme))
                }
                _ => true,
            }
    }
}

#[cfg(test)]
mod tests;
