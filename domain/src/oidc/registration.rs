//! The file with which an administrator registers a client and its access grant, and the checks on it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pki::jose::Jwks;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::{AuthMethod, Client, ClientId, ClientIdError, ClientKind};
use super::grant::{AccessGrant, GrantError, GrantLine};
use super::redirect::{RedirectUri, RedirectUriError};
use super::scope::Scope;
use super::text::Bilingual;

const MAX_NAME: usize = 120;
const MAX_MARK: usize = 6;

/// A registration as written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The client's id.
    pub id: String,
    /// Web service (default) or machine.
    #[serde(default = "web")]
    pub kind: ClientKind,
    /// The service's name as persons read it.
    pub name: Bilingual,
    /// The organisation behind it.
    pub organization: Bilingual,
    /// Up to six letters shown where a logo would be.
    pub mark: String,
    /// Home page.
    pub uri: Option<String>,
    /// How the client authenticates.
    pub auth_method: AuthMethod,
    /// Public keys (JWK set) for `private_key_jwt`.
    pub jwks: Option<serde_json::Value>,
    /// Redirect URIs.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Redirect URIs after logout.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Sector for pairwise identifiers; taken from the redirect URIs when absent.
    pub sector: Option<String>,
    /// Whether requests must be pushed; they must by default.
    #[serde(default = "yes")]
    pub require_par: bool,
    /// Whether a client without authentication is accepted; it is not by default.
    #[serde(default)]
    pub allow_public: bool,
    /// Scopes of a machine.
    #[serde(default)]
    pub machine_scopes: BTreeSet<String>,
    /// Resource servers its tokens may be for.
    #[serde(default)]
    pub resources: BTreeSet<String>,
    /// Whether it may introspect tokens.
    #[serde(default)]
    pub may_introspect: bool,
    /// The access grant; a web service needs one.
    pub grant: Option<GrantForm>,
}

fn web() -> ClientKind {
    ClientKind::Web
}

fn yes() -> bool {
    true
}

/// A grant as written down; its id is minted when it is recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantForm {
    /// The number under which the deed is filed.
    pub number: String,
    /// The ministry that applied.
    pub applicant: Bilingual,
    /// The authority that granted.
    pub granted_by: Bilingual,
    /// Legal basis.
    pub legal_basis: Bilingual,
    /// Reasons.
    pub reason: Bilingual,
    /// From when it holds; from its recording when absent.
    pub not_before: Option<Timestamp>,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// Days for which the data may be kept.
    pub retention_days: Option<u16>,
    /// The lines.
    pub data: Vec<LineForm>,
}

/// A line of a grant as written down; without `claims` it covers all of its scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineForm {
    /// Name of the line.
    pub id: String,
    /// Its scope.
    pub scope: Scope,
    /// Its claims.
    pub claims: Option<BTreeSet<String>>,
    /// Whether the service works only with it.
    #[serde(default = "yes")]
    pub required: bool,
    /// What it is for.
    pub purpose: Bilingual,
}

/// Why a registration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The id is malformed.
    #[error(transparent)]
    Id(#[from] ClientIdError),
    /// A redirect URI cannot be registered.
    #[error("{uri}: {cause}")]
    RedirectUri {
        /// The URI as written.
        uri: String,
        /// What is wrong with it.
        cause: RedirectUriError,
    },
    /// The grant cannot be recorded.
    #[error("grant: {0}")]
    Grant(#[from] GrantError),
    /// Anything else.
    #[error("{0}")]
    Rule(&'static str),
}

impl Registration {
    /// The client and grant of a registration, checked; `grant_id` is minted by the caller.
    pub fn check(
        self,
        grant_id: Uuid,
        now: Timestamp,
    ) -> Result<(Client, Option<AccessGrant>), RegistrationError> {
        let id = ClientId::parse(&self.id)?;
        self.check_texts()?;
        self.check_authentication()?;
        let redirect_uris = parse_uris(&self.redirect_uris)?;
        let post_logout_redirect_uris = parse_uris(&self.post_logout_redirect_uris)?;
        self.check_kind(&redirect_uris)?;
        let sector = self.find_sector(&id, &redirect_uris)?;
        let grant = self.grant.map(|form| form.into_grant(grant_id, &id, now));
        if let Some(grant) = &grant {
            grant.check()?;
        }
        let client = Client {
            id,
            kind: self.kind,
            name: self.name,
            organization: self.organization,
            mark: self.mark,
            uri: self.uri,
            auth_method: self.auth_method,
            jwks: self.jwks,
            redirect_uris,
            post_logout_redirect_uris,
            sector,
            require_par: self.require_par,
            machine_scopes: self.machine_scopes,
            resources: self.resources,
            may_introspect: self.may_introspect,
            enabled: true,
        };
        Ok((client, grant))
    }

    fn check_texts(&self) -> Result<(), RegistrationError> {
        if !self.name.is_presentable(MAX_NAME) || !self.organization.is_presentable(MAX_NAME) {
            return Err(RegistrationError::Rule(
                "name and organization must be given in Khmer and in English",
            ));
        }
        let mark = self.mark.chars();
        if self.mark.is_empty()
            || mark.clone().count() > MAX_MARK
            || !mark.clone().all(char::is_alphanumeric)
        {
            return Err(RegistrationError::Rule("mark must be one to six letters"));
        }
        let uri_is_web = self
            .uri
            .as_deref()
            .is_none_or(|uri| uri.starts_with("https://") || RedirectUri::parse(uri).is_ok());
        if !uri_is_web {
            return Err(RegistrationError::Rule("uri must begin with https://"));
        }
        Ok(())
    }

    fn check_authentication(&self) -> Result<(), RegistrationError> {
        match self.auth_method {
            AuthMethod::PrivateKeyJwt => {
                let keys = self
                    .jwks
                    .as_ref()
                    .and_then(|jwks| Jwks::from_value(jwks).ok())
                    .filter(|jwks| !jwks.keys.is_empty());
                if keys.is_none() {
                    return Err(RegistrationError::Rule(
                        "private_key_jwt needs jwks with at least one public key",
                    ));
                }
            }
            AuthMethod::None if !self.allow_public || self.kind == ClientKind::Machine => {
                return Err(RegistrationError::Rule(
                    "a client without authentication is accepted only as web client with allow_public = true",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_kind(&self, redirect_uris: &[RedirectUri]) -> Result<(), RegistrationError> {
        let sound = match self.kind {
            ClientKind::Web => {
                !redirect_uris.is_empty() && self.grant.is_some() && self.machine_scopes.is_empty()
            }
            ClientKind::Machine => redirect_uris.is_empty() && self.grant.is_none(),
        };
        if !sound {
            return Err(RegistrationError::Rule(
                "a web client has redirect_uris and a grant; a machine has neither, but machine_scopes",
            ));
        }
        let scope_like = |scope: &String| {
            !scope.is_empty()
                && scope.parse::<Scope>().is_err()
                && scope
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
        };
        if !self.machine_scopes.iter().all(scope_like) {
            return Err(RegistrationError::Rule(
                "machine_scopes must be names other than the scopes of persons",
            ));
        }
        let absolute =
            |text: &String| url::Url::parse(text).is_ok_and(|url| url.fragment().is_none());
        if !self.resources.iter().all(absolute) {
            return Err(RegistrationError::Rule("resources must be absolute URIs"));
        }
        Ok(())
    }

    /// The sector given, else the one host of all redirect URIs (OpenID Connect Core §8.1). A loopback host names no
    /// organisation, so there the client id takes its place.
    fn find_sector(
        &self,
        id: &ClientId,
        redirect_uris: &[RedirectUri],
    ) -> Result<String, RegistrationError> {
        if let Some(sector) = &self.sector {
            let host_like = !sector.is_empty()
                && sector
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
            return if host_like {
                Ok(sector.clone())
            } else {
                Err(RegistrationError::Rule(
                    "sector must be a host name in lower case",
                ))
            };
        }
        let hosts: BTreeSet<&str> = redirect_uris.iter().map(RedirectUri::host).collect();
        if redirect_uris.iter().all(RedirectUri::is_on_loopback) {
            return Ok(format!("{id}.client.invalid"));
        }
        match (hosts.len(), hosts.first()) {
            (1, Some(host)) => Ok((*host).to_owned()),
            _ => Err(RegistrationError::Rule(
                "sector must be given when redirect_uris have several hosts",
            )),
        }
    }
}

impl GrantForm {
    fn into_grant(self, id: Uuid, client_id: &ClientId, now: Timestamp) -> AccessGrant {
        AccessGrant {
            id,
            number: self.number,
            client_id: client_id.clone(),
            applicant: self.applicant,
            granted_by: self.granted_by,
            legal_basis: self.legal_basis,
            reason: self.reason,
            data: self.data.into_iter().map(LineForm::into_line).collect(),
            not_before: self.not_before.unwrap_or(now),
            not_after: self.not_after,
            retention_days: self.retention_days,
        }
    }
}

impl LineForm {
    fn into_line(self) -> GrantLine {
        let scope = self.scope;
        GrantLine {
            id: self.id,
            scope,
            claims: self
                .claims
                .unwrap_or_else(|| scope.claims().iter().map(|&c| c.to_owned()).collect()),
            required: self.required,
            purpose: self.purpose,
        }
    }
}

fn parse_uris(texts: &[String]) -> Result<Vec<RedirectUri>, RegistrationError> {
    texts
        .iter()
        .map(|text| {
            RedirectUri::parse(text).map_err(|cause| RegistrationError::RedirectUri {
                uri: text.clone(),
                cause,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
