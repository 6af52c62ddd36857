//! An authorization request, read from its parameters (OpenID Connect Core §3.1.2.1, RFC 6749 §4.1.1).
//!
//! Reading has two steps: [`ReplyTo`] finds out where an answer may go at all; only when that is known may an error be
//! sent to the client instead of being shown on the provider's own page.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::acr::AcrDemand;
use super::claims::ClaimsRequest;
use super::client::Client;
use super::error::{Error, ErrorCode};
use super::grant::AccessGrant;
use super::parameters::Parameters;
use super::pkce::CodeChallenge;
use super::redirect::RedirectUri;
use super::scope::{Scope, Scopes};

/// Longest `state`, which the client gets back as it is.
pub const MAX_STATE_LENGTH: usize = 2048;
/// Longest `nonce`, which the ID token carries.
pub const MAX_NONCE_LENGTH: usize = 512;
const MAX_HINT_LENGTH: usize = 256;
const MAX_UI_LOCALES_LENGTH: usize = 128;

/// How the answer travels (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In a form that the browser posts.
    FormPost,
}

/// Where the answer to a request may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The registered URI that the request names.
    pub redirect_uri: RedirectUri,
    /// Goes back as it came.
    pub state: Option<String>,
    /// How the answer travels.
    pub response_mode: ResponseMode,
}

/// A request whose answer may go nowhere: it is shown on the provider's own page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoReply {
    /// `redirect_uri` is absent or stands more than once.
    #[error("redirect_uri is missing or repeated")]
    RedirectUriMissing,
    /// `redirect_uri` is not registered for the client.
    #[error("redirect_uri is not registered for this client")]
    RedirectUriUnknown,
}

impl ReplyTo {
    /// Finds the registered redirect URI of a request. A malformed `state` or `response_mode` does not travel back.
    pub fn find(parameters: &Parameters, client: &Client) -> Result<Self, NoReply> {
        let requested = parameters
            .find("redirect_uri")
            .ok_or(NoReply::RedirectUriMissing)?;
        let redirect_uri = client
            .find_redirect_uri(requested)
            .ok_or(NoReply::RedirectUriUnknown)?;
        let response_mode = match parameters.find("response_mode") {
            Some("form_post") => ResponseMode::FormPost,
            _ => ResponseMode::Query,
        };
        Ok(Self {
            redirect_uri: redirect_uri.clone(),
            state: parameters
                .find("state")
                .filter(|state| state.len() <= MAX_STATE_LENGTH)
                .map(str::to_owned),
            response_mode,
        })
    }
}

/// What `prompt` asks for (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Show no page.
    pub none: bool,
    /// Sign in again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
}

impl Prompt {
    fn parse(text: Option<&str>) -> Result<Self, Error> {
        let mut prompt = Self::default();
        for word in text
            .unwrap_or_default()
            .split(' ')
            .filter(|w| !w.is_empty())
        {
            match word {
                "none" => prompt.none = true,
                // One session holds one account: to select another is to sign in again.
                "login" | "select_account" => prompt.login = true,
                "consent" => prompt.consent = true,
                _ => return Err(Error::invalid_request("prompt has an unknown value")),
            }
        }
        if prompt.none && (prompt.login || prompt.consent) {
            return Err(Error::invalid_request("prompt=none stands alone"));
        }
        Ok(prompt)
    }
}

/// A request that is sound in itself and allowed by the client's grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub reply_to: ReplyTo,
    /// Scopes asked for; all are in the grant.
    pub scopes: Scopes,
    /// Goes into the ID token.
    pub nonce: Option<String>,
    /// Which verifier redeems the code.
    pub code_challenge: CodeChallenge,
    /// Which pages must or must not be shown.
    pub prompt: Prompt,
    /// How long ago the person may have signed in, in seconds.
    pub max_age: Option<i64>,
    /// Who the client thinks the person is.
    pub login_hint: Option<String>,
    /// Languages, best first, as sent.
    pub ui_locales: Option<String>,
    /// The level asked for.
    pub acr: AcrDemand,
    /// Claims asked for by name.
    pub claims: ClaimsRequest,
    /// An ID token that says who should be signed in.
    pub id_token_hint: Option<String>,
    /// Resource servers that the access token is for (RFC 8707).
    pub resources: BTreeSet<String>,
}

impl AuthorizationRequest {
    /// Reads a request whose `reply_to` is known; every error may go to the client.
    pub fn parse(
        parameters: &Parameters,
        client: &Client,
        grant: &AccessGrant,
        reply_to: ReplyTo,
    ) -> Result<Self, Error> {
        parameters.check_unique()?;
        refuse_unsupported(parameters)?;
        check_lengths(parameters)?;
        let scopes = parse_scopes(parameters.find("scope"), grant)?;
        let claims = parameters
            .find("claims")
            .map(ClaimsRequest::parse)
            .transpose()?
            .unwrap_or_default();
        let resources: BTreeSet<String> = parameters.list("resource").iter().cloned().collect();
        if !resources.is_subset(&client.resources) {
            return Err(Error::new(
                ErrorCode::InvalidTarget,
                "the client may not ask for this resource",
            ));
        }
        Ok(Self {
            reply_to,
            scopes,
            nonce: parameters.find("nonce").map(str::to_owned),
            code_challenge: CodeChallenge::parse(
                parameters.find("code_challenge"),
                parameters.find("code_challenge_method"),
            )?,
            prompt: Prompt::parse(parameters.find("prompt"))?,
            max_age: parse_max_age(parameters.find("max_age"))?,
            login_hint: parameters.find("login_hint").map(str::to_owned),
            ui_locales: parameters.find("ui_locales").map(str::to_owned),
            acr: acr_demand(parameters.find("acr_values"), &claims)?,
            claims,
            id_token_hint: parameters.find("id_token_hint").map(str::to_owned),
            resources,
        })
    }
}

fn refuse_unsupported(parameters: &Parameters) -> Result<(), Error> {
    if parameters.contains("request") {
        return Err(Error::new(
            ErrorCode::RequestNotSupported,
            "request objects are not supported",
        ));
    }
    if parameters.contains("registration") {
        return Err(Error::new(
            ErrorCode::RegistrationNotSupported,
            "the registration parameter is not supported",
        ));
    }
    match parameters.find("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(Error::new(
                ErrorCode::UnsupportedResponseType,
                "response_type must be code",
            ));
        }
        None => return Err(Error::invalid_request("response_type is required")),
    }
    match parameters.find("response_mode") {
        None | Some("query" | "form_post") => Ok(()),
        Some(_) => Err(Error::invalid_request(
            "response_mode must be query or form_post",
        )),
    }
}

fn check_lengths(parameters: &Parameters) -> Result<(), Error> {
    for (name, limit) in [
        ("state", MAX_STATE_LENGTH),
        ("nonce", MAX_NONCE_LENGTH),
        ("login_hint", MAX_HINT_LENGTH),
        ("ui_locales", MAX_UI_LOCALES_LENGTH),
    ] {
        if parameters.find(name).is_some_and(|v| v.len() > limit) {
            return Err(Error::invalid_request(format!("{name} is too long")));
        }
    }
    Ok(())
}

fn parse_scopes(text: Option<&str>, grant: &AccessGrant) -> Result<Scopes, Error> {
    let scopes = Scopes::parse_known(text.unwrap_or_default());
    if !scopes.contains(Scope::OpenId) {
        return Err(Error::new(
            ErrorCode::InvalidScope,
            "scope must contain openid",
        ));
    }
    if !scopes.is_subset(&grant.scopes()) {
        return Err(Error::new(
            ErrorCode::InvalidScope,
            "the access grant does not cover a scope",
        ));
    }
    Ok(scopes)
}

fn parse_max_age(text: Option<&str>) -> Result<Option<i64>, Error> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(seconds) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(i64::from(seconds))),
        _ => Err(Error::invalid_request("max_age is not a number of seconds")),
    }
}

/// The stricter of `acr_values` (voluntary) and the `acr` claim request.
fn acr_demand(acr_values: Option<&str>, claims: &ClaimsRequest) -> Result<AcrDemand, Error> {
    let by_claim = claims.acr_demand()?;
    if by_claim.at_least.is_some() {
        return Ok(by_claim);
    }
    let values = acr_values.unwrap_or_default().split(' ');
    Ok(AcrDemand::from_values(values, false).unwrap_or_default())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
