//! What an OpenID provider may say to whom, as rules without any IO.
//!
//! Clients, redirect URIs, scopes and the claims they select, access grants (law, art. 29), consents, the `claims`
//! parameter with its `verified_claims` constraints, PKCE, and the decision what happens next with an authorization
//! request. Invariant: nothing leaves that is not asked for, granted to the client and consented to by the person.

pub mod acr;
pub mod authorization;
pub mod claims;
pub mod client;
pub mod consent;
pub mod decision;
pub mod error;
pub mod facts;
pub mod grant;
pub mod parameters;
pub mod pkce;
pub mod redirect;
pub mod registration;
pub mod request;
pub mod scope;
pub mod selection;
pub mod subject;
pub mod text;

pub use acr::Acr;
pub use authorization::Authorization;
pub use client::{AuthMethod, Client, ClientId};
pub use consent::Consent;
pub use error::{Error, ErrorCode};
pub use grant::AccessGrant;
pub use parameters::Parameters;
pub use request::AuthorizationRequest;
pub use scope::{Scope, Scopes};
