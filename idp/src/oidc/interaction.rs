//! An authorization request on its way through sign-in and consent.
//!
//! While its person is busy it is stored under a random handle, in the same form as a pushed one, and the browser carries
//! nothing but that handle. The handle may be used until the request is answered, and the answer happens once.

use actix_web::HttpRequest;
use domain::audit::{Actor, action};
use domain::oidc::client::ClientKind;
use domain::oidc::consent::{AskedLine, asked_lines};
use domain::oidc::decision::{SignedIn, Situation, Step, next_step};
use domain::oidc::request::{NoReply, ReplyTo};
use domain::oidc::{
    AccessGrant, AuthorizationRequest, Client, ClientId, Consent, Error, ErrorCode, Parameters,
};
use domain::person::PersonFacts;
use jiff::Timestamp;
use serde_json::Value;
use store::idp::StoredRequest;

use super::failure::Failure;
use super::issue::{event, subject_of};
use super::signing;
use crate::account::{AccountError, Session, session};
use crate::app::App;

/// Begins every `request_uri` that this provider hands out (RFC 9126 §2.2).
pub(super) const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// Random octets of a handle.
pub(super) const HANDLE_OCTETS: usize = 32;
/// Parameters that prove the client and are not part of the request.
pub(super) const AUTHENTICATION_PARAMETERS: [&str; 3] =
    ["client_secret", "client_assertion", "client_assertion_type"];

/// Where a stored request is found.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    /// The secret part of the request URI.
    text: String,
    /// When a browser first came with it.
    started_at: Option<Timestamp>,
}

impl Handle {
    /// What is stored of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        super::hash(&self.text)
    }
}

/// A sound request with all that decides about it.
#[derive(Clone, Debug)]
pub(super) struct Interaction {
    /// Who asks.
    pub(super) client: Client,
    /// The permission it asks under.
    pub(super) grant: AccessGrant,
    /// What it asks.
    pub(super) request: AuthorizationRequest,
    /// Its parameters as sent, for storing.
    parameters: Parameters,
    /// Where it is stored, once it is.
    pub(super) handle: Option<Handle>,
}

/// Why a request cannot be taken up.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The answer may go nowhere: said on our own page.
    Page(&'static str),
    /// The answer goes to the client.
    Reply(Box<ReplyTo>, Error),
    /// Something failed behind.
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

/// The person at the browser.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// The session.
    pub(super) session: Session,
    /// What is known about the person.
    pub(super) facts: PersonFacts,
    /// The consent to this client that was not withdrawn.
    pub(super) consent: Option<Consent>,
}

impl Visitor {
    /// The sign-in with its levels.
    pub(super) fn signed_in(&self) -> SignedIn {
        SignedIn {
            auth_time: self.session.auth_time,
            ial: self.facts.assurance.ial(),
            aal: self.session.aal,
        }
    }
}

impl Interaction {
    /// Takes up the request of an authorization endpoint call.
    pub(super) async fn open(app: &App, parameters: Parameters) -> Result<Self, Refusal> {
        let id = parameters
            .find("client_id")
            .and_then(|id| ClientId::parse(id).ok())
            .ok_or(Refusal::Page("oidc-error-client"))?;
        let now = app.sources.now();
        let wanted = id.clone();
        let (client, grant) = app
            .store
            .read(move |r| Ok((r.find_client(&wanted)?, r.find_access_grant(&wanted, now)?)))
            .await?;
        let client = client
            .filter(|client| client.enabled && client.kind == ClientKind::Web)
            .ok_or(Refusal::Page("oidc-error-client"))?;
        let (parameters, handle) = match parameters.find("request_uri") {
            Some(uri) => {
                let handle = uri
                    .strip_prefix(REQUEST_URI_PREFIX)
                    .ok_or(Refusal::Page("oidc-error-request-uri"))?;
                load(app, &client, handle, now).await?
            }
            None => (parameters, None),
        };
        let reply_to = ReplyTo::find(&parameters, &client).map_err(|no_reply| match no_reply {
            NoReply::RedirectUriMissing => Refusal::Page("oidc-error-redirect-missing"),
            _ => Refusal::Page("oidc-error-redirect"),
        })?;
        let refuse = |error| Refusal::Reply(Box::new(reply_to.clone()), error);
        if handle.is_none() && client.require_par {
            return Err(refuse(Error::invalid_request(
                "this client must push its requests",
            )));
        }
        let grant = grant.ok_or_else(|| {
            refuse(Error::new(
                ErrorCode::UnauthorizedClient,
                "no access grant is in force",
            ))
        })?;
        let request = AuthorizationRequest::parse(&parameters, &client, &grant, reply_to.clone())
            .map_err(refuse)?;
        Ok(Self {
            client,
            grant,
            request,
            parameters,
            handle,
        })
    }

    /// Takes up a stored request again, from the two fields that a page of ours carries.
    pub(super) async fn resume(
        app: &App,
        client_id: &str,
        request_uri: &str,
    ) -> Result<Self, Refusal> {
        let pairs = [("client_id", client_id), ("request_uri", request_uri)];
        Self::open(app, Parameters::from_pairs(pairs)).await
    }

    /// The lines of the grant that the request asks for.
    pub(super) fn asked(&self) -> Vec<AskedLine> {
        asked_lines(&self.request, &self.grant)
    }

    /// The query with which a page of ours finds the request again; empty before it is stored.
    pub(super) fn query(&self) -> String {
        let uri = self.request_uri();
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", self.client.id.as_str())
            .append_pair("request_uri", &uri)
            .finish()
    }

    /// The request URI; empty before it is stored.
    pub(super) fn request_uri(&self) -> String {
        self.handle
            .as_ref()
            .map_or_else(String::new, |h| format!("{REQUEST_URI_PREFIX}{}", h.text))
    }

    /// Stores the request, or notes that its browser came; both once.
    pub(super) async fn keep(&mut self, http: &HttpRequest, app: &App) -> Result<(), Failure> {
        let now = app.sources.now();
        let expires_at = app.config.oidc.interaction_end(now);
        let object = format!("client:{}", self.client.id);
        let event = event(
            app,
            Some(http),
            Actor::Anonymous,
            action::IDP_REQUEST_STARTED,
            object,
        );
        match &mut self.handle {
            Some(handle) if handle.started_at.is_some() => {}
            Some(handle) => {
                let hash = handle.hash();
                app.store
                    .write(event, move |w| {
                        w.start_authorization_request(&hash, now, expires_at)
                    })
                    .await?;
                handle.started_at = Some(now);
            }
            None => {
                let text = app.sources.token(HANDLE_OCTETS);
                let hash = super::hash(&text);
                let stored = StoredRequest {
                    client_id: self.client.id.clone(),
                    parameters: self.parameters.clone(),
                    started_at: Some(now),
                    expires_at,
                    finished: false,
                };
                app.store
                    .write(event, move |w| {
                        w.insert_authorization_request(&hash, &stored, now)
                    })
                    .await?;
                self.handle = Some(Handle {
                    text,
                    started_at: Some(now),
                });
            }
        }
        Ok(())
    }

    /// Who is at the browser, if it is whom the client expects.
    ///
    /// `Ok(None)`: nobody, or somebody whom the state knows no identity of (staff without a person's record is refused
    /// with an error instead).
    pub(super) async fn visitor(
        &self,
        http: &HttpRequest,
        app: &App,
    ) -> Result<Option<Visitor>, Failure> {
        let Some(session) = session::current(http, app).await? else {
            return Ok(None);
        };
        let facts = match crate::apply::facts::load(app, session.person).await {
            Ok(facts) => facts,
            Err(AccountError::Store(store::StoreError::NotFound)) => {
                return Err(Error::new(
                    ErrorCode::AccessDenied,
                    "the account has no verified identity",
                )
                .into());
            }
            Err(error) => return Err(error.into()),
        };
        if !self.is_expected(app, &session).await? {
            return Ok(None);
        }
        let (person, client) = (session.person, self.client.id.clone());
        let consent = app
            .store
            .read(move |r| r.find_consent(person, &client))
            .await?;
        Ok(Some(Visitor {
            session,
            facts,
            consent,
        }))
    }

    /// Whether the session belongs to the person named by `id_token_hint` or the `sub` claim, where one is.
    async fn is_expected(&self, app: &App, session: &Session) -> Result<bool, Failure> {
        let mut expected: Vec<String> = self
            .request
            .claims
            .required_subject()
            .map(str::to_owned)
            .into_iter()
            .collect();
        if let Some(hint) = &self.request.id_token_hint {
            let claims = signing::verify_own(app, signing::ID_TOKEN, hint).map_err(|_| {
                Error::invalid_request("id_token_hint is not a token of this provider")
            })?;
            expected.extend(claims.get("sub").and_then(Value::as_str).map(str::to_owned));
        }
        if expected.is_empty() {
            return Ok(true);
        }
        let subject = subject_of(app, &self.client, session.person).await?;
        Ok(expected.iter().all(|sub| *sub == subject))
    }

    /// The next step, as the rules have it. `consent_given_now`: the person pressed "share" for this very request.
    pub(super) fn next(
        &self,
        app: &App,
        visitor: Option<&Visitor>,
        consent_given_now: bool,
    ) -> Step {
        let now = app.sources.now();
        let asked = self.asked();
        let consent_answers = consent_given_now
            || visitor
                .and_then(|v| v.consent.as_ref())
                .is_some_and(|consent| {
                    consent.is_in_force(&self.grant, now) && consent.answers(&asked)
                });
        next_step(
            &self.request,
            &Situation {
                started_at: self.handle.as_ref().and_then(|handle| handle.started_at),
                signed_in: visitor.map(Visitor::signed_in),
                consent_answers,
                consent_given_now,
                now,
            },
        )
    }
}

/// A stored request of this client that is still open.
async fn load(
    app: &App,
    client: &Client,
    handle: &str,
    now: Timestamp,
) -> Result<(Parameters, Option<Handle>), Refusal> {
    let hash = super::hash(handle);
    let stored = app
        .store
        .read(move |r| r.find_authorization_request(&hash))
        .await?;
    let stored = stored
        .filter(|stored| stored.client_id == client.id)
        .ok_or(Refusal::Page("oidc-error-request-uri"))?;
    if stored.finished || stored.expires_at <= now {
        return Err(Refusal::Page("oidc-error-expired"));
    }
    let handle = Handle {
        text: handle.to_owned(),
        started_at: stored.started_at,
    };
    Ok((stored.parameters, Some(handle)))
}
