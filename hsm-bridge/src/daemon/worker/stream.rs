//! A message that is too long for one frame: checked and hashed piece by piece, so that only its digest reaches the token.

use std::time::Instant;

use super::service::{Begin, Service, Subject};
use super::watch::Call;
use crate::policy::{Operation, Payload as Kind};
use crate::scheme::Digest;
use crate::tbs::{CertListChecker, Hasher};
use crate::verify::Signed;
use crate::wire::Reply;
use crate::{KeyStoreError, SignatureScheme};

/// A message under way. A refusal is kept until the last piece, so that the connection stays in step.
pub(super) struct Stream<'a> {
    service: &'a Service,
    caller: &'a str,
    begin: Begin,
    left: u64,
    state: Result<Open<'a>, KeyStoreError>,
}

struct Open<'a> {
    subject: Subject<'a>,
    check: Check,
}

enum Check {
    /// The key is bound to structures; of those, only a list may be long.
    List(Box<CertListChecker>),
    /// The key signs anything.
    Anything(Box<Hasher>),
}

impl<'a> Stream<'a> {
    pub(super) fn begin(service: &'a Service, caller: &'a str, begin: &Begin) -> Self {
        Self {
            service,
            caller,
            begin: *begin,
            left: begin.length,
            state: Open::new(service, caller, begin),
        }
    }

    /// Takes a piece; true when it was the last. A piece beyond the announced length is refused.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<bool, KeyStoreError> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            KeyStoreError::BadRequest("more of a message than was announced".to_owned())
        })?;
        if let Ok(open) = &mut self.state
            && let Err(error) = open.check.update(piece)
        {
            self.state = Err(error);
        }
        Ok(self.left == 0)
    }

    /// Signs what was taken.
    pub(super) fn finish(self) -> Reply {
        let Begin {
            id,
            scheme,
            deadline_ms,
            arrived,
            ..
        } = self.begin;
        let service = self.service;
        let call = Call {
            key: Some(id),
            ..Call::new(self.caller, Operation::Sign.name())
        };
        let watched = service.watch(call, deadline_ms, arrived);
        let signed = watched.and_then(|_watched| {
            let open = self.state?;
            open.finish(service, scheme, arrived)
        });
        signed.unwrap_or_else(Reply::Failed)
    }
}

impl<'a> Open<'a> {
    fn new(service: &'a Service, caller: &'a str, begin: &Begin) -> Result<Self, KeyStoreError> {
        let Begin { id, scheme, .. } = *begin;
        let (subject, info) = service.subject(caller, Operation::Sign, id, Some(scheme))?;
        let opened = || {
            let (Some(label), Some(info)) = (&subject.label, &info) else {
                return Err(KeyStoreError::UnknownKey(id.to_string()));
            };
            let rules = service.policy.rules(label);
            // The policy is asked, and its rate spent, when the message is whole; what could never be signed is refused now.
            if !service.policy.may_see(caller, label) {
                return Err(KeyStoreError::NotPermitted);
            }
            if !rules.is_bound() {
                return Ok(Check::Anything(Box::new(Hasher::of(scheme))));
            }
            rules
                .list_checker(
                    scheme,
                    &info.public_key,
                    super::service::wall_clock(),
                    begin.length,
                )
                .map(|checker| Check::List(Box::new(checker)))
        };
        let check = match opened() {
            Ok(check) => check,
            Err(error) => {
                service.settle(&subject, None, begin.arrived, Err(error.clone()))?;
                return Err(error);
            }
        };
        Ok(Self { subject, check })
    }

    fn finish(
        self,
        service: &Service,
        scheme: SignatureScheme,
        began: Instant,
    ) -> Result<Reply, KeyStoreError> {
        let (kind, digest) = match self.check {
            Check::List(checker) => (
                Kind::List,
                checker
                    .finish()
                    .map(|list| list.digest)
                    .map_err(KeyStoreError::from),
            ),
            Check::Anything(hasher) => (Kind::Message, Ok(hasher.finish())),
        };
        let subject = self.subject;
        let (digest, signed): (Option<Digest>, _) = match digest {
            Ok(Some(digest)) => {
                let signed = service.authorise(&subject, Some(kind)).and_then(|allowed| {
                    let signed = Signed::Digest(digest.clone());
                    service.sign_now(&subject, allowed, scheme, &signed, Some(&digest))
                });
                (Some(digest), signed)
            }
            Ok(None) => (
                None,
                Err(KeyStoreError::BadRequest(
                    "this scheme signs messages of one piece".to_owned(),
                )),
            ),
            Err(error) => (None, Err(error)),
        };
        service.settle(&subject, digest.as_ref(), began, signed)
    }
}

impl Check {
    fn update(&mut self, piece: &[u8]) -> Result<(), KeyStoreError> {
        match self {
            Self::List(checker) => checker.update(piece).map_err(KeyStoreError::from),
            Self::Anything(hasher) => {
                hasher.update(piece);
                Ok(())
            }
        }
    }
}
