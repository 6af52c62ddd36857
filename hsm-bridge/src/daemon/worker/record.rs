//! What the worker writes to the audit log, in the log's words.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::service::{Outcome, Subject, wall_clock};
use crate::audit::{
    AuditError, DONE, Durability, EVIDENCE, KeyOperation, Log, LogId, Record, Sequence,
};
use crate::pkcs11::WhenLost;
use crate::policy::Tier;
use crate::{KeyId, KeyLabel, KeyStoreError, Signer};

/// The caller's name in records of what the bridge does for itself.
pub(super) const OURSELVES: &str = "bridge";

/// The audit log of one token.
#[derive(Clone)]
pub(super) struct Recorder {
    log: Arc<Log>,
    /// Who ends this worker when the log takes no more: opened anew, it may take more again, and meanwhile another token serves.
    when_lost: WhenLost,
}

impl Recorder {
    /// Opens the log, or makes it under a random name, and notes that the bridge serves.
    pub(super) fn open(
        folder: &Path,
        fresh: LogId,
        token: &str,
        when_lost: WhenLost,
    ) -> Result<Self, KeyStoreError> {
        let wrong = |e: &AuditError| KeyStoreError::Configuration(format!("audit log: {e}"));
        let log = Log::open(folder, fresh, wall_clock()).map_err(|e| wrong(&e))?;
        let detail = format!("hsm-bridge {} token {token}", env!("CARGO_PKG_VERSION"));
        log.append(
            &Record::Started { detail: &detail },
            wall_clock(),
            Durability::Synced,
        )
        .map_err(|e| wrong(&e))?;
        Ok(Self {
            log: Arc::new(log),
            when_lost,
        })
    }

    fn unwritable(&self, error: &AuditError) -> KeyStoreError {
        tracing::error!(%error, "the audit log cannot be written; no key is used until it can");
        let answer = KeyStoreError::TokenUnavailable("the audit log cannot be written".to_owned());
        if let (WhenLost::Tell(owner), false) = (&self.when_lost, self.log.is_sound()) {
            owner(&answer);
        }
        answer
    }

    /// Refuses while the log takes no more: what a key did then would stand nowhere.
    pub(super) fn ready(&self) -> Result<(), KeyStoreError> {
        if self.log.is_sound() {
            Ok(())
        } else {
            Err(self.unwritable(&AuditError::Poisoned))
        }
    }

    /// Notes that a key is about to be used.
    pub(super) fn intent(
        &self,
        subject: &Subject<'_>,
        digest: Option<&[u8]>,
    ) -> Result<Sequence, KeyStoreError> {
        self.log
            .append(
                &Record::Intent(operation(subject, digest)),
                wall_clock(),
                Durability::Buffered,
            )
            .map_err(|e| self.unwritable(&e))
    }

    /// Notes what became of a use or of the attempt.
    pub(super) fn used(
        &self,
        subject: &Subject<'_>,
        digest: Option<&[u8]>,
        outcome: &Outcome,
        took: Duration,
    ) -> Result<(), KeyStoreError> {
        let record = Record::Used {
            operation: operation(subject, digest),
            intent: outcome.intent,
            result: outcome.word(),
            took,
        };
        let durability = if outcome.durable {
            Durability::Synced
        } else {
            Durability::Buffered
        };
        self.log
            .append(&record, wall_clock(), durability)
            .map(|_| ())
            .map_err(|e| self.unwritable(&e))
    }

    /// Notes what is no use of a key but tells of one: a look that was refused, an activation that was begun.
    pub(super) fn noted(
        &self,
        caller: &str,
        operation: &str,
        key: Option<&KeyLabel>,
        key_id: Option<KeyId>,
        digest: Option<&[u8]>,
        result: &str,
    ) -> Result<(), KeyStoreError> {
        let record = Record::Used {
            operation: KeyOperation {
                caller,
                operation,
                key,
                key_id,
                digest,
                ..KeyOperation::default()
            },
            intent: None,
            result,
            took: Duration::ZERO,
        };
        self.log
            .append(&record, wall_clock(), Durability::Buffered)
            .map(|_| ())
            .map_err(|e| self.unwritable(&e))
    }

    /// Notes the hash of evidence of how a key was made, before it is kept; on the disk when this returns.
    pub(super) fn evidence(
        &self,
        key: &KeyLabel,
        key_id: Option<KeyId>,
        hash: &[u8; 32],
    ) -> Result<(), KeyStoreError> {
        let operation = KeyOperation {
            caller: OURSELVES,
            operation: EVIDENCE,
            key: Some(key),
            key_id,
            digest: Some(hash),
            ..KeyOperation::default()
        };
        self.order_settled(operation, None, DONE, Duration::ZERO)
    }

    /// Notes that an order is about to be carried out; on the disk when this returns.
    pub(super) fn order_begun(
        &self,
        operation: KeyOperation<'_>,
    ) -> Result<Sequence, KeyStoreError> {
        let record = Record::Intent(operation);
        self.log
            .append(&record, wall_clock(), Durability::Synced)
            .map_err(|e| self.unwritable(&e))
    }

    /// Notes what became of an order; on the disk when this returns.
    pub(super) fn order_settled(
        &self,
        operation: KeyOperation<'_>,
        intent: Option<Sequence>,
        result: &str,
        took: Duration,
    ) -> Result<(), KeyStoreError> {
        let record = Record::Used {
            operation,
            intent,
            result,
            took,
        };
        self.log
            .append(&record, wall_clock(), Durability::Synced)
            .map(|_| ())
            .map_err(|e| self.unwritable(&e))
    }

    /// Signs the head of the log; false when so many lines came meanwhile that the next checkpoint is due, and this one was left out.
    pub(super) fn checkpoint(&self, signer: &dyn Signer) -> Result<bool, KeyStoreError> {
        match self.log.checkpoint(signer, wall_clock()) {
            Ok(_) => Ok(true),
            Err(AuditError::Overtaken) => Ok(false),
            Err(AuditError::Signer(error)) => Err(error),
            Err(error) => Err(self.unwritable(&error)),
        }
    }

    /// The number of the last line.
    pub(super) fn lines(&self) -> u64 {
        self.log.head().sequence
    }

    /// Notes an orderly end.
    pub(super) fn stopped(&self) {
        let record = Record::Stopped { detail: "told to" };
        if let Err(error) = self.log.append(&record, wall_clock(), Durability::Synced) {
            tracing::error!(%error, "the end is not in the audit log");
        }
    }
}

fn operation<'a>(subject: &'a Subject<'_>, digest: Option<&'a [u8]>) -> KeyOperation<'a> {
    KeyOperation {
        caller: subject.caller,
        operation: subject.operation.name(),
        key: subject.label.as_ref(),
        key_id: subject.id,
        scheme: subject.scheme,
        digest,
        detail: match subject.tier {
            Tier::Sealed => Some("tier sealed"),
            Tier::Token => None,
        },
    }
}

/// One stable word per outcome, for the audit record.
pub(super) fn word(error: &KeyStoreError) -> &'static str {
    match error {
        KeyStoreError::NotPermitted => "not-permitted",
        KeyStoreError::Busy(_) => "busy",
        KeyStoreError::UnknownKey(_) => "unknown-key",
        KeyStoreError::KeyExists(_) => "key-exists",
        KeyStoreError::KeyRefused(_) => "key-refused",
        KeyStoreError::TokenUnavailable(_) => "token-unavailable",
        KeyStoreError::Deadline => "deadline",
        KeyStoreError::OutcomeUnknown => "outcome-unknown",
        KeyStoreError::PinRefused => "pin-refused",
        KeyStoreError::PinLocked => "pin-locked",
        KeyStoreError::BadRequest(_) => "bad-request",
        KeyStoreError::VerifyFailed => "verify-failed",
        KeyStoreError::Configuration(_) => "configuration",
    }
}
