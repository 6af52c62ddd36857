//! From what is recorded about a person to claims: the one place where facts take the names of OpenID Connect Core §5.1
//! and of the Identity Assurance schema.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::claims::RequestedClaims;
use super::consent::Release;
use super::scope::Scope;
use super::selection;
use crate::assurance::TRUST_FRAMEWORK;
use crate::evidence::{CheckRecord, EvidenceRecord, Outcome};
use crate::person::PersonFacts;

/// Every top-level claim that can be made about a person, whether released or not.
pub fn all_claims(facts: &PersonFacts) -> Map<String, Value> {
    let mut claims = identity_claims(facts);
    // Nationality is a claim of evidence alone: at the top level nobody vouches for it.
    claims.remove("nationalities");
    if let Some(email) = facts.email() {
        claims.insert("email".to_owned(), json!(email.value));
        claims.insert(
            "email_verified".to_owned(),
            json!(email.verified_at.is_some()),
        );
    }
    if let Some(phone) = facts.phone() {
        claims.insert("phone_number".to_owned(), json!(phone.value));
        claims.insert(
            "phone_number_verified".to_owned(),
            json!(phone.verified_at.is_some()),
        );
    }
    if let Some(document) = facts.evidence.first() {
        claims.insert("document".to_owned(), masked_document(document));
    }
    claims
}

/// The claims released for userinfo: by scope or by name, in the release, meeting their constraints.
pub fn released_claims(
    facts: &PersonFacts,
    release: &Release,
    requested: &RequestedClaims,
    by_scope: bool,
    now: Timestamp,
) -> Map<String, Value> {
    let mut claims: Map<String, Value> = all_claims(facts)
        .into_iter()
        .filter(|(name, value)| {
            let released = Scope::of_claim(name)
                .is_some_and(|scope| release.claims_of(scope).is_some_and(|c| c.contains(name)));
            let asked_by_scope = by_scope
                && Scope::of_claim(name).is_some_and(|scope| release.scopes.contains(scope));
            let asked_by_name = requested.claims.contains_key(name);
            let fits = requested
                .claims
                .get(name)
                .is_none_or(|constraint| selection::meets(constraint, value, now));
            released && (asked_by_scope || asked_by_name) && fits
        })
        .collect();
    if let Some(verified) = verified_claims(facts, release, requested, by_scope, now) {
        claims.insert("verified_claims".to_owned(), verified);
    }
    claims
}

/// `verified_claims` as asked for, or the whole of it for the scope `identity`; an array when several requests are met.
fn verified_claims(
    facts: &PersonFacts,
    release: &Release,
    requested: &RequestedClaims,
    by_scope: bool,
    now: Timestamp,
) -> Option<Value> {
    let allowed = release.claims_of(Scope::Identity)?;
    let recorded = verified_element(facts)?;
    if requested.verified.is_empty() {
        return (by_scope && release.scopes.contains(Scope::Identity))
            .then(|| with_claims(recorded, allowed));
    }
    let mut met: Vec<Value> = requested
        .verified
        .iter()
        .filter_map(|request| selection::select(request, &recorded, allowed, now))
        .collect();
    if met.len() > 1 {
        Some(Value::Array(met))
    } else {
        met.pop()
    }
}

fn with_claims(mut recorded: Value, allowed: &BTreeSet<String>) -> Value {
    if let Some(claims) = recorded.get_mut("claims").and_then(Value::as_object_mut) {
        claims.retain(|name, _| allowed.contains(name));
    }
    recorded
}

/// The one `verified_claims` element that holds all that the evidence of a person supports; `None` without evidence.
pub fn verified_element(facts: &PersonFacts) -> Option<Value> {
    let newest = facts.evidence.iter().map(|e| e.verified_at).max()?;
    let evidence: Vec<Value> = facts.evidence.iter().map(evidence_element).collect();
    Some(json!({
        "verification": {
            "trust_framework": TRUST_FRAMEWORK,
            "assurance_level": facts.assurance.level().acr(),
            "assurance_process": { "policy": facts.assurance.policy() },
            "time": newest.to_string(),
            "evidence": evidence,
        },
        "claims": identity_claims(facts),
    }))
}

fn evidence_element(record: &EvidenceRecord) -> Value {
    let checks: Vec<Value> = record.checks.iter().filter_map(check_detail).collect();
    json!({
        "type": "document",
        "time": record.verified_at.to_string(),
        "check_details": checks,
        "document_details": {
            "type": record.document.verified_claims_type(),
            "issuer": { "country_code": record.issuer },
        },
    })
}

/// A check that was found right and has a name in the schema; officers stay unnamed.
fn check_detail(check: &CheckRecord) -> Option<Value> {
    if check.outcome != Outcome::Right {
        return None;
    }
    Some(json!({
        "check_method": check.kind.check_method()?,
        "check_id": check.id.to_string(),
        "time": check.at.to_string(),
    }))
}

fn masked_document(record: &EvidenceRecord) -> Value {
    json!({
        "type": record.document.verified_claims_type(),
        "number": record.masked_number(),
        "issuer": record.issuer,
        "date_of_expiry": record.expires_on.map(|d| d.to_string()),
    })
}

fn identity_claims(facts: &PersonFacts) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut names = vec![("", &facts.latin)];
    names.extend(facts.khmer.iter().map(|khmer| ("#km", khmer)));
    for (tag, name) in names {
        claims.insert(format!("name{tag}"), json!(name.full()));
        claims.insert(format!("family_name{tag}"), json!(name.family));
        if !name.given.is_empty() {
            claims.insert(format!("given_name{tag}"), json!(name.given));
        }
    }
    if let Some(birth_date) = facts.birth_date {
        claims.insert("birthdate".to_owned(), json!(birth_date.claim()));
    }
    if let Some(gender) = facts.sex.and_then(crate::person::Sex::claim) {
        claims.insert("gender".to_owned(), json!(gender));
    }
    if let Some(nationality) = &facts.nationality {
        claims.insert("nationalities".to_owned(), json!([nationality]));
    }
    claims
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
