//! Parameters of an OAuth request, read as RFC 6749 §3.1 says: repeated ones are refused, empty ones are absent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::error::Error;

/// Longest body or query that is read as parameters, in bytes.
pub const MAX_ENCODED_LENGTH: usize = 32 * 1024;
/// Most parameters in one request.
pub const MAX_PARAMETERS: usize = 64;

/// The parameter that RFC 8707 §2 allows more than once.
const REPEATABLE: &str = "resource";

/// Decoded parameters of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    values: BTreeMap<String, Vec<String>>,
}

impl Parameters {
    /// Decodes `application/x-www-form-urlencoded` text.
    ///
    /// Repetition is not refused here, so that an answer can still find its way to the client; see [`Self::check_unique`].
    pub fn parse(encoded: &str) -> Result<Self, Error> {
        if encoded.len() > MAX_ENCODED_LENGTH {
            return Err(Error::invalid_request("the request is too long"));
        }
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (count, (name, value)) in form_urlencoded::parse(encoded.as_bytes()).enumerate() {
            if count >= MAX_PARAMETERS {
                return Err(Error::invalid_request("too many parameters"));
            }
            if !value.is_empty() {
                values
                    .entry(name.into_owned())
                    .or_default()
                    .push(value.into_owned());
            }
        }
        Ok(Self { values })
    }

    /// Parameters from name and value pairs, for requests that the provider builds itself.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            values.entry(name.into()).or_default().push(value.into());
        }
        Self { values }
    }

    /// Refuses a request in which a parameter stands more than once (RFC 6749 §3.1); `resource` may (RFC 8707 §2).
    pub fn check_unique(&self) -> Result<(), Error> {
        match self.repeated().into_iter().next() {
            Some(name) => Err(Error::invalid_request(format!(
                "parameter {name} is repeated"
            ))),
            None => Ok(()),
        }
    }

    /// The value of a parameter that stands exactly once; `None` when absent or repeated.
    pub fn find(&self, name: &str) -> Option<&str> {
        match self.values.get(name).map(Vec::as_slice) {
            Some([value]) => Some(value),
            _ => None,
        }
    }

    /// All values of a repeatable parameter.
    pub fn list(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether the parameter is present at all.
    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The same parameters without those named: secrets are dropped before a request is stored.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.values
            .retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    fn repeated(&self) -> BTreeSet<&str> {
        self.values
            .iter()
            .filter(|(name, values)| values.len() > 1 && name.as_str() != REPEATABLE)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repetition_is_refused_except_for_resource() {
        let twice = Parameters::parse("client_id=a&client_id=b&scope=openid").unwrap();
        assert!(twice.check_unique().is_err());
        assert_eq!(twice.find("client_id"), None);
        assert_eq!(twice.find("scope"), Some("openid"));
        let resources =
            Parameters::parse("resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb").unwrap();
        assert!(resources.check_unique().is_ok());
        assert_eq!(resources.list("resource").len(), 2);
    }

    #[test]
    fn empty_is_absent() {
        let parameters = Parameters::parse("state=&nonce=n").unwrap();
        assert!(!parameters.contains("state"));
        assert_eq!(parameters.find("nonce"), Some("n"));
    }

    #[test]
    fn size_is_bounded() {
        assert!(Parameters::parse(&"a".repeat(MAX_ENCODED_LENGTH + 1)).is_err());
        let many = (0..=MAX_PARAMETERS)
            .map(|i| format!("p{i}=1"))
            .collect::<Vec<_>>()
            .join("&");
        assert!(Parameters::parse(&many).is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_without_panic(text in "\\PC{0,300}") {
            let _ = Parameters::parse(&text);
        }

        #[test]
        fn pairs_survive_encoding(pairs in proptest::collection::btree_map("[a-z_]{1,10}", "\\PC{1,20}", 0..10)) {
            let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let parsed = Parameters::parse(&encoded).unwrap();
            prop_assert!(parsed.check_unique().is_ok());
            for (name, value) in &pairs {
                prop_assert_eq!(parsed.find(name), Some(value.as_str()));
            }
        }
    }
}
