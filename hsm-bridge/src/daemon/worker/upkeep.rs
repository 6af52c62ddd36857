//! What a worker does unasked: checkpoints of its audit log, and a signature now and then while nobody else asks for one.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::record::OURSELVES;
use super::service::{Outcome, Service, Subject};
use super::watch::Call;
use crate::pkcs11::{Survey, WhenLost};
use crate::policy::{Operation, Tier};
use crate::wire::Reply;
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, Signer};

/// The key that signs checkpoints and canaries: the bridge's own, which no policy can grant.
pub(super) const AUDIT_KEY: &str = "bridge/audit/g1";
/// How often it is looked whether there is something to do.
const ROUND: Duration = Duration::from_millis(500);
/// A checkpoint is made when the log has grown and the last is this old.
const CHECKPOINT_AGE: Duration = Duration::from_mins(1);
/// A checkpoint is made at the latest after so many lines.
const CHECKPOINT_LINES: u64 = 10_000;
/// How long objects are looked at in one round.
const SURVEY_AT_ONCE: Duration = Duration::from_millis(250);
/// How long after a failure they are not looked at again.
const SURVEY_PAUSE: Duration = Duration::from_mins(1);
/// What a canary signs.
const CANARY: &[u8] = b"romduol-bridge-canary";
/// How long the token may take for what is done unasked, in milliseconds; the limit of a call holds as well.
const UNASKED_LIMIT_MS: u32 = 60_000;

/// The thread that does it.
pub(super) struct Upkeep {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    /// Makes sure of the audit key and starts the thread; a token that lets no key be made goes without checkpoints.
    pub(super) fn start(
        service: Arc<Service>,
        canary: Option<Duration>,
        when_lost: WhenLost,
    ) -> Result<Self, KeyStoreError> {
        let keys = Keys::open(&service)?;
        let (stop, stopped) = mpsc::channel();
        let mut rounds = Rounds {
            service,
            keys,
            canary,
            when_lost,
            lines: 0,
            quiet_since: Instant::now(),
            checkpoint: (0, Instant::now()),
            survey: None,
            survey_from: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("upkeep".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(ROUND) == Err(RecvTimeoutError::Timeout) {
                    rounds.round(Instant::now());
                }
                rounds.checkpoint(Instant::now());
            })
            .map_err(|e| KeyStoreError::Configuration(format!("thread: {e}")))?;
        Ok(Self { stop, thread })
    }

    /// Makes the last checkpoint.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the upkeep ended with a panic");
        }
    }
}

struct Keys {
    label: KeyLabel,
    id: KeyId,
    signer: Box<dyn Signer>,
}

impl Keys {
    fn open(service: &Service) -> Result<Option<Self>, KeyStoreError> {
        let wrong = |e| KeyStoreError::Configuration(format!("{AUDIT_KEY}: {e}"));
        let label = KeyLabel::parse(AUDIT_KEY).map_err(wrong)?;
        let id = match service.token.find(&label)? {
            Some(id) => id,
            None => match service.token.generate(&label, KeyAlgorithm::P256) {
                Ok(id) => id,
                Err(KeyStoreError::TokenUnavailable(error)) => {
                    return Err(KeyStoreError::TokenUnavailable(error));
                }
                Err(error) => {
                    tracing::warn!(%error, "no audit key can be made in this token: the audit log goes without checkpoints");
                    return Ok(None);
                }
            },
        };
        Ok(Some(Self {
            label,
            id,
            signer: service.token.signer(id, None)?,
        }))
    }
}

impl Keys {
    /// A signature that nobody asked for.
    fn subject(&self) -> Subject<'static> {
        Subject {
            caller: OURSELVES,
            operation: Operation::Sign,
            label: Some(self.label.clone()),
            id: Some(self.id),
            scheme: Some(self.signer.scheme()),
            tier: Tier::Token,
        }
    }
}

struct Rounds {
    service: Arc<Service>,
    keys: Option<Keys>,
    canary: Option<Duration>,
    /// Who ends this worker when the token signs something else than it was asked for.
    when_lost: WhenLost,
    /// Lines of the log when it was last seen to grow, and since when it has not.
    lines: u64,
    quiet_since: Instant,
    /// Lines of the log after the last checkpoint, and when that was.
    checkpoint: (u64, Instant),
    /// The look at every object of the token, while it is under way.
    survey: Option<Survey>,
    /// When the next may begin.
    survey_from: Instant,
}

impl Rounds {
    fn round(&mut self, now: Instant) {
        let lines = self.service.recorder.lines();
        if lines != self.lines {
            (self.lines, self.quiet_since) = (lines, now);
        }
        if self
            .canary
            .is_some_and(|pause| now.saturating_duration_since(self.quiet_since) >= pause)
        {
            self.sing(now);
        }
        self.survey(now);
        let grown = lines.saturating_sub(self.checkpoint.0);
        let old = now.saturating_duration_since(self.checkpoint.1) >= CHECKPOINT_AGE;
        if grown >= CHECKPOINT_LINES || (grown > 0 && old) {
            self.checkpoint(now);
        }
    }

    /// Learns where the objects of the token are, for as long as a round may take at a time.
    fn survey(&mut self, now: Instant) {
        let token = &self.service.token;
        if now < self.survey_from {
            return;
        }
        let mut began = Instant::now();
        while began.saturating_duration_since(now) < SURVEY_AT_ONCE {
            let step = self
                .service
                .watch(Call::new(OURSELVES, "survey"), UNASKED_LIMIT_MS, began)
                .and_then(|_watched| match self.survey.take() {
                    Some(survey) => token.survey_further(survey),
                    None => token.survey(),
                });
            match step {
                Ok(Some(survey)) => self.survey = Some(survey),
                Ok(None) => return,
                Err(error) => {
                    self.survey_from = now + SURVEY_PAUSE;
                    return tracing::warn!(%error, "not all objects of the token were seen; keys are searched for");
                }
            }
            began = Instant::now();
        }
    }

    fn sing(&mut self, now: Instant) {
        let Some(keys) = &self.keys else {
            return;
        };
        let subject = keys.subject();
        let signed = self
            .service
            .watch(Call::new(OURSELVES, "canary"), UNASKED_LIMIT_MS, now)
            .and_then(|_watched| {
                self.service.recorder.ready()?;
                Ok(Outcome {
                    reply: keys.signer.sign(CANARY).map(Reply::Signature),
                    intent: None,
                    durable: false,
                })
            });
        let digest = keys.signer.scheme().digest(CANARY);
        if let Err(error) = self.service.settle(&subject, digest.as_ref(), now, signed) {
            tracing::error!(%error, "the token does not sign");
            if let (WhenLost::Tell(owner), KeyStoreError::VerifyFailed) = (&self.when_lost, &error)
            {
                // Of no more use than a lost one; its callers have another, or wait until a new process finds it sound.
                let wrong = "its signatures do not verify".to_owned();
                owner(&KeyStoreError::TokenUnavailable(wrong));
            }
        }
    }

    fn checkpoint(&mut self, now: Instant) {
        let Some(keys) = &self.keys else {
            return;
        };
        let made = self
            .service
            .watch(Call::new(OURSELVES, "checkpoint"), UNASKED_LIMIT_MS, now)
            .and_then(|_watched| self.service.recorder.checkpoint(keys.signer.as_ref()));
        let reply = match made {
            Ok(true) => {
                self.checkpoint = (self.service.recorder.lines(), now);
                return;
            }
            // A signature was made all the same.
            Ok(false) => Ok(Reply::Done),
            Err(error) => Err(error),
        };
        // A checkpoint that stands in the log is its own record; one that does not needs another.
        let outcome = Ok(Outcome {
            reply,
            intent: None,
            durable: false,
        });
        match self.service.settle(&keys.subject(), None, now, outcome) {
            Ok(_) => self.checkpoint = (self.service.recorder.lines(), now),
            Err(error) => tracing::error!(%error, "no checkpoint of the audit log"),
        }
    }
}
