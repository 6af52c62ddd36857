//! Which labels an entry covers.

use serde::Deserialize;

use crate::KeyLabel;

/// Labels of the bridge's own keys begin with this.
const OWN: &str = "bridge/";

/// One label, or everything below a prefix (`idp/*`).
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

    /// Whether only labels below `bridge/` are covered, whose keys the bridge uses for itself.
    pub(super) fn is_of_the_bridge(&self) -> bool {
        match self {
            Self::Exact(label) => label.as_str().starts_with(OWN),
            Self::Below(prefix) => prefix.starts_with(OWN),
        }
    }

    /// Greater for the narrower of two patterns that cover one label: a label itself, then the longer prefix.
    pub(super) fn specificity(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Below(prefix) => prefix.len(),
        }
    }
}
