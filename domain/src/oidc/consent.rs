//! What a person agreed to share with a client, line by line of the client's grant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::ClientId;
use super::grant::{AccessGrant, GrantLine};
use super::request::AuthorizationRequest;
use super::scope::{Scope, Scopes};

/// One line of a grant as far as a request asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedLine {
    /// The line of the grant.
    pub line: GrantLine,
    /// The claims of the line that the request asks for.
    pub claims: BTreeSet<String>,
}

/// The lines that a request asks for, in the order of the grant; nothing outside the grant is among them.
pub fn asked_lines(request: &AuthorizationRequest, grant: &AccessGrant) -> Vec<AskedLine> {
    let by_name = request.claims.by_scope();
    grant
        .data
        .iter()
        .filter_map(|line| {
            let by_scope = request.scopes.contains(line.scope);
            let claims: BTreeSet<String> = if by_scope {
                line.claims.clone()
            } else {
                let named = by_name.get(&line.scope)?;
                line.claims.intersection(named).cloned().collect()
            };
            (by_scope || !claims.is_empty()).then(|| AskedLine {
                line: line.clone(),
                claims,
            })
        })
        .collect()
}

/// The answer of a person to one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The line's id in the grant.
    pub line: String,
    /// The line's scope.
    pub scope: Scope,
    /// The claims that the answer is about.
    pub claims: BTreeSet<String>,
    /// Whether they are shared; a refused line is remembered so that it is not asked for again and again.
    pub accepted: bool,
}

/// A recorded consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// `consent_id` in tokens.
    pub id: Uuid,
    /// Who consented.
    pub person: Uuid,
    /// To whom.
    pub client_id: ClientId,
    /// Under which grant.
    pub grant_id: Uuid,
    /// The answers.
    pub shares: Vec<Share>,
    /// When.
    pub granted_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// When the person took it back.
    pub withdrawn_at: Option<Timestamp>,
}

/// What may be released to a client: scopes, and claims by the scope that owns them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The scopes of the token.
    pub scopes: Scopes,
    /// The claims; those of `identity` stand inside `verified_claims`.
    pub claims: BTreeMap<Scope, BTreeSet<String>>,
}

impl Release {
    /// The claims released for a scope.
    pub fn claims_of(&self, scope: Scope) -> Option<&BTreeSet<String>> {
        self.claims.get(&scope)
    }

    /// The release as far as a token with fewer scopes carries it; claims asked for by name alone stay.
    #[must_use]
    pub fn narrowed(&self, scopes: &Scopes) -> Self {
        let stays = |scope: &Scope| scopes.contains(*scope) || !self.scopes.contains(*scope);
        Self {
            scopes: self
                .scopes
                .iter()
                .filter(|scope| scopes.contains(*scope))
                .collect(),
            claims: self
                .claims
                .iter()
                .filter(|(scope, _)| stays(scope))
                .map(|(scope, claims)| (*scope, claims.clone()))
                .collect(),
        }
    }
}

/// The answers to a request: all required lines, and those optional ones that the person ticked.
pub fn answers(asked: &[AskedLine], ticked: &BTreeSet<String>) -> Vec<Share> {
    asked
        .iter()
        .map(|asked| Share {
            line: asked.line.id.clone(),
            scope: asked.line.scope,
            claims: asked.claims.clone(),
            accepted: asked.line.required || ticked.contains(&asked.line.id),
        })
        .collect()
}

impl Consent {
    /// Whether the consent holds at `now` under `grant`.
    pub fn is_in_force(&self, grant: &AccessGrant, now: Timestamp) -> bool {
        self.withdrawn_at.is_none()
            && now < self.expires_at
            && self.grant_id == grant.id
            && self.client_id == grant.client_id
            && grant.is_in_force(now)
    }

    /// Whether every line asked for was already answered, with at least the same claims; a required line counts only
    /// when it was accepted.
    pub fn answers(&self, asked: &[AskedLine]) -> bool {
        asked.iter().all(|asked| {
            self.share_for(asked)
                .is_some_and(|share| share.accepted || !asked.line.required)
        })
    }

    /// What may be released for a request: asked for, granted and accepted.
    pub fn release(&self, request: &AuthorizationRequest, asked: &[AskedLine]) -> Release {
        let mut release = Release::default();
        release.scopes.insert(Scope::OpenId);
        for asked in asked {
            if self.share_for(asked).is_some_and(|share| share.accepted) {
                // A scope stands in the token only when it was asked for as scope, not through single claims.
                if request.scopes.contains(asked.line.scope) {
                    release.scopes.insert(asked.line.scope);
                }
                release
                    .claims
                    .entry(asked.line.scope)
                    .or_default()
                    .extend(asked.claims.iter().cloned());
            }
        }
        release
    }

    fn share_for(&self, asked: &AskedLine) -> Option<&Share> {
        self.shares.iter().find(|share| {
            share.line == asked.line.id
                && share.scope == asked.line.scope
                && share.claims.is_superset(&asked.claims)
        })
    }
}

#[cfg(test)]
#[path = "consent_tests.rs"]
mod tests;
