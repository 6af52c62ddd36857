//! Certificate policies below the configured arc, and claims of quality.

use crate::extension::qc_statements::{QcStatement, QcType};
use crate::oid::Oid;

/// The example arc of X.660, for development and tests only.
pub const DEFAULT_ARC: &str = "2.999";

/// The encoding of [`DEFAULT_ARC`].
const EXAMPLE_ARC: [u8; 2] = [0x88, 0x37];

/// The platform's policy identifiers, all below one arc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOids {
    arc: Oid,
}

/// An arc so long that nothing fits below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the policy arc is not an object identifier, or too long")]
pub struct ArcError;

impl Default for PolicyOids {
    fn default() -> Self {
        Self {
            arc: Oid::known(&EXAMPLE_ARC),
        }
    }
}

impl PolicyOids {
    /// Takes the arc, in dotted form, from configuration.
    pub fn new(arc: &str) -> Result<Self, ArcError> {
        let oids = Self {
            arc: arc.parse().map_err(|_| ArcError)?,
        };
        // The deepest identifier below the arc decides whether all of them fit.
        oids.try_below(&[1, 1, 3])?;
        Ok(oids)
    }

    /// Whether this is the example arc, which a production configuration must not use.
    pub fn is_example(&self) -> bool {
        self.arc.as_bytes() == EXAMPLE_ARC
    }

    /// Persons, authentication: `.1.1.1`.
    pub fn person_authentication(&self) -> Oid {
        self.below(&[1, 1, 1])
    }

    /// Persons, signature: `.1.1.2`.
    pub fn person_signature(&self) -> Oid {
        self.below(&[1, 1, 2])
    }

    /// Persons, one signature: `.1.1.3`.
    pub fn person_one_shot(&self) -> Oid {
        self.below(&[1, 1, 3])
    }

    /// Legal entities: `.1.2`.
    pub fn entity(&self) -> Oid {
        self.below(&[1, 2])
    }

    /// Servers and devices: `.1.3`.
    pub fn server(&self) -> Oid {
        self.below(&[1, 3])
    }

    /// OCSP responders and time-stamping units: `.1.4`.
    pub fn service(&self) -> Oid {
        self.below(&[1, 4])
    }

    /// Policy of the time-stamping authority: `.2.1`.
    pub fn time_stamping(&self) -> Oid {
        self.below(&[2, 1])
    }

    fn below(&self, numbers: &[u32]) -> Oid {
        self.try_below(numbers).unwrap_or_else(|_| self.arc.clone())
    }

    fn try_below(&self, numbers: &[u32]) -> Result<Oid, ArcError> {
        numbers.iter().try_fold(self.arc.clone(), |oid, number| {
            oid.child(*number).map_err(|_| ArcError)
        })
    }
}

/// What the operator states in law about signature and seal certificates; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QcClaims {
    /// Countries (ISO 3166-1 alpha-2) under whose law the certificates are qualified.
    pub legislation: Vec<String>,
    /// Whether private keys are in a qualified signature creation device.
    pub sscd: bool,
    /// Disclosure statements: https address and language.
    pub disclosure: Vec<(String, String)>,
}

impl QcClaims {
    /// The statements for a purpose; none unless a legislation is named, because every other
    /// statement would then be read as a claim under European law (EN 319 412-5 §4.2.4).
    pub(super) fn statements(&self, purpose: QcType) -> Vec<QcStatement> {
        if self.legislation.is_empty() {
            return Vec::new();
        }
        let mut statements = vec![QcStatement::Compliance, QcStatement::Type(vec![purpose])];
        statements.push(QcStatement::Legislation(self.legislation.clone()));
        if self.sscd {
            statements.push(QcStatement::Sscd);
        }
        if !self.disclosure.is_empty() {
            statements.push(QcStatement::Disclosure(self.disclosure.clone()));
        }
        statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_lie_below_the_arc() {
        let oids = PolicyOids::new("1.3.6.1.4.1.99999").unwrap();
        assert_eq!(
            oids.person_signature().to_string(),
            "1.3.6.1.4.1.99999.1.1.2"
        );
        assert!(!oids.is_example());
        assert!(PolicyOids::default().is_example());
        assert_eq!(PolicyOids::default().entity().to_string(), "2.999.1.2");
        assert!(PolicyOids::new("not an arc").is_err());
    }

    #[test]
    fn no_legislation_no_claim() {
        let claims = QcClaims {
            sscd: true,
            ..QcClaims::default()
        };
        assert!(claims.statements(QcType::Esign).is_empty());
    }
}
