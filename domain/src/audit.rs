//! Audit events: what happened, to what, by whom.
//!
//! An event is written in the same transaction as the change it describes. `detail` carries facts of the act
//! (counts, reasons, serial numbers), never personal data: the log outlives an erased person.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub mod action;

/// Who acted, as far as the service itself established it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// The service itself: a timer, a start-up step, a follower.
    System {
        /// Name of the service, as in `ca`.
        service: String,
    },
    /// Another service that proved its name.
    Service {
        /// The proven name.
        name: String,
    },
    /// A signed-in citizen.
    Person {
        /// The person's subject identifier.
        id: Uuid,
    },
    /// A signed-in member of staff, acting in one of their roles.
    Staff {
        /// The account.
        id: Uuid,
        /// The role acted in.
        role: String,
    },
    /// A registered relying party.
    Client {
        /// The client identifier.
        id: String,
    },
    /// Somebody who has not (yet) proven who they are.
    Anonymous,
}

impl Actor {
    /// The service itself as actor.
    pub fn system(service: impl Into<String>) -> Self {
        Self::System {
            service: service.into(),
        }
    }

    /// Another service as actor; `name` must have been proven by the caller.
    pub fn service(name: impl Into<String>) -> Self {
        Self::Service { name: name.into() }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { service } => write!(f, "system:{service}"),
            Self::Service { name } => write!(f, "service:{name}"),
            Self::Person { id } => write!(f, "person:{id}"),
            Self::Staff { id, role } => write!(f, "staff:{id}:{role}"),
            Self::Client { id } => write!(f, "client:{id}"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// One entry of the audit log before it got its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEvent {
    /// Identifier of the event (UUIDv7).
    pub id: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// Who acted.
    pub actor: Actor,
    /// What was done: one of the names in [`action`].
    pub action: &'static str,
    /// What it was done to, as `kind:identifier`.
    pub object: String,
    /// The request it was done in, for finding the log lines that belong to it.
    pub request_id: Option<String>,
    /// Facts of the act; never personal data.
    pub detail: serde_json::Value,
}

impl AuditEvent {
    /// An event without request and detail; add them with [`Self::with_request`] and [`Self::with_detail`].
    pub fn new(
        id: Uuid,
        at: Timestamp,
        actor: Actor,
        action: &'static str,
        object: impl Into<String>,
    ) -> Self {
        Self {
            id,
            at,
            actor,
            action,
            object: object.into(),
            request_id: None,
            detail: serde_json::Value::Object(serde_json::Map::new()),
        }
    }

    /// Names the request the act was part of.
    #[must_use]
    pub fn with_request(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Adds the facts of the act; never personal data.
    #[must_use]
    pub fn with_detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}
