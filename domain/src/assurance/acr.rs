//! What a sign-in reached: the lower of what is known about the person and how the person proved to be present.

use super::Level;

/// `trust_framework` of verified claims.
pub const TRUST_FRAMEWORK: &str = "kh_vdia";

/// `acr_values_supported`, lowest first.
pub const ACR_VALUES: [&str; 3] = ["urn:kh:vdia:1", "urn:kh:vdia:2", "urn:kh:vdia:3"];

/// The level named by an `acr` value, if it is one of ours.
pub fn acr_from_urn(urn: &str) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level.acr() == urn)
}

/// The level reached: no higher than the identity's level, no higher than the authentication's (`aal` 1 to 3).
///
/// `None` where the authentication has no level at all.
pub fn reached(identity: Level, aal: u8) -> Option<Level> {
    Level::ALL
        .into_iter()
        .rfind(|level| level.number() <= aal)
        .map(|level| level.min(identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_one_counts() {
        assert_eq!(reached(Level::Two, 1), Some(Level::One));
        assert_eq!(reached(Level::One, 3), Some(Level::One));
        assert_eq!(reached(Level::Two, 2), Some(Level::Two));
        assert_eq!(reached(Level::Three, 9), Some(Level::Three));
        assert_eq!(reached(Level::Three, 0), None);
    }

    #[test]
    fn names_round_trip() {
        for (level, urn) in Level::ALL.into_iter().zip(ACR_VALUES) {
            assert_eq!(level.acr(), urn);
            assert_eq!(acr_from_urn(urn), Some(level));
            assert_eq!(Level::try_from(level.number()), Ok(level));
        }
        assert_eq!(acr_from_urn("urn:kh:vdia:4"), None);
    }
}
