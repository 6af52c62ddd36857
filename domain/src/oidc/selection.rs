//! Selecting from recorded facts what a `verified_claims` request asks for (OpenID Connect for Identity Assurance 1.0).
//!
//! Invariant: a value that fails a `value`, `values` or `max_age` constraint is never returned. A failed constraint in
//! `verification` drops the whole element, one in `claims` drops that claim.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil};
use serde_json::{Map, Value};

use super::claims::VerifiedRequest;

/// The answer to one request, from one `verified_claims` element that holds all that is recorded.
///
/// `allowed` are the claims that grant and consent cover. `None`: the element is to be left out.
pub fn select(
    request: &VerifiedRequest,
    recorded: &Value,
    allowed: &BTreeSet<String>,
    now: Timestamp,
) -> Option<Value> {
    let recorded_verification = recorded.get("verification")?;
    let constraint = Value::Object(request.verification.clone());
    let Outcome::Fits(mut verification) = apply(&constraint, recorded_verification, now) else {
        return None;
    };
    // The framework is always stated, whether asked for or not: it is what the rest means.
    verification.as_object_mut()?.insert(
        "trust_framework".to_owned(),
        recorded_verification.get("trust_framework")?.clone(),
    );
    let mut claims = Map::new();
    for (name, constraint) in &request.claims {
        let Some(value) = recorded.get("claims").and_then(|claims| claims.get(name)) else {
            continue;
        };
        if !allowed.contains(name) {
            continue;
        }
        if let Outcome::Fits(value) = apply(constraint, value, now) {
            claims.insert(name.clone(), value);
        }
    }
    if claims.is_empty() {
        return None;
    }
    Some(serde_json::json!({ "verification": verification, "claims": claims }))
}

/// Whether a plain claim meets its constraint (OpenID Connect Core §5.5.1).
pub fn meets(constraint: &Value, value: &Value, now: Timestamp) -> bool {
    matches!(apply(constraint, value, now), Outcome::Fits(_))
}

enum Outcome {
    Fits(Value),
    Fails,
}

const CONSTRAINTS: [&str; 3] = ["value", "values", "max_age"];
/// Members of a constraint that say something about the request, not about the data.
const REMARKS: [&str; 2] = ["essential", "purpose"];

fn apply(constraint: &Value, data: &Value, now: Timestamp) -> Outcome {
    match (constraint, data) {
        (Value::Null, _) => Outcome::Fits(data.clone()),
        (Value::Array(filters), Value::Array(items)) => any_of(filters, items, now),
        (Value::Object(members), _) if is_leaf(members, data) => {
            if leaf_fits(members, data, now) {
                Outcome::Fits(data.clone())
            } else {
                Outcome::Fails
            }
        }
        (Value::Object(members), Value::Object(facts)) => each_member(members, facts, now),
        _ => Outcome::Fails,
    }
}

/// Filters are alternatives: an item is returned when one of them fits it, shaped by the first that does.
fn any_of(filters: &[Value], items: &[Value], now: Timestamp) -> Outcome {
    let fitting: Vec<Value> = items
        .iter()
        .filter_map(|item| {
            filters
                .iter()
                .find_map(|filter| match apply(filter, item, now) {
                    Outcome::Fits(value) => Some(value),
                    Outcome::Fails => None,
                })
        })
        .collect();
    if fitting.is_empty() {
        Outcome::Fails
    } else {
        Outcome::Fits(Value::Array(fitting))
    }
}

fn each_member(
    members: &Map<String, Value>,
    facts: &Map<String, Value>,
    now: Timestamp,
) -> Outcome {
    let mut selected = Map::new();
    for (name, constraint) in members {
        match facts.get(name) {
            Some(fact) => match apply(constraint, fact, now) {
                Outcome::Fits(value) => {
                    selected.insert(name.clone(), value);
                }
                Outcome::Fails => return Outcome::Fails,
            },
            None if constrains(constraint) => return Outcome::Fails,
            None => {}
        }
    }
    Outcome::Fits(Value::Object(selected))
}

/// A constraint object speaks about the value itself when it has a constraint member, or nothing but remarks.
fn is_leaf(members: &Map<String, Value>, data: &Value) -> bool {
    let remarks_only = members.keys().all(|k| REMARKS.contains(&k.as_str()));
    !data.is_object()
        || (remarks_only && !members.is_empty())
        || members
            .keys()
            .any(|k| CONSTRAINTS.contains(&k.as_str()) && data.get(k).is_none())
}

fn leaf_fits(members: &Map<String, Value>, data: &Value, now: Timestamp) -> bool {
    let equals = |wanted: &Value| match data {
        Value::Array(items) => wanted == data || items.contains(wanted),
        _ => wanted == data,
    };
    let equals_one = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(equals));
    members.iter().all(|(name, wanted)| match name.as_str() {
        "value" => equals(wanted),
        "values" => equals_one(wanted),
        "max_age" => is_young(wanted, data, now),
        // A constraint that is not understood cannot be met.
        other => REMARKS.contains(&other),
    })
}

fn is_young(limit: &Value, data: &Value, now: Timestamp) -> bool {
    let (Some(limit), Some(text)) = (limit.as_i64(), data.as_str()) else {
        return false;
    };
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let date: civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    at.is_some_and(|at| now.as_second().saturating_sub(at.as_second()) <= limit)
}

/// Whether a constraint demands something of data that is absent.
fn constrains(constraint: &Value) -> bool {
    match constraint {
        Value::Object(members) => members
            .iter()
            .any(|(k, v)| CONSTRAINTS.contains(&k.as_str()) || constrains(v)),
        Value::Array(filters) => !filters.is_empty() && filters.iter().all(constrains),
        _ => false,
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
