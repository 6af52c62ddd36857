//! Authentication context classes of the framework `kh_vdia` and what a client may demand of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A level of assurance, ordered: a higher one meets a demand for a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Acr {
    /// One checked claim.
    One,
    /// Document checked by two officers or a register, two factors.
    Two,
    /// In person or chip verified to an anchor, phishing-resistant hardware.
    Three,
}

impl Acr {
    /// All levels, lowest first, as published in `acr_values_supported`.
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Three];

    /// The URN of the level.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "urn:kh:vdia:1",
            Self::Two => "urn:kh:vdia:2",
            Self::Three => "urn:kh:vdia:3",
        }
    }

    /// 1, 2 or 3.
    pub fn level(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// The class of a level; levels above 3 count as 3, level 0 has none.
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => None,
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => Some(Self::Three),
        }
    }
}

impl fmt::Display for Acr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Acr {
    type Err = UnknownAcr;
    fn from_str(text: &str) -> Result<Self, UnknownAcr> {
        Self::ALL
            .into_iter()
            .find(|acr| acr.as_str() == text)
            .ok_or(UnknownAcr)
    }
}

impl TryFrom<String> for Acr {
    type Error = UnknownAcr;
    fn try_from(text: String) -> Result<Self, UnknownAcr> {
        text.parse()
    }
}

impl From<Acr> for String {
    fn from(acr: Acr) -> Self {
        acr.as_str().to_owned()
    }
}

/// The text names no class of this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown authentication context class")]
pub struct UnknownAcr;

/// What an authorization request says about the class (OpenID Connect Core §2, §3.1.2.1, §5.5.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcrDemand {
    /// The lowest class that satisfies the client; higher ones do too.
    pub at_least: Option<Acr>,
    /// Asked as an essential claim: when it is not reached, the request fails instead of going on with less.
    pub essential: bool,
}

impl AcrDemand {
    /// A demand from values in order of preference; unknown values are passed over when voluntary.
    ///
    /// `None` when the demand is essential and names no class that exists here.
    pub fn from_values<'a>(
        values: impl IntoIterator<Item = &'a str>,
        essential: bool,
    ) -> Option<Self> {
        let at_least = values.into_iter().filter_map(|v| v.parse().ok()).min();
        if essential && at_least.is_none() {
            return None;
        }
        Some(Self {
            at_least,
            essential: essential && at_least.is_some(),
        })
    }

    /// Whether `reached` satisfies the demand.
    pub fn is_met_by(self, reached: Option<Acr>) -> bool {
        self.at_least.is_none() || reached >= self.at_least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_meets_lower() {
        let demand = AcrDemand::from_values(["urn:kh:vdia:2"], false).unwrap();
        assert!(demand.is_met_by(Some(Acr::Three)));
        assert!(demand.is_met_by(Some(Acr::Two)));
        assert!(!demand.is_met_by(Some(Acr::One)));
        assert!(!demand.is_met_by(None));
    }

    #[test]
    fn the_lowest_named_class_counts() {
        let demand =
            AcrDemand::from_values(["urn:kh:vdia:3", "urn:kh:vdia:1", "urn:other"], false).unwrap();
        assert_eq!(demand.at_least, Some(Acr::One));
        assert!(AcrDemand::from_values(["urn:other"], true).is_none());
        assert!(
            AcrDemand::from_values(["urn:other"], false)
                .unwrap()
                .is_met_by(None)
        );
    }
}
