//! Scopes and the claims they select: their one home.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A scope of this provider for persons; what machines ask for are free names in their registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Scope {
    /// `openid`: this is an OpenID Connect request.
    OpenId,
    /// `profile`: names, birth date and gender as the person's account states them.
    Profile,
    /// `email`.
    Email,
    /// `phone`.
    Phone,
    /// `address`.
    Address,
    /// `identity`: claims with the evidence behind them (`verified_claims`).
    Identity,
    /// `identity.document`: kind and masked number of the identity document.
    IdentityDocument,
    /// `offline_access`: a refresh token.
    OfflineAccess,
}

impl Scope {
    /// Every scope, in the order in which metadata and pages list them.
    pub const ALL: [Self; 8] = [
        Self::OpenId,
        Self::Profile,
        Self::Identity,
        Self::IdentityDocument,
        Self::Email,
        Self::Phone,
        Self::Address,
        Self::OfflineAccess,
    ];

    /// The scope's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Address => "address",
            Self::Identity => "identity",
            Self::IdentityDocument => "identity.document",
            Self::OfflineAccess => "offline_access",
        }
    }

    /// The claims that the scope selects. Those of `identity` stand inside `verified_claims`, all others at the top of
    /// the userinfo answer (OpenID Connect Core §5.4).
    pub fn claims(self) -> &'static [&'static str] {
        match self {
            Self::OpenId | Self::OfflineAccess => &[],
            Self::Profile => &[
                "name",
                "name#km",
                "given_name",
                "given_name#km",
                "family_name",
                "family_name#km",
                "birthdate",
                "gender",
            ],
            Self::Email => &["email", "email_verified"],
            Self::Phone => &["phone_number", "phone_number_verified"],
            Self::Address => &["address"],
            Self::Identity => VERIFIED_CLAIMS,
            Self::IdentityDocument => &["document"],
        }
    }

    /// The scope that owns a top-level claim; `None` for a claim that this provider does not know.
    pub fn of_claim(claim: &str) -> Option<Self> {
        [
            Self::Profile,
            Self::Email,
            Self::Phone,
            Self::Address,
            Self::IdentityDocument,
        ]
        .into_iter()
        .find(|scope| scope.claims().contains(&claim))
    }
}

/// The claims that may stand inside `verified_claims`.
pub const VERIFIED_CLAIMS: &[&str] = &[
    "name",
    "name#km",
    "given_name",
    "given_name#km",
    "family_name",
    "family_name#km",
    "birthdate",
    "gender",
    "nationalities",
];

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no scope of this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(UnknownScope)
    }
}

impl TryFrom<String> for Scope {
    type Error = UnknownScope;
    fn try_from(text: String) -> Result<Self, UnknownScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.as_str().to_owned()
    }
}

/// A set of scopes; its text form is the space-separated list of RFC 6749 §3.3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads a scope parameter; names that are not known are passed over (OpenID Connect Core §3.1.2.1).
    pub fn parse_known(text: &str) -> Self {
        text.split(' ')
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// Whether the set holds the scope.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// The scopes in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }

    /// Whether every scope here is also in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Adds a scope.
    pub fn insert(&mut self, scope: Scope) {
        self.0.insert(scope);
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_passed_over() {
        let scopes = Scopes::parse_known("openid  wallet profile OPENID");
        assert_eq!(scopes.to_string(), "openid profile");
    }

    #[test]
    fn every_top_level_claim_has_one_owner() {
        assert_eq!(Scope::of_claim("birthdate"), Some(Scope::Profile));
        assert_eq!(Scope::of_claim("document"), Some(Scope::IdentityDocument));
        assert_eq!(Scope::of_claim("verified_claims"), None);
        assert_eq!(Scope::of_claim("shoe_size"), None);
    }
}
