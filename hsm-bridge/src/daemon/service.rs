//! One request of one caller: label, policy, token, audit, reply, in this order.

use std::time::{Duration, Instant};

use super::audit::{self, Audit, Record};
use super::policy::{Operation, Policy};
use crate::pkcs11::Token;
use crate::verify::Signed;
use crate::wire::{Payload, Reply, Request, RequestFrame};
use crate::{Health, KeyId, KeyLabel, KeyStore, KeyStoreError, SecretStore};

/// The token behind its policy.
pub(super) struct Service {
    token: Token,
    policy: Policy,
    audit: Audit,
}

/// What a request touches, for the policy and the record.
struct Subject {
    operation: Operation,
    key: Option<KeyLabel>,
    key_id: Option<KeyId>,
}

impl Service {
    pub(super) fn new(token: Token, policy: Policy, audit: Audit) -> Self {
        Self {
            token,
            policy,
            audit,
        }
    }

    /// Answers one request that arrived at `arrived`.
    pub(super) fn answer(&self, caller: &str, frame: RequestFrame, arrived: Instant) -> Reply {
        if arrived.elapsed() >= Duration::from_millis(u64::from(frame.deadline_ms)) {
            return Reply::Failed(KeyStoreError::Deadline);
        }
        let outcome = match frame.request {
            Request::Health => self.token.health().map(|()| Reply::Done),
            Request::Find { label } => self.find(caller, &label),
            Request::Describe { id } => self.describe(caller, id),
            other => self.use_key(caller, other),
        };
        outcome.unwrap_or_else(Reply::Failed)
    }

    fn find(&self, caller: &str, label: &KeyLabel) -> Result<Reply, KeyStoreError> {
        if !self.policy.may_see(caller, label) {
            return Err(KeyStoreError::NotPermitted);
        }
        self.token.find(label).map(Reply::Found)
    }

    /// A caller that may not see a key learns no more than that it may not.
    fn describe(&self, caller: &str, id: KeyId) -> Result<Reply, KeyStoreError> {
        match self.token.describe(id) {
            Ok(info) if self.policy.may_see(caller, &info.label) => Ok(Reply::Key(Box::new(info))),
            Ok(_) => Err(KeyStoreError::NotPermitted),
            Err(error) => Err(error),
        }
    }

    fn use_key(&self, caller: &str, request: Request) -> Result<Reply, KeyStoreError> {
        let began = Instant::now();
        let subject = self.subject(&request)?;
        let outcome = match &subject.key {
            Some(label) => self
                .policy
                .check(caller, subject.operation, label, began)
                .and_then(|()| self.perform(request)),
            None => Err(KeyStoreError::UnknownKey(
                subject.key_id.map(|id| id.to_string()).unwrap_or_default(),
            )),
        };
        let result = outcome.as_ref().map_or_else(word, |_| "done");
        if matches!(outcome, Err(KeyStoreError::NotPermitted)) {
            tracing::warn!(
                caller,
                operation = subject.operation.name(),
                key = subject.key.as_ref().map(KeyLabel::as_str),
                "not permitted"
            );
        }
        let record = Record {
            caller,
            operation: subject.operation.name(),
            key: subject.key.as_ref(),
            key_id: subject.key_id,
            result,
            took: began.elapsed(),
        };
        self.audit.report(&record, audit::now())?;
        outcome
    }

    /// Finds the label that the policy speaks of; an id that no key has gives none.
    fn subject(&self, request: &Request) -> Result<Subject, KeyStoreError> {
        let by_label = |operation, label: &KeyLabel| Subject {
            operation,
            key: Some(label.clone()),
            key_id: None,
        };
        let by_id = |operation, id: KeyId| match self.token.label(id) {
            Ok(label) => Ok(Subject {
                operation,
                key: Some(label),
                key_id: Some(id),
            }),
            Err(KeyStoreError::UnknownKey(_)) => Ok(Subject {
                operation,
                key: None,
                key_id: Some(id),
            }),
            Err(error) => Err(error),
        };
        Ok(match request {
            Request::Generate { label, .. } | Request::GenerateSecret { label, .. } => {
                by_label(Operation::Generate, label)
            }
            Request::Wrap { kek, .. } => by_label(Operation::Wrap, kek),
            Request::Unwrap { kek, .. } => by_label(Operation::Unwrap, kek),
            Request::Hmac { key, .. } => by_label(Operation::Hmac, key),
            Request::Sign { id, .. } => by_id(Operation::Sign, *id)?,
            Request::Destroy { id } => by_id(Operation::Destroy, *id)?,
            Request::Health | Request::Find { .. } | Request::Describe { .. } => {
                return Err(KeyStoreError::BadRequest("not a use of a key".to_owned()));
            }
        })
    }

    fn perform(&self, request: Request) -> Result<Reply, KeyStoreError> {
        match request {
            Request::Generate { label, algorithm } => {
                self.token.generate(&label, algorithm).map(Reply::Made)
            }
            Request::Destroy { id } => self.token.destroy(id).map(|()| Reply::Done),
            Request::GenerateSecret { label, purpose } => self
                .token
                .generate_secret(&label, purpose)
                .map(|()| Reply::Done),
            Request::Wrap { kek, aad, key } => {
                self.token.wrap(&kek, &aad, &key).map(Reply::Wrapped)
            }
            Request::Unwrap { kek, aad, wrapped } => {
                self.token.unwrap(&kek, &aad, &wrapped).map(Reply::Opened)
            }
            Request::Hmac { key, message } => self.token.hmac(&key, &message).map(Reply::Mac),
            Request::Sign {
                id,
                scheme,
                payload,
            } => {
                let signed = match &payload {
                    Payload::Message(message) => Signed::Message(message),
                    Payload::Digest(bytes) => {
                        Signed::Digest(scheme.digest_from(bytes).ok_or_else(|| {
                            KeyStoreError::BadRequest("not a digest of this scheme".to_owned())
                        })?)
                    }
                };
                self.token.sign(id, scheme, &signed).map(Reply::Signature)
            }
            Request::Health | Request::Find { .. } | Request::Describe { .. } => {
                Err(KeyStoreError::BadRequest("not a use of a key".to_owned()))
            }
        }
    }
}

/// One stable word per outcome, for the audit record.
fn word(error: &KeyStoreError) -> &'static str {
    match error {
        KeyStoreError::NotPermitted => "not-permitted",
        KeyStoreError::Busy(_) => "busy",
        KeyStoreError::UnknownKey(_) => "unknown-key",
        KeyStoreError::KeyExists(_) => "key-exists",
        KeyStoreError::KeyRefused(_) => "key-refused",
        KeyStoreError::TokenUnavailable(_) => "token-unavailable",
        KeyStoreError::Deadline => "deadline",
        KeyStoreError::PinRefused => "pin-refused",
        KeyStoreError::PinLocked => "pin-locked",
        KeyStoreError::BadRequest(_) => "bad-request",
        KeyStoreError::VerifyFailed => "verify-failed",
        KeyStoreError::Configuration(_) => "configuration",
    }
}
