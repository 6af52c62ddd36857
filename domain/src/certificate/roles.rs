//! Who may ask the certificate authority for what: the one table of callers' rights.
//!
//! Certificates of authorities (root, issuing, cross) are made at a key ceremony and by nobody over the network.

use std::fmt;
use std::str::FromStr;

use pki::profile::ProfileName;
use serde::{Deserialize, Serialize};

/// What a caller of the certificate authority is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The identity provider: it vouches for people, and holds their signing sessions.
    Registration,
    /// A status responder: it follows the status log and renews its own certificate.
    Validation,
    /// A person or program with the scope `ca.issue`.
    Issuance,
    /// A person or program with the scope `ca.revoke`.
    Revocation,
    /// A person or program with the scope `ca.read`.
    Audit,
}

/// One thing that a caller may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Ask for a certificate of a profile.
    Issue(ProfileName),
    /// Revoke an end-entity certificate.
    Revoke,
    /// Read a certificate by its serial number.
    ReadCertificates,
    /// Read the issuers and their revocation lists.
    ReadIssuers,
    /// Follow the status log.
    FollowStatusLog,
    /// Create and read signing credentials.
    ManageCredentials,
    /// Prepare and sign documents with a credential.
    SignDocuments,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Registration,
        Self::Validation,
        Self::Issuance,
        Self::Revocation,
        Self::Audit,
    ];

    /// The role that an access token's scope carries (RFC 6749 §3.3), if any.
    pub fn from_scope(scope: &str) -> Option<Self> {
        match scope {
            "ca.issue" => Some(Self::Issuance),
            "ca.revoke" => Some(Self::Revocation),
            "ca.read" => Some(Self::Audit),
            _ => None,
        }
    }

    /// The word used in configuration and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Validation => "validation",
            Self::Issuance => "issuance",
            Self::Revocation => "revocation",
            Self::Audit => "audit",
        }
    }

    /// Whether this role carries `permission`.
    pub const fn permits(self, permission: Permission) -> bool {
        match self {
            Self::Registration => match permission {
                Permission::Issue(profile) => matches!(
                    profile,
                    ProfileName::CitizenAuth
                        | ProfileName::CitizenSign
                        | ProfileName::OneShotSign
                        | ProfileName::EntitySeal
                        | ProfileName::TlsServer
                ),
                Permission::Revoke
                | Permission::ReadCertificates
                | Permission::ReadIssuers
                | Permission::ManageCredentials
                | Permission::SignDocuments => true,
                Permission::FollowStatusLog => false,
            },
            Self::Validation => matches!(
                permission,
                Permission::Issue(ProfileName::OcspResponder | ProfileName::TlsServer)
                    | Permission::ReadIssuers
                    | Permission::FollowStatusLog
            ),
            Self::Issuance => match permission {
                Permission::Issue(profile) => !matches!(
                    profile,
                    ProfileName::Root | ProfileName::Issuing | ProfileName::Cross
                ),
                Permission::ReadCertificates | Permission::ReadIssuers => true,
                _ => false,
            },
            Self::Revocation => matches!(
                permission,
                Permission::Revoke | Permission::ReadCertificates | Permission::ReadIssuers
            ),
            Self::Audit => matches!(
                permission,
                Permission::ReadCertificates
                    | Permission::ReadIssuers
                    | Permission::FollowStatusLog
            ),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role of the certificate authority")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_an_authority_certificate_over_the_network() {
        for role in Role::ALL {
            for profile in [ProfileName::Root, ProfileName::Issuing, ProfileName::Cross] {
                assert!(!role.permits(Permission::Issue(profile)), "{role}");
            }
        }
    }

    #[test]
    fn a_responder_reads_statuses_and_renews_itself_and_no_more() {
        let role = Role::Validation;
        assert!(role.permits(Permission::FollowStatusLog));
        assert!(role.permits(Permission::Issue(ProfileName::OcspResponder)));
        for denied in [
            Permission::Issue(ProfileName::CitizenSign),
            Permission::Issue(ProfileName::Tsa),
            Permission::Revoke,
            Permission::ManageCredentials,
            Permission::SignDocuments,
            Permission::ReadCertificates,
        ] {
            assert!(!role.permits(denied), "{denied:?}");
        }
    }

    #[test]
    fn reading_changes_nothing() {
        for denied in [
            Permission::Revoke,
            Permission::ManageCredentials,
            Permission::SignDocuments,
            Permission::Issue(ProfileName::TlsServer),
        ] {
            assert!(!Role::Audit.permits(denied), "{denied:?}");
        }
    }

    #[test]
    fn issuing_does_not_revoke_and_revoking_does_not_issue() {
        assert!(!Role::Issuance.permits(Permission::Revoke));
        assert!(!Role::Revocation.permits(Permission::Issue(ProfileName::CitizenAuth)));
        assert!(!Role::Issuance.permits(Permission::SignDocuments));
    }

    #[test]
    fn scopes_carry_roles_and_unknown_ones_none() {
        assert_eq!(Role::from_scope("ca.issue"), Some(Role::Issuance));
        assert_eq!(Role::from_scope("ca.revoke"), Some(Role::Revocation));
        assert_eq!(Role::from_scope("ca.read"), Some(Role::Audit));
        assert_eq!(Role::from_scope("openid"), None);
        assert_eq!(Role::from_scope("ca.issue "), None);
    }
}
