//! Who may do what with which key. Whatever no grant allows is refused.

use std::path::Path;
use std::time::Instant;

use serde::Deserialize;

use super::config::in_one_line;
use super::rate::Bucket;
use crate::{KeyLabel, KeyStoreError};

/// What a caller may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Make a key pair or a symmetric key.
    Generate,
    /// Destroy a key pair.
    Destroy,
    /// Sign with a key pair.
    Sign,
    /// Wrap a data key.
    Wrap,
    /// Open a wrapped data key.
    Unwrap,
    /// Compute an HMAC.
    Hmac,
}

impl Operation {
    /// The name in policy files and audit records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Destroy => "destroy",
            Self::Sign => "sign",
            Self::Wrap => "wrap",
            Self::Unwrap => "unwrap",
            Self::Hmac => "hmac",
        }
    }
}

/// Which labels a grant covers: one label, or everything below a prefix (`idp/*`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Pattern {
    /// Exactly this label.
    Exact(KeyLabel),
    /// Every label that begins with this text, which ends in `/`.
    Below(String),
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = |_| format!("'{text}' is neither a key label nor a label followed by /*");
        match text.strip_suffix("/*") {
            Some(prefix) => KeyLabel::parse(prefix).map(|prefix| Self::Below(format!("{prefix}/"))),
            None => KeyLabel::parse(&text).map(Self::Exact),
        }
        .map_err(refused)
    }
}

impl Pattern {
    /// Whether a label is covered.
    pub fn covers(&self, label: &KeyLabel) -> bool {
        match self {
            Self::Exact(exact) => exact == label,
            Self::Below(prefix) => label.as_str().starts_with(prefix.as_str()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    grant: Vec<GrantFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantFile {
    caller: String,
    keys: Pattern,
    operations: Vec<Operation>,
    /// Operations a second, with as many at once; unlimited when absent.
    rate: Option<u32>,
}

#[derive(Debug)]
struct Grant {
    caller: String,
    keys: Pattern,
    operations: Vec<Operation>,
    rate: Option<Bucket>,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Policy {
    grants: Vec<Grant>,
}

impl Policy {
    /// Reads a policy file.
    pub fn load(file: &Path) -> Result<Self, KeyStoreError> {
        let wrong = |e: &dyn std::fmt::Display| {
            KeyStoreError::Configuration(format!("{}: {e}", file.display()))
        };
        let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
        Self::parse(&text).map_err(|e| wrong(&e))
    }

    /// Compiles the text of a policy file; unknown words are refused, so that a slip never grants.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: PolicyFile = toml::from_str(text).map_err(|e| in_one_line(text, &e))?;
        let mut grants = Vec::new();
        for grant in file.grant {
            if grant.caller.is_empty() || grant.operations.is_empty() || grant.rate == Some(0) {
                return Err(format!(
                    "the grant on {:?} names no caller, no operation or a rate of zero",
                    grant.keys
                ));
            }
            grants.push(Grant {
                caller: grant.caller,
                keys: grant.keys,
                operations: grant.operations,
                rate: grant.rate.map(Bucket::new),
            });
        }
        Ok(Self { grants })
    }

    /// Allows or refuses one operation, spending from the rate of the grant that covers it.
    pub fn check(
        &self,
        caller: &str,
        operation: Operation,
        label: &KeyLabel,
        now: Instant,
    ) -> Result<(), KeyStoreError> {
        let mut refusal = KeyStoreError::NotPermitted;
        for grant in self
            .of(caller, label)
            .filter(|grant| grant.operations.contains(&operation))
        {
            if grant.rate.as_ref().is_none_or(|rate| rate.take(now)) {
                return Ok(());
            }
            refusal = KeyStoreError::Busy("the caller's rate is spent".to_owned());
        }
        Err(refusal)
    }

    /// Whether the caller may know that a key exists: it does when any operation on it was granted.
    pub fn may_see(&self, caller: &str, label: &KeyLabel) -> bool {
        self.of(caller, label).next().is_some()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const HOUSE: &str = r#"
        [[grant]]
        caller = "idp"
        keys = "idp/*"
        operations = ["sign", "wrap", "unwrap", "hmac"]

        [[grant]]
        caller = "ca"
        keys = "sign/*"
        operations = ["generate", "sign"]
        rate = 2

        [[grant]]
        caller = "ca"
        keys = "ca/persons/g1"
        operations = ["sign"]
    "#;

    fn label(text: &str) -> KeyLabel {
        KeyLabel::parse(text).unwrap()
    }

    #[test]
    fn only_what_is_granted_is_allowed() {
        let policy = Policy::parse(HOUSE).unwrap();
        let now = Instant::now();
        let check = |caller, operation, key| policy.check(caller, operation, &label(key), now);
        assert_eq!(check("idp", Operation::Hmac, "idp/pairwise/g1"), Ok(()));
        assert_eq!(check("ca", Operation::Sign, "ca/persons/g1"), Ok(()));
        for (caller, operation, key) in [
            ("idp", Operation::Sign, "ca/persons/g1"),
            ("idp", Operation::Generate, "idp/kek/g1"),
            ("idp", Operation::Sign, "idp"),
            ("idp", Operation::Sign, "idpx/kek/g1"),
            ("ca", Operation::Sign, "ca/persons/g2"),
            ("ca", Operation::Sign, "ca/persons/g1/x"),
            ("ocsp", Operation::Sign, "idp/kek/g1"),
            ("IDP", Operation::Sign, "idp/kek/g1"),
        ] {
            assert_eq!(
                check(caller, operation, key),
                Err(KeyStoreError::NotPermitted),
                "{caller} {key}"
            );
        }
        assert!(
            policy.may_see("ca", &label("sign/x")) && !policy.may_see("ocsp", &label("sign/x"))
        );
    }

    #[test]
    fn a_spent_rate_is_busy_and_fills_again() {
        let policy = Policy::parse(HOUSE).unwrap();
        let now = Instant::now();
        let sign = |at| policy.check("ca", Operation::Sign, &label("sign/x"), at);
        assert_eq!((sign(now), sign(now)), (Ok(()), Ok(())));
        assert!(matches!(sign(now), Err(KeyStoreError::Busy(_))));
        assert_eq!(sign(now + Duration::from_millis(500)), Ok(()));
        assert!(matches!(
            sign(now + Duration::from_millis(500)),
            Err(KeyStoreError::Busy(_))
        ));
    }

    #[test]
    fn slips_are_refused() {
        for slip in [
            "[[grants]]\ncaller = \"a\"",
            "[[grant]]\ncaller = \"a\"\nkeys = \"*\"\noperations = [\"sign\"]",
            "[[grant]]\ncaller = \"a\"\nkeys = \"a*\"\noperations = [\"sign\"]",
            "[[grant]]\ncaller = \"a\"\nkeys = \"a/*/b\"\noperations = [\"sign\"]",
            "[[grant]]\ncaller = \"a\"\nkeys = \"a/b\"\noperations = [\"all\"]",
            "[[grant]]\ncaller = \"a\"\nkeys = \"a/b\"\noperations = []",
            "[[grant]]\ncaller = \"\"\nkeys = \"a/b\"\noperations = [\"sign\"]",
            "[[grant]]\ncaller = \"a\"\nkeys = \"a/b\"\noperations = [\"sign\"]\nrate = 0",
            "[[grant]]\ncaller = \"a\"\nkeys = \"a/b\"\noperations = [\"sign\"]\nonly = true",
        ] {
            assert!(Policy::parse(slip).is_err(), "{slip}");
        }
        assert!(Policy::parse("").unwrap().callers().next().is_none());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,300}") {
            let _ = Policy::parse(&text);
            let _ = Pattern::try_from(text);
        }

        #[test]
        fn a_prefix_covers_exactly_what_lies_below_it(prefix in "[a-z]{1,4}(/[a-z]{1,3}){0,2}", other in "[a-z]{1,4}(/[a-z]{1,3}){0,4}") {
            let pattern = Pattern::try_from(format!("{prefix}/*")).unwrap();
            let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (above, below) = (segments(&prefix), segments(&other));
            let expected = below.len() > above.len() && below[..above.len()] == above[..];
            prop_assert_eq!(pattern.covers(&label(&other)), expected);
        }
    }
}
