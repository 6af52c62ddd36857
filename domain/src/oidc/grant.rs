//! Access grants: the written permission of article 29 under which a ministry may ask for personal data.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::ClientId;
use super::scope::{Scope, Scopes};
use super::text::Bilingual;

/// A permission in writing: who applied, on what legal basis, why, for which data, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessGrant {
    /// `grant_id` in tokens.
    pub id: Uuid,
    /// The number under which the deed is filed, as persons read it.
    pub number: String,
    /// The client that may ask.
    pub client_id: ClientId,
    /// The ministry that applied.
    pub applicant: Bilingual,
    /// The authority that granted.
    pub granted_by: Bilingual,
    /// The law or sub-decree that the application rests on.
    pub legal_basis: Bilingual,
    /// The reasons given; the page shows them as the purpose of the whole request.
    pub reason: Bilingual,
    /// What may be asked for, line by line.
    pub data: Vec<GrantLine>,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// For how many days the ministry may keep what it got; `None` where the law says.
    pub retention_days: Option<u16>,
}

/// One line of a grant: some claims of one scope, and why they are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantLine {
    /// A name that is unique within the grant and stable for consents.
    pub id: String,
    /// The scope that selects the line.
    pub scope: Scope,
    /// The claims of the scope that the line covers; for `identity`, those inside `verified_claims`.
    pub claims: BTreeSet<String>,
    /// Whether the service works only with it; otherwise the person may leave it out.
    pub required: bool,
    /// What it is for.
    pub purpose: Bilingual,
}

/// Why a grant cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The period is empty.
    #[error("the grant ends before it begins")]
    Period,
    /// A line is not unique.
    #[error("line {0} stands twice")]
    RepeatedLine(String),
    /// A claim does not belong to the line's scope.
    #[error("claim {claim} of line {line} does not belong to its scope")]
    ForeignClaim {
        /// The line.
        line: String,
        /// The claim.
        claim: String,
    },
    /// Texts are missing or too long.
    #[error("{0} must be given in Khmer and in English")]
    Text(&'static str),
}

const MAX_TEXT: usize = 400;

impl AccessGrant {
    /// Checks that the grant can be recorded.
    pub fn check(&self) -> Result<(), GrantError> {
        if self.not_after <= self.not_before {
            return Err(GrantError::Period);
        }
        for (name, text) in [
            ("applicant", &self.applicant),
            ("granted_by", &self.granted_by),
            ("legal_basis", &self.legal_basis),
            ("reason", &self.reason),
        ] {
            if !text.is_presentable(MAX_TEXT) {
                return Err(GrantError::Text(name));
            }
        }
        let mut seen = BTreeSet::new();
        for line in &self.data {
            if !seen.insert(line.id.as_str()) {
                return Err(GrantError::RepeatedLine(line.id.clone()));
            }
            if !line.purpose.is_presentable(MAX_TEXT) {
                return Err(GrantError::Text("purpose"));
            }
            let known = line.scope.claims();
            if let Some(claim) = line.claims.iter().find(|c| !known.contains(&c.as_str())) {
                return Err(GrantError::ForeignClaim {
                    line: line.id.clone(),
                    claim: claim.clone(),
                });
            }
        }
        Ok(())
    }

    /// Whether the grant holds at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// The scopes that the client may ask for; `openid` is always among them.
    pub fn scopes(&self) -> Scopes {
        self.data
            .iter()
            .map(|line| line.scope)
            .chain([Scope::OpenId])
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn bilingual(text: &str) -> Bilingual {
        Bilingual {
            km: format!("ក {text}"),
            en: text.to_owned(),
        }
    }

    pub(crate) fn line(id: &str, scope: Scope, claims: &[&str], required: bool) -> GrantLine {
        GrantLine {
            id: id.to_owned(),
            scope,
            claims: claims.iter().map(|&c| c.to_owned()).collect(),
            required,
            purpose: bilingual("why"),
        }
    }

    pub(crate) fn grant() -> AccessGrant {
        AccessGrant {
            id: Uuid::from_u128(7),
            number: "2026-GDT-0141".to_owned(),
            client_id: ClientId::parse("gdt").unwrap(),
            applicant: bilingual("General Department of Taxation"),
            granted_by: bilingual("Ministry of Interior"),
            legal_basis: bilingual("Law on Taxation"),
            reason: bilingual("To file a declaration"),
            data: vec![
                line("name", Scope::Profile, &["name", "name#km"], true),
                line("birthdate", Scope::Profile, &["birthdate"], true),
                line("level", Scope::Identity, &["name", "birthdate"], true),
                line("email", Scope::Email, &["email", "email_verified"], false),
                line("offline", Scope::OfflineAccess, &[], false),
            ],
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
            retention_days: Some(90),
        }
    }

    #[test]
    fn a_sound_grant_passes_and_has_its_scopes() {
        grant().check().unwrap();
        assert_eq!(
            grant().scopes().to_string(),
            "openid profile email identity offline_access"
        );
    }

    #[test]
    fn unsound_grants_are_refused() {
        let mut twice = grant();
        twice
            .data
            .push(line("name", Scope::Email, &["email"], true));
        assert_eq!(
            twice.check(),
            Err(GrantError::RepeatedLine("name".to_owned()))
        );
        let mut foreign = grant();
        foreign
            .data
            .push(line("x", Scope::Email, &["birthdate"], true));
        assert!(matches!(
            foreign.check(),
            Err(GrantError::ForeignClaim { .. })
        ));
        let mut ended = grant();
        ended.not_after = ended.not_before;
        assert_eq!(ended.check(), Err(GrantError::Period));
        let mut mute = grant();
        mute.reason.km = " ".to_owned();
        assert_eq!(mute.check(), Err(GrantError::Text("reason")));
    }

    #[test]
    fn the_period_is_half_open() {
        let grant = grant();
        assert!(grant.is_in_force(grant.not_before));
        assert!(!grant.is_in_force(grant.not_after));
    }
}
