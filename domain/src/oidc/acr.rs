//! Authentication context classes of the framework `kh_vdia` and what a client may demand of them.

use serde::{Deserialize, Serialize};

pub use crate::assurance::Level as Acr;
use crate::assurance::acr_from_urn;

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
        let at_least = values.into_iter().filter_map(acr_from_urn).min();
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
