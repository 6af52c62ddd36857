//! What members of staff may do, and which duties exclude each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::UnknownWord;

/// A duty of a member of staff; a citizen's account has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A clerk who checks applications.
    Operator,
    /// The clerks' chief, who oversees offices and samples decisions.
    Supervisor,
    /// A civil servant who signs documents.
    Official,
    /// Somebody who reads everything and changes nothing.
    Auditor,
    /// Somebody who registers relying parties.
    ClientAdmin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Operator,
        Self::Supervisor,
        Self::Official,
        Self::Auditor,
        Self::ClientAdmin,
    ];

    /// The stored word, which is also the word in tokens and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Official => "official",
            Self::Auditor => "auditor",
            Self::ClientAdmin => "client-admin",
        }
    }

    /// Whether one person may not hold both: an auditor audits everybody else, and who proves identities does not
    /// also decide who may ask for them.
    pub const fn excludes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Auditor, Self::Auditor) => false,
            (Self::Auditor, _)
            | (_, Self::Auditor)
            | (Self::ClientAdmin, Self::Operator | Self::Supervisor)
            | (Self::Operator | Self::Supervisor, Self::ClientAdmin) => true,
            _ => false,
        }
    }
}

/// Two roles that one person may not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the roles {0} and {1} exclude each other")]
pub struct RoleConflict(pub Role, pub Role);

/// Checks that the roles can be held by one person.
pub fn check_combination(roles: &[Role]) -> Result<(), RoleConflict> {
    for (position, one) in roles.iter().enumerate() {
        for other in roles.iter().skip(position + 1) {
            if one.excludes(*other) {
                return Err(RoleConflict(*one, *other));
            }
        }
    }
    Ok(())
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| UnknownWord {
                kind: "role",
                word: word.to_owned(),
            })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_match_serde() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn exclusion_is_symmetric_and_never_reflexive() {
        for one in Role::ALL {
            assert!(!one.excludes(one));
            for other in Role::ALL {
                assert_eq!(one.excludes(other), other.excludes(one));
            }
        }
        assert_eq!(check_combination(&[Role::Operator, Role::Official]), Ok(()));
        assert_eq!(
            check_combination(&[Role::Official, Role::Auditor]),
            Err(RoleConflict(Role::Official, Role::Auditor))
        );
    }
}
