//! One request of one caller: label, policy, rules of the key, intent, token, record, reply, in this order.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::record::{Recorder, word};
use super::watch::{Call, Watch, Watched};
use crate::activation::Holders;
use crate::pkcs11::{KeyInfo, Token};
use crate::policy::{
    Allowed, Ask, KeyRules, Now, Operation, Payload as Kind, Policy, Proof, Signature, Tier,
};
use crate::scheme::Digest;
use crate::sealed::SealedKeys;
use crate::tbs::Signing;
use crate::verify::Signed;
use crate::wire::{Payload, Reply, Request, RequestFrame};
use crate::{Health, KeyId, KeyLabel, KeyStoreError, SecretStore, SignatureScheme};

/// The token behind its policy.
pub(super) struct Service {
    pub(super) token: Token,
    pub(super) sealed: SealedKeys,
    pub(super) holders: Holders,
    pub(super) policy: Policy,
    pub(super) recorder: Recorder,
    watch: Watch,
}

/// What a request touches, for the policy and the record.
pub(super) struct Subject<'a> {
    pub(super) caller: &'a str,
    pub(super) operation: Operation,
    pub(super) label: Option<KeyLabel>,
    pub(super) id: Option<KeyId>,
    pub(super) scheme: Option<SignatureScheme>,
    /// Where the key lives, or is to live.
    pub(super) tier: Tier,
}

/// The wall clock, in its one place of the worker: windows, days and records follow it.
#[expect(
    clippy::disallowed_methods,
    reason = "this daemon is to the left of the room that hands clocks out"
)]
pub(in crate::daemon) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

impl Service {
    pub(super) fn new(
        token: Token,
        sealed: SealedKeys,
        policy: Policy,
        recorder: Recorder,
        watch: Watch,
    ) -> Self {
        Self {
            holders: Holders::new(token.clone()),
            token,
            sealed,
            policy,
            recorder,
            watch,
        }
    }

    /// A call into the token that should have been back by now.
    pub(super) fn overdue(&self, now: Instant) -> Option<&'static str> {
        self.watch.overdue(now)
    }

    /// Lets no more calls begin, and waits so long for those under way.
    pub(super) fn close(&self, limit: Duration) {
        self.watch.close(limit);
    }

    /// Notes, before this process is ended with them, that nobody will know what became of the calls under way.
    pub(super) fn give_up(&self) -> Result<(), KeyStoreError> {
        let unknown = word(&KeyStoreError::OutcomeUnknown);
        for call in self.watch.give_up() {
            self.recorder
                .noted(&call.caller, call.operation, None, call.key, None, unknown)?;
        }
        Ok(())
    }

    /// Watches a call until the returned value is dropped; refuses one whose deadline has passed.
    pub(super) fn watch(
        &self,
        call: Call,
        deadline_ms: u32,
        arrived: Instant,
    ) -> Result<Watched<'_>, KeyStoreError> {
        let deadline = arrived + Duration::from_millis(u64::from(deadline_ms));
        let now = Instant::now();
        if now >= deadline {
            return Err(KeyStoreError::Deadline);
        }
        self.watch
            .begin(call, deadline, now)
            .ok_or_else(|| KeyStoreError::TokenUnavailable("its worker ends".to_owned()))
    }

    /// Answers one request that arrived at `arrived`.
    pub(super) fn answer(&self, caller: &str, frame: RequestFrame, arrived: Instant) -> Reply {
        let watched = self.watch(Call::of(caller, &frame.request), frame.deadline_ms, arrived);
        let answered = watched.and_then(|_watched| match frame.request {
            Request::Health => self.token.health().map(|()| Reply::Done),
            // Whoever was granted nothing learns nothing either, not even which keys there are.
            request if !self.policy.knows(caller) => {
                self.hide(caller, request.describe().0, None, request.key_id())
            }
            Request::Find { label } => self.find(caller, &label),
            Request::Describe { id } => self.describe(caller, id),
            Request::Sign {
                id,
                scheme,
                payload,
            } => self.sign(caller, id, scheme, &payload),
            Request::Held(request) => self.held(caller, request),
            Request::Order { .. } => self.hide(caller, "order", None, None),
            other => self.use_key(caller, other),
        });
        answered.unwrap_or_else(Reply::Failed)
    }

    fn find(&self, caller: &str, label: &KeyLabel) -> Result<Reply, KeyStoreError> {
        if !self.policy.may_see(caller, label) {
            return self.hide(caller, "find", Some(label), None);
        }
        self.find_key(label).map(Reply::Found)
    }

    /// A caller that may not see a key learns no more than that it may not.
    fn describe(&self, caller: &str, id: KeyId) -> Result<Reply, KeyStoreError> {
        let info = self.key_info(id)?;
        if !self.policy.may_see(caller, &info.label) {
            return self.hide(caller, "describe", Some(&info.label), Some(id));
        }
        Ok(Reply::Key(info))
    }

    /// Refuses and records the look at a key of others.
    pub(super) fn hide(
        &self,
        caller: &str,
        operation: &'static str,
        key: Option<&KeyLabel>,
        key_id: Option<KeyId>,
    ) -> Result<Reply, KeyStoreError> {
        tracing::warn!(
            caller,
            operation,
            key = key.map(KeyLabel::as_str),
            "not permitted"
        );
        let result = word(&KeyStoreError::NotPermitted);
        self.recorder
            .noted(caller, operation, key, key_id, None, result)?;
        Err(KeyStoreError::NotPermitted)
    }

    /// The subject of a request by id; one that no key has stays without a label.
    pub(super) fn subject<'a>(
        &self,
        caller: &'a str,
        operation: Operation,
        id: KeyId,
        scheme: Option<SignatureScheme>,
    ) -> Result<(Subject<'a>, Option<Arc<KeyInfo>>), KeyStoreError> {
        let (info, tier) = match self.key_info_and_tier(id) {
            Ok((info, tier)) => (Some(info), tier),
            Err(KeyStoreError::UnknownKey(_)) => (None, Tier::Token),
            Err(error) => return Err(error),
        };
        let subject = Subject {
            caller,
            operation,
            label: info.as_ref().map(|info| info.label.clone()),
            id: Some(id),
            scheme,
            tier,
        };
        Ok((subject, info))
    }

    /// Asks the policy; a key that does not exist is told from one that is not granted only to those who may see it.
    pub(super) fn authorise(
        &self,
        subject: &Subject<'_>,
        payload: Option<Kind>,
    ) -> Result<Allowed<'_>, KeyStoreError> {
        let Some(label) = &subject.label else {
            let id = subject.id.map(|id| id.to_string()).unwrap_or_default();
            return Err(KeyStoreError::UnknownKey(id));
        };
        self.recorder.ready()?;
        let signature =
            payload.and_then(|payload| subject.scheme.map(|scheme| Signature { scheme, payload }));
        self.policy.authorise(&Ask {
            caller: subject.caller,
            operation: subject.operation,
            label,
            signature,
            now: Now {
                instant: Instant::now(),
                utc: wall_clock(),
            },
        })
    }

    fn sign(
        &self,
        caller: &str,
        id: KeyId,
        scheme: SignatureScheme,
        payload: &Payload,
    ) -> Result<Reply, KeyStoreError> {
        let began = Instant::now();
        let (subject, info) = self.subject(caller, Operation::Sign, id, Some(scheme))?;
        let (kind, digest) = match payload {
            Payload::Message(message) => (Kind::Message, scheme.digest(message)),
            Payload::Digest(bytes) => (Kind::Digest, scheme.digest_from(bytes)),
        };
        let signed = self.authorise(&subject, Some(kind)).and_then(|allowed| {
            let info = info.as_ref().ok_or(KeyStoreError::NotPermitted)?;
            if let Payload::Message(message) = payload {
                allowed.rules.inspect(
                    message,
                    &Signing {
                        scheme,
                        public_key: &info.public_key,
                        now: wall_clock(),
                    },
                )?;
            }
            let signed = match (payload, &digest) {
                (Payload::Message(message), None) => Signed::Message(message),
                (_, Some(digest)) => Signed::Digest(digest.clone()),
                (Payload::Digest(_), None) => {
                    return Err(KeyStoreError::BadRequest(
                        "not a digest of this scheme".to_owned(),
                    ));
                }
            };
            self.sign_now(&subject, allowed, scheme, &signed, digest.as_ref())
        });
        self.settle(&subject, digest.as_ref(), began, signed)
    }

    /// Signs what was checked, with a key that needs no proof beside.
    pub(super) fn sign_now(
        &self,
        subject: &Subject<'_>,
        allowed: Allowed<'_>,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
        digest: Option<&Digest>,
    ) -> Result<Outcome, KeyStoreError> {
        match allowed.rules.proof {
            Some(Proof::Activation) => Err(KeyStoreError::NotPermitted),
            None => self.sign_checked(subject, allowed, scheme, signed, digest),
        }
    }

    /// Signs what was checked; for keys whose records must last, the intent stands in the log before the token is asked.
    pub(super) fn sign_checked(
        &self,
        subject: &Subject<'_>,
        allowed: Allowed<'_>,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
        digest: Option<&Digest>,
    ) -> Result<Outcome, KeyStoreError> {
        let rules = allowed.rules;
        let id = subject.id.ok_or(KeyStoreError::NotPermitted)?;
        let intent = if rules.durable {
            Some(
                self.recorder
                    .intent(subject, digest.map(Digest::as_bytes))?,
            )
        } else {
            None
        };
        Ok(Outcome {
            reply: self
                .sign_key(id, scheme, signed, rules)
                .map(Reply::Signature),
            intent,
            durable: rules.durable,
        })
    }

    /// Records what became of a use, and gives the reply out only then.
    pub(super) fn settle(
        &self,
        subject: &Subject<'_>,
        digest: Option<&Digest>,
        began: Instant,
        outcome: Result<Outcome, KeyStoreError>,
    ) -> Result<Reply, KeyStoreError> {
        let outcome = outcome.unwrap_or_else(|error| Outcome {
            reply: Err(error),
            intent: None,
            durable: false,
        });
        if matches!(outcome.reply, Err(KeyStoreError::NotPermitted)) {
            tracing::warn!(
                caller = subject.caller,
                operation = subject.operation.name(),
                key = subject.label.as_ref().map(KeyLabel::as_str),
                "not permitted"
            );
        }
        self.recorder.used(
            subject,
            digest.map(Digest::as_bytes),
            &outcome,
            began.elapsed(),
        )?;
        outcome.reply
    }

    fn use_key(&self, caller: &str, request: Request) -> Result<Reply, KeyStoreError> {
        let began = Instant::now();
        let by_label = |operation, label: &KeyLabel| Subject {
            caller,
            operation,
            label: Some(label.clone()),
            id: None,
            scheme: None,
            tier: Tier::Token,
        };
        let subject = match &request {
            Request::Generate { label, .. } => Subject {
                tier: self.policy.rules(label).tier,
                ..by_label(Operation::Generate, label)
            },
            Request::GenerateSecret { label, .. } => by_label(Operation::Generate, label),
            Request::Wrap { kek, .. } => by_label(Operation::Wrap, kek),
            Request::Unwrap { kek, .. } => by_label(Operation::Unwrap, kek),
            Request::Hmac { key, .. } => by_label(Operation::Hmac, key),
            Request::Destroy { id } => self.subject(caller, Operation::Destroy, *id, None)?.0,
            _ => return Err(not_a_use()),
        };
        let outcome = self.authorise(&subject, None).and_then(|allowed| {
            let intent = self.lasting_intent(&subject, allowed.rules)?;
            Ok(Outcome {
                reply: self.perform(request, allowed.rules),
                intent,
                durable: allowed.rules.durable,
            })
        });
        self.settle(&subject, None, began, outcome)
    }

    /// Notes that a key whose records must last is about to be made or destroyed: an end in the middle leaves word of it.
    pub(super) fn lasting_intent(
        &self,
        subject: &Subject<'_>,
        rules: &KeyRules,
    ) -> Result<Option<crate::audit::Sequence>, KeyStoreError> {
        let lasting = matches!(subject.operation, Operation::Generate | Operation::Destroy);
        (rules.durable && lasting)
            .then(|| self.recorder.intent(subject, None))
            .transpose()
    }

    fn perform(&self, request: Request, rules: &KeyRules) -> Result<Reply, KeyStoreError> {
        let token = &self.token;
        match request {
            // A key that needs its holder's word is of no use without a holder.
            Request::Generate { .. } if rules.proof.is_some() => Err(KeyStoreError::BadRequest(
                "this key is made for a holder".to_owned(),
            )),
            Request::Generate { label, algorithm } => {
                self.make_key(&label, algorithm, rules).map(Reply::Made)
            }
            Request::Destroy { id } => self.destroy_key(id).map(|()| Reply::Done),
            Request::GenerateSecret { label, purpose } => {
                token.generate_secret(&label, purpose).map(|()| Reply::Done)
            }
            Request::Wrap { kek, aad, key } => token.wrap(&kek, &aad, &key).map(Reply::Wrapped),
            Request::Unwrap { kek, aad, wrapped } => {
                token.unwrap(&kek, &aad, &wrapped).map(Reply::Opened)
            }
            Request::Hmac { key, message } => token.hmac(&key, &message).map(Reply::Mac),
            _ => Err(not_a_use()),
        }
    }
}

/// The announcement of a message that comes in pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin {
    pub(super) id: KeyId,
    pub(super) scheme: SignatureScheme,
    pub(super) length: u64,
    pub(super) deadline_ms: u32,
    pub(super) arrived: Instant,
}

/// What became of a use that was allowed.
pub(super) struct Outcome {
    pub(super) reply: Result<Reply, KeyStoreError>,
    /// The line of the intent, where there is one.
    pub(super) intent: Option<crate::audit::Sequence>,
    /// Whether the record must be on disk before the reply leaves.
    pub(super) durable: bool,
}

impl Outcome {
    /// The result in one stable word.
    pub(super) fn word(&self) -> &'static str {
        self.reply
            .as_ref()
            .map_or_else(word, |_| crate::audit::DONE)
    }
}

fn not_a_use() -> KeyStoreError {
    KeyStoreError::BadRequest("not a use of a key".to_owned())
}
