//! Where to go after signing in: a path on this service, never another site.

use std::fmt;

use url::Url;

/// Longest accepted path with its query.
const LENGTH_MAX: usize = 4096;
/// An origin that stands for ours while a path is judged.
const PROBE: &str = "https://self.invalid";
/// Pages that would lead back into signing in.
const LOOPS: [&str; 2] = ["/sign-in", "/sign-out"];

/// A relative reference that resolves to our own origin whatever a browser makes of it (RFC 3986 §4.2, WHATWG URL).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

/// The text could lead to another site or back into signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path on this service")]
pub struct ForeignTarget;

impl ReturnTo {
    /// The account page, where people land when they came from nowhere.
    pub fn account() -> Self {
        Self("/account".to_owned())
    }

    /// Accepts an absolute path with optional query on our own origin.
    pub fn parse(text: &str) -> Result<Self, ForeignTarget> {
        let mut characters = text.chars();
        let first = characters.next();
        let second = characters.next();
        let plain = text
            .chars()
            .all(|c| c.is_ascii_graphic() && c != '\\' && c != '#');
        let rooted = first == Some('/') && second != Some('/');
        if !plain || !rooted || text.len() > LENGTH_MAX {
            return Err(ForeignTarget);
        }
        let base = Url::parse(PROBE).map_err(|_| ForeignTarget)?;
        let joined = base.join(text).map_err(|_| ForeignTarget)?;
        let loops = LOOPS.iter().any(|page| {
            joined
                .path()
                .strip_prefix(page)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if joined.origin() != base.origin() || joined.path().starts_with("//") || loops {
            return Err(ForeignTarget);
        }
        Ok(Self(text.to_owned()))
    }

    /// The path with its query, fit for a `Location` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn own_paths_pass() {
        for text in [
            "/account",
            "/",
            "/authorize?client_id=a&request_uri=urn%3Ax",
            "/desk/cases/1?x=//y",
            "/%2f%2fevil.kh",
        ] {
            assert_eq!(ReturnTo::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_sites_and_loops_do_not() {
        for text in [
            "",
            "account",
            "https://evil.kh",
            "//evil.kh",
            "/\\evil.kh",
            "\\\\evil.kh",
            "/\t/evil.kh",
            "/\n/evil.kh",
            " /account",
            "/./../..//evil.kh",
            "/.//evil.kh",
            "javascript:alert(1)",
            "/sign-in",
            "/sign-in?return_to=/",
            "/sign-out",
            "/x/../sign-in",
            "/%E2%80%A8\u{2028}",
            "/account#x",
            "?x",
        ] {
            assert_eq!(ReturnTo::parse(text), Err(ForeignTarget), "{text:?}");
        }
        assert!(ReturnTo::parse(&format!("/{}", "a".repeat(LENGTH_MAX))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_passes_stays_on_the_origin(text in "[/\\\\.:@%a-z0-9?#\t ]{0,24}") {
            if let Ok(target) = ReturnTo::parse(&text) {
                let base = Url::parse("https://id.example.kh/sign-in").unwrap();
                let joined = base.join(target.as_str()).unwrap();
                prop_assert_eq!(joined.origin(), base.origin());
                prop_assert!(!joined.path().starts_with("//"));
            }
        }
    }
}
