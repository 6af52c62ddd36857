//! JWK Sets, as a provider publishes them and a client registers them.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::jwk::PRIVATE_MEMBERS;
use super::{JoseError, Jwk, MAX_KEYS, json};

/// A JWK Set (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys, in the order in which they were given.
    pub keys: Vec<Jwk>,
}

impl Jwks {
    /// Parses a JWK Set; keys of kinds or uses this module does not know are left out, as RFC 7517 §5 asks.
    /// A set that carries private or symmetric material is refused whole: its owner has leaked it.
    pub fn parse(text: &[u8]) -> Result<Self, JoseError> {
        let value = json::parse(text)?;
        Self::from_value(&value)
    }

    /// As [`Jwks::parse`], from an already parsed JSON value.
    pub fn from_value(value: &Value) -> Result<Self, JoseError> {
        let list = value
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(JoseError::Key("keys"))?;
        if list.len() > MAX_KEYS {
            return Err(JoseError::TooLarge("key set"));
        }
        let private = |key: &Value| PRIVATE_MEMBERS.iter().any(|name| key.get(name).is_some());
        if list.iter().any(private) {
            return Err(JoseError::Key("private or symmetric key"));
        }
        Ok(Self {
            keys: list
                .iter()
                .filter_map(|key| Jwk::from_value(key).ok())
                .collect(),
        })
    }

    /// Keys with this `kid`; an opaque comparison.
    pub fn with_kid<'a>(&'a self, kid: &'a str) -> impl Iterator<Item = &'a Jwk> {
        self.keys.iter().filter(move |key| key.kid() == Some(kid))
    }
}

impl<'de> Deserialize<'de> for Jwks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
