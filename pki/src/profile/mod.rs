//! Certificate kinds as data: the one home of what each kind may and must contain.
//!
//! Invariant: a profile is immutable and complete; issuing and linting read it and decide nothing themselves.

mod catalogue;
mod names;
mod policy;
mod terms;

use std::collections::BTreeMap;

pub use names::{ProfileName, UnknownProfile};
pub use policy::{DEFAULT_ARC, PolicyOids, QcClaims};
pub use terms::{Kind, Revocation, SanKind, SanRule, SubjectRule, Terms};

/// A certificate kind.
pub trait Profile: Send + Sync {
    /// The name under which requests ask for it.
    fn name(&self) -> ProfileName;
    /// Everything that certificates of this kind have in common.
    fn terms(&self) -> &Terms;
}

/// One entry of the house's catalogue.
#[derive(Debug, Clone)]
pub struct HouseProfile {
    name: ProfileName,
    terms: Terms,
}

impl Profile for HouseProfile {
    fn name(&self) -> ProfileName {
        self.name
    }

    fn terms(&self) -> &Terms {
        &self.terms
    }
}

/// The house's catalogue under one policy arc.
#[derive(Debug, Clone)]
pub struct Profiles {
    entries: BTreeMap<ProfileName, HouseProfile>,
}

impl Profiles {
    /// Builds the catalogue with certificate policies below `policies`, and without quality claims.
    pub fn new(policies: &PolicyOids) -> Self {
        Self::with_claims(policies, &QcClaims::default())
    }

    /// Builds the catalogue; `claims` add QCStatements to the kinds that may carry them.
    pub fn with_claims(policies: &PolicyOids, claims: &QcClaims) -> Self {
        let entries = ProfileName::ALL
            .into_iter()
            .map(|name| {
                let terms = catalogue::terms(name, policies, claims);
                (name, HouseProfile { name, terms })
            })
            .collect();
        Self { entries }
    }

    /// The entry of that name; the catalogue holds every name.
    pub fn find(&self, name: ProfileName) -> Option<&HouseProfile> {
        self.entries.get(&name)
    }

    /// The entry of that name in kebab case.
    pub fn by_name(&self, name: &str) -> Result<&HouseProfile, UnknownProfile> {
        self.find(name.parse()?).ok_or(UnknownProfile)
    }
}
