//! Registered clients: ministries' services and machines.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::redirect::RedirectUri;
use super::text::Bilingual;

const MAX_ID_LENGTH: usize = 64;

/// A `client_id`: lower-case letters, digits, `-`, `_` and `.`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

/// The text is not a client id of this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client id has 1 to 64 lower-case letters, digits, '-', '_' or '.'")]
pub struct ClientIdError;

impl ClientId {
    /// Parses a client id.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        let well_formed = !text.is_empty()
            && text.len() <= MAX_ID_LENGTH
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClientIdError)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientId {
    type Error = ClientIdError;
    fn try_from(text: String) -> Result<Self, ClientIdError> {
        Self::parse(&text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

/// How a client proves who it is (`token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// RFC 7523 §2.2 with a key of the client.
    PrivateKeyJwt,
    /// RFC 6749 §2.3.1, HTTP Basic.
    ClientSecretBasic,
    /// RFC 6749 §2.3.1, in the body.
    ClientSecretPost,
    /// A public client: PKCE alone.
    None,
}

impl AuthMethod {
    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }

    /// Whether the method rests on a shared secret.
    pub fn uses_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// What kind of party a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// A service that persons log in to: authorization code flow.
    Web,
    /// A program that acts for itself: client credentials (RFC 6749 §4.4).
    Machine,
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Web service or machine.
    pub kind: ClientKind,
    /// The name that persons read.
    pub name: Bilingual,
    /// The organisation behind it.
    pub organization: Bilingual,
    /// A few letters shown where a logo would be.
    pub mark: String,
    /// Home page.
    pub uri: Option<String>,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Its public keys (RFC 7517 set) for `private_key_jwt`.
    pub jwks: Option<serde_json::Value>,
    /// Where answers may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where the browser may go after logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// The sector under which persons get their `sub`; a host name.
    pub sector: String,
    /// Whether requests must be pushed (RFC 9126 §5, `require_pushed_authorization_requests`).
    pub require_par: bool,
    /// For machines: the scopes they may ask for.
    pub machine_scopes: BTreeSet<String>,
    /// Resource servers that its access tokens may be for (RFC 8707); without any, the provider itself.
    pub resources: BTreeSet<String>,
    /// Whether it may ask about tokens that are not its own (RFC 7662): a resource server.
    pub may_introspect: bool,
    /// A disabled client is treated as unknown.
    pub enabled: bool,
}

impl Client {
    /// The registered redirect URI that a request names byte for byte.
    pub fn find_redirect_uri(&self, requested: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|uri| uri.matches(requested))
    }

    /// The registered logout redirect URI that a request names byte for byte.
    pub fn find_post_logout_redirect_uri(&self, requested: &str) -> Option<&RedirectUri> {
        self.post_logout_redirect_uris
            .iter()
            .find(|uri| uri.matches(requested))
    }

    /// The host that persons see beside the name: that of the home page, else that of the first redirect URI.
    pub fn display_host(&self) -> String {
        self.uri
            .as_deref()
            .and_then(|uri| url::Url::parse(uri).ok())
            .and_then(|url| url.host_str().map(str::to_owned))
            .or_else(|| self.redirect_uris.first().map(|uri| uri.host().to_owned()))
            .unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::oidc::grant::tests::bilingual;

    pub(crate) fn client() -> Client {
        Client {
            id: ClientId::parse("gdt").unwrap(),
            kind: ClientKind::Web,
            name: bilingual("Tax"),
            organization: bilingual("General Department of Taxation"),
            mark: "GDT".to_owned(),
            uri: Some("https://tax.gov.kh/".to_owned()),
            auth_method: AuthMethod::ClientSecretBasic,
            jwks: None,
            redirect_uris: vec![RedirectUri::parse("https://tax.gov.kh/callback").unwrap()],
            post_logout_redirect_uris: vec![],
            sector: "tax.gov.kh".to_owned(),
            require_par: true,
            machine_scopes: BTreeSet::new(),
            resources: BTreeSet::new(),
            may_introspect: false,
            enabled: true,
        }
    }

    #[test]
    fn client_ids() {
        assert!(ClientId::parse("gdt-portal.test_1").is_ok());
        for bad in ["", "GDT", "a b", "a/b", "ក", &"a".repeat(65)] {
            assert!(ClientId::parse(bad).is_err(), "{bad}");
        }
    }
}
