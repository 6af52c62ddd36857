//! The assurance level of an identity: computed from recorded evidence, recorded checks and a policy with a version.
//!
//! There is no way to set a level: [`compute`] is the only maker of an [`Assurance`] from evidence.

mod acr;
mod compute;

pub use acr::{ACR_VALUES, TRUST_FRAMEWORK, acr_from_urn, reached};
pub use compute::{AssurancePolicy, KH_2026_11, compute, strength};

use serde::{Deserialize, Serialize};

/// How sure the state is of an identity (`urn:kh:vdia:1` to `:3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Level {
    /// One checked claim.
    One,
    /// A strong document, compared by two officers or found in the register.
    Two,
    /// A chip verified to an anchor, or in person.
    Three,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Three];

    /// `ial` in tokens.
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// `acr` value of this level.
    pub fn acr(self) -> &'static str {
        match self {
            Self::One => "urn:kh:vdia:1",
            Self::Two => "urn:kh:vdia:2",
            Self::Three => "urn:kh:vdia:3",
        }
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.number()
    }
}

/// A number that is no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("assurance levels are 1, 2 and 3")]
pub struct NoSuchLevel;

impl TryFrom<u8> for Level {
    type Error = NoSuchLevel;

    fn try_from(number: u8) -> Result<Self, NoSuchLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.number() == number)
            .ok_or(NoSuchLevel)
    }
}

/// A computed level and why it is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assurance {
    level: Level,
    policy: String,
    reason: Reason,
}

impl Assurance {
    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The identity assurance level as a number, `ial` in tokens.
    pub fn ial(&self) -> u8 {
        self.level.number()
    }

    /// Version of the policy that gave this level.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The rule that gave this level.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// The rule that gave a level; its text is a sentence for citizens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The document's chip was verified to a trusted anchor.
    ChipVerified,
    /// Seen in person with a strong document.
    SeenInPerson,
    /// A strong document agrees with the issuing register.
    RegisterMatched,
    /// Two officers compared a strong document with the person's photo.
    TwoOfficersCompared,
    /// Two officers looked at a document that proves less.
    DocumentInspected,
}

impl Reason {
    /// Text key of the sentence that explains the level, in `apply.ftl`.
    pub fn key(self) -> &'static str {
        match self {
            Self::ChipVerified => "level-because-chip",
            Self::SeenInPerson => "level-because-in-person",
            Self::RegisterMatched => "level-because-register",
            Self::TwoOfficersCompared => "level-because-two-officers",
            Self::DocumentInspected => "level-because-inspected",
        }
    }
}
