//! The `claims` parameter (OpenID Connect Core §5.5) with requests for `verified_claims` (OpenID Connect for Identity
//! Assurance 1.0 §5).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::acr::AcrDemand;
use super::error::Error;
use super::scope::{Scope, VERIFIED_CLAIMS};

const MAX_LENGTH: usize = 16 * 1024;
const MAX_DEPTH: usize = 16;
const MAX_VERIFIED_REQUESTS: usize = 8;

/// What the request asks for by name, per place of delivery.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// Claims for the userinfo answer.
    #[serde(default)]
    pub userinfo: RequestedClaims,
    /// Claims for the ID token.
    #[serde(default)]
    pub id_token: RequestedClaims,
}

/// Claims asked for in one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestedClaims {
    /// Top-level claims and their constraints (`null` or an object).
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
    /// Requests for `verified_claims`; each is answered on its own.
    #[serde(default)]
    pub verified: Vec<VerifiedRequest>,
}

/// One request for verified claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifiedRequest {
    /// Constraints on the verification, as sent.
    pub verification: Map<String, Value>,
    /// Constraints on the claims, as sent; never empty.
    pub claims: Map<String, Value>,
}

impl ClaimsRequest {
    /// Parses the parameter's JSON; claims this provider does not know are kept out, constraints it cannot read refused.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_LENGTH {
            return Err(malformed("is too long"));
        }
        let value: Value = serde_json::from_str(text).map_err(|_| malformed("is not JSON"))?;
        if depth(&value) > MAX_DEPTH {
            return Err(malformed("is nested too deeply"));
        }
        let object = value
            .as_object()
            .ok_or_else(|| malformed("is not an object"))?;
        Ok(Self {
            userinfo: RequestedClaims::parse(object.get("userinfo"))?,
            id_token: RequestedClaims::parse(object.get("id_token"))?,
        })
    }

    /// The claims asked for by name, by the scope that owns them; those of `identity` are the verified ones.
    pub fn by_scope(&self) -> BTreeMap<Scope, BTreeSet<String>> {
        let mut asked: BTreeMap<Scope, BTreeSet<String>> = BTreeMap::new();
        for place in [&self.userinfo, &self.id_token] {
            for claim in place.claims.keys() {
                if let Some(scope) = Scope::of_claim(claim) {
                    asked.entry(scope).or_default().insert(claim.clone());
                }
            }
            for request in &place.verified {
                asked
                    .entry(Scope::Identity)
                    .or_default()
                    .extend(request.known_claims().map(str::to_owned));
            }
        }
        asked
    }

    /// The demand on `acr` in the ID token part (OpenID Connect Core §5.5.1.1); `Err` when it is essential and unknown.
    pub fn acr_demand(&self) -> Result<AcrDemand, Error> {
        let Some(constraint) = self.id_token.claims.get("acr").and_then(Value::as_object) else {
            return Ok(AcrDemand::default());
        };
        let essential = constraint.get("essential").and_then(Value::as_bool) == Some(true);
        let values = constraint.get("values").and_then(Value::as_array);
        let named = constraint
            .get("value")
            .into_iter()
            .chain(values.into_iter().flatten())
            .filter_map(Value::as_str);
        let named: Vec<&str> = named.collect();
        if named.is_empty() {
            return Ok(AcrDemand::default());
        }
        AcrDemand::from_values(named, essential).ok_or_else(|| {
            Error::new(
                super::ErrorCode::UnmetAuthenticationRequirements,
                "the essential acr is none of acr_values_supported",
            )
        })
    }

    /// The `sub` that the client insists on, if any (OpenID Connect Core §5.5.1).
    pub fn required_subject(&self) -> Option<&str> {
        self.id_token.claims.get("sub")?.get("value")?.as_str()
    }
}

impl RequestedClaims {
    fn parse(value: Option<&Value>) -> Result<Self, Error> {
        let members = match value {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(malformed("has a member that is not an object")),
        };
        let mut parsed = Self::default();
        for (name, request) in members {
            if name == "verified_claims" {
                parsed.verified = parse_verified(request)?;
            } else if request.is_null() || request.is_object() {
                parsed.claims.insert(name.clone(), request.clone());
            } else {
                return Err(malformed(
                    "requests a claim with neither null nor an object",
                ));
            }
        }
        Ok(parsed)
    }
}

impl VerifiedRequest {
    /// The requested claims that this provider can verify.
    pub fn known_claims(&self) -> impl Iterator<Item = &'static str> + '_ {
        VERIFIED_CLAIMS
            .iter()
            .copied()
            .filter(|name| self.claims.contains_key(*name))
    }

    fn parse(value: &Value) -> Result<Self, Error> {
        let part = |name: &str| value.get(name).and_then(Value::as_object).cloned();
        let verification = part("verification")
            .ok_or_else(|| malformed("requests verified_claims without a verification object"))?;
        let claims = part("claims")
            .filter(|claims| !claims.is_empty())
            .ok_or_else(|| malformed("requests verified_claims without claims"))?;
        if !claims.values().all(|c| c.is_null() || c.is_object()) {
            return Err(malformed(
                "requests a verified claim with neither null nor an object",
            ));
        }
        Ok(Self {
            verification,
            claims,
        })
    }
}

fn parse_verified(value: &Value) -> Result<Vec<VerifiedRequest>, Error> {
    match value {
        Value::Array(requests) if requests.len() <= MAX_VERIFIED_REQUESTS => {
            requests.iter().map(VerifiedRequest::parse).collect()
        }
        Value::Array(_) => Err(malformed("has too many requests for verified_claims")),
        single => Ok(vec![VerifiedRequest::parse(single)?]),
    }
}

fn malformed(what: &'static str) -> Error {
    Error::invalid_request(format!("the claims parameter {what}"))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::Acr;
    use proptest::prelude::*;

    #[test]
    fn reads_plain_and_verified_requests() {
        let request = ClaimsRequest::parse(
            r#"{"userinfo":{"email":{"essential":true},"shoe_size":null,
                "verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null,"title":null}}},
               "id_token":{"acr":{"essential":true,"values":["urn:kh:vdia:2"]}}}"#,
        )
        .unwrap();
        let asked = request.by_scope();
        assert_eq!(asked[&Scope::Email], BTreeSet::from(["email".to_owned()]));
        assert_eq!(
            asked[&Scope::Identity],
            BTreeSet::from(["birthdate".to_owned()])
        );
        let demand = request.acr_demand().unwrap();
        assert_eq!(demand.at_least, Some(Acr::Two));
        assert!(demand.essential);
    }

    #[test]
    fn malformed_requests_are_refused() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"userinfo":[]}"#,
            r#"{"userinfo":{"email":true}}"#,
            r#"{"userinfo":{"verified_claims":null}}"#,
            r#"{"userinfo":{"verified_claims":{"claims":{"name":null}}}}"#,
            r#"{"userinfo":{"verified_claims":{"verification":{"trust_framework":null},"claims":{}}}}"#,
        ] {
            assert!(ClaimsRequest::parse(text).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(
            ClaimsRequest::parse(&format!(r#"{{"userinfo":{{"a":{{"value":{deep}}}}}}}"#)).is_err()
        );
    }

    #[test]
    fn an_essential_unknown_acr_cannot_be_met() {
        let request =
            ClaimsRequest::parse(r#"{"id_token":{"acr":{"essential":true,"value":"gold"}}}"#)
                .unwrap();
        assert!(request.acr_demand().is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails(text in "\\PC{0,200}") {
            let _ = ClaimsRequest::parse(&text);
        }
    }
}
