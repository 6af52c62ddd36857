//! The key store of a service: the daemon's socket, or its gate on another host, behind the same traits as the token itself.
//!
//! A handful of connections serve any number of threads: one that finds them all in use waits, and whoever comes first to a connection
//! sends the requests of others along. When the daemon goes away, calls wait for it with growing pauses until
//! their deadline and then fail with [`KeyStoreError::TokenUnavailable`]; the first call after its return works again. What must not
//! happen twice (making or destroying a key) is never sent twice.

mod admin;
mod connection;
mod held;
mod names;
mod pool;
mod queue;
mod signer;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use admin::submit;
use connection::{Connection, Failure};
use pool::{Given, Pool};
use queue::Errand;
use signer::BridgeSigner;
pub use transport::{RemoteBridge, Transport};

use crate::pkcs11::KeyInfo;
use crate::wire::{Reply, Request, Target};
use crate::{
    DataKey, Health, KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SecretPurpose,
    SecretStore, SignatureScheme, Signer,
};

/// The first pause before the daemon is looked for again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two attempts to reach the daemon.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long a call for health may take: whoever asks wants to know how it is now.
const HEALTH_LIMIT: Duration = Duration::from_secs(1);

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// How long one call may take in all.
    pub deadline: Duration,
    /// How many connections are opened at most; callers beyond them wait, and what they ask travels together.
    pub connections: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            connections: 8,
        }
    }
}

/// A client of the daemon; clones share connections and what is known about keys.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    pool: Pool,
    options: ClientOptions,
    keys: RwLock<HashMap<KeyId, Arc<KeyInfo>>>,
}

impl Client {
    /// Connects with default options; fails when no daemon answers on the socket within the deadline.
    pub fn connect(socket: &Path) -> Result<Self, KeyStoreError> {
        Self::connect_with(socket, ClientOptions::default())
    }

    /// Connects; fails when no daemon answers on the socket within the deadline.
    pub fn connect_with(socket: &Path, options: ClientOptions) -> Result<Self, KeyStoreError> {
        Self::open(Transport::Unix(socket.to_owned()), options)
    }

    /// Connects to the daemon of this host or of another; fails when it does not answer within the deadline.
    pub fn open(transport: Transport, options: ClientOptions) -> Result<Self, KeyStoreError> {
        let pool = Pool::new(transport, options.connections.max(1));
        let client = Self(Arc::new(Inner {
            pool,
            options,
            keys: RwLock::default(),
        }));
        let deadline = Instant::now() + options.deadline;
        match client.turn(&Target::Route(0), None, deadline)? {
            Given::Connection(connection, _) => client.0.pool.put(connection),
            // Nobody else can have asked for it.
            Given::Answer(_) => return Err(KeyStoreError::Deadline),
        }
        Ok(client)
    }

    /// What is public about a key; asked for once and remembered, since an id is bound to its public key for ever.
    pub fn describe(&self, id: KeyId) -> Result<Arc<KeyInfo>, KeyStoreError> {
        if let Some(info) = self
            .0
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
        {
            return Ok(Arc::clone(info));
        }
        let info = self.ask_each_route(id)?;
        if info.id != id || KeyId::of(&info.public_key)? != id {
            return Err(KeyStoreError::KeyRefused(format!(
                "{id} is not the id of the key described"
            )));
        }
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(keys.entry(id).or_insert(info)))
    }

    /// Asks the token of each route for a key whose label is not known.
    fn ask_each_route(&self, id: KeyId) -> Result<Arc<KeyInfo>, KeyStoreError> {
        let mut route = 0;
        loop {
            match self.call(&Target::Route(route), &Request::Describe { id }) {
                Ok(Reply::Key(info)) => return Ok(info),
                Ok(_) => return Err(unexpected()),
                Err(KeyStoreError::UnknownKey(_)) if route + 1 < self.0.pool.routes() => route += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Calls the token of a key by its label.
    fn call_for(&self, label: &KeyLabel, request: &Request) -> Result<Reply, KeyStoreError> {
        self.call(&Target::Label(label.clone()), request)
    }

    /// Sends a request and waits for its reply, reconnecting as the module says.
    fn call(&self, target: &Target, request: &Request) -> Result<Reply, KeyStoreError> {
        self.call_within(self.0.options.deadline, target, request, &[])
    }

    /// Calls with several requests, sent ahead of their replies where they fit; what a lost connection left open is asked for singly.
    fn call_ahead(
        &self,
        target: &Target,
        requests: &[Request],
    ) -> Vec<Result<Reply, KeyStoreError>> {
        let deadline = Instant::now() + self.0.options.deadline;
        let mut results = Vec::with_capacity(requests.len());
        if let Ok(Given::Connection(mut connection, _)) = self.turn(target, None, deadline) {
            let each: Vec<_> = requests.iter().map(|r| (r, deadline)).collect();
            let (replies, failure) = connection.exchange_ahead(&each, deadline);
            results.extend(replies.into_iter().map(|reply| match reply {
                Reply::Failed(error) => Err(error),
                reply => Ok(reply),
            }));
            if failure.is_none() {
                self.0.pool.put(connection);
            } else {
                self.0.pool.lost(connection);
            }
        }
        for request in requests.iter().skip(results.len()) {
            results.push(self.call(target, request));
        }
        results
    }

    /// Sends an announcement and the message that it announces.
    fn call_long(
        &self,
        target: &Target,
        announcement: &Request,
        message: &[u8],
    ) -> Result<Reply, KeyStoreError> {
        self.call_within(self.0.options.deadline, target, announcement, message)
    }

    fn call_within(
        &self,
        limit: Duration,
        target: &Target,
        request: &Request,
        message: &[u8],
    ) -> Result<Reply, KeyStoreError> {
        let deadline = Instant::now() + limit;
        let repeatable = request.is_repeatable();
        let mut pause = Duration::ZERO;
        loop {
            let answer = match self.turn(target, Some(request), deadline)? {
                Given::Connection(connection, errands) => {
                    self.exchange(connection, errands, request, message, deadline)
                }
                Given::Answer(answer) => answer,
            };
            let again = match &answer {
                // The token's worker ends; another, or the next token in order, takes over.
                Ok(reply) => repeatable && ends_worker(reply),
                Err(failure) => failure.may_be_repeated(repeatable),
            };
            if !again {
                return match answer {
                    Ok(Reply::Failed(error)) | Err(Failure::Refused(error)) => Err(error),
                    Ok(reply) => Ok(reply),
                    Err(Failure::Deadline) => Err(KeyStoreError::Deadline),
                    // It was sent; whether it was done, nobody knows.
                    Err(_) => Err(KeyStoreError::OutcomeUnknown),
                };
            }
            // The first repetition comes at once, for the usual case of a worker that was replaced long ago.
            self.0
                .pool
                .pause(pause.min(deadline.saturating_duration_since(Instant::now())));
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// Sends a request on a connection, with the errands of others, and gives the connection on or closes it.
    fn exchange(
        &self,
        mut connection: Connection,
        errands: Vec<Errand>,
        request: &Request,
        message: &[u8],
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let route = connection.route();
        let (replies, failure) = if errands.is_empty() {
            match connection.exchange(request, message, deadline) {
                Ok(reply) => (vec![reply], None),
                Err(failure) => (Vec::new(), Some(failure)),
            }
        } else {
            let each: Vec<_> = std::iter::once((request, deadline))
                .chain(errands.iter().map(Errand::request))
                .collect();
            connection.exchange_ahead(&each, deadline)
        };
        let ends = replies.iter().any(ends_worker);
        if failure.is_none() && !ends {
            self.0.pool.put(connection);
        } else {
            self.0.pool.lost(connection);
            // The other idle connections were made to the same worker and are as dead.
            if ends || failure.as_ref().is_some_and(Failure::is_of_the_worker) {
                self.0.pool.forget_idle(route);
            }
        }
        let mut replies = replies.into_iter();
        let own = replies.next();
        for errand in errands {
            match replies.next() {
                Some(reply) => errand.answer(Ok(reply)),
                // Its own caller asks again.
                None => drop(errand),
            }
        }
        own.ok_or_else(|| failure.unwrap_or(Failure::Unsent))
    }

    /// A connection from the pool or a new one, looked for until the deadline, or what became of the request meanwhile.
    fn turn(
        &self,
        target: &Target,
        request: Option<&Request>,
        deadline: Instant,
    ) -> Result<Given, KeyStoreError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.0.pool.take(target, request, deadline) {
                Ok(given) => return Ok(given),
                Err(Failure::Unreachable(error) | Failure::Unanswered(error)) => error,
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Deadline | Failure::Overdue) => return Err(KeyStoreError::Deadline),
                Err(Failure::Unsent) => io::ErrorKind::ConnectionReset.into(),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !pool::may_come_back(&error) {
                return Err(self.0.pool.unavailable(&error));
            }
            self.0.pool.pause(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether a reply says that the token's worker ends, so that another will answer.
fn ends_worker(reply: &Reply) -> bool {
    matches!(reply, Reply::Failed(KeyStoreError::TokenUnavailable(_)))
}

fn unexpected() -> KeyStoreError {
    KeyStoreError::TokenUnavailable("the daemon gave an answer to another question".to_owned())
}

impl KeyStore for Client {
    fn generate(&self, label: &KeyLabel, algorithm: KeyAlgorithm) -> Result<KeyId, KeyStoreError> {
        match self.call_for(
            label,
            &Request::Generate {
                label: label.clone(),
                algorithm,
            },
        )? {
            Reply::Made(id) => Ok(id),
            _ => Err(unexpected()),
        }
    }

    fn find(&self, label: &KeyLabel) -> Result<Option<KeyId>, KeyStoreError> {
        match self.call_for(
            label,
            &Request::Find {
                label: label.clone(),
            },
        )? {
            Reply::Found(found) => Ok(found),
            _ => Err(unexpected()),
        }
    }

    fn signer(
        &self,
        id: KeyId,
        scheme: Option<SignatureScheme>,
    ) -> Result<Box<dyn Signer>, KeyStoreError> {
        let info = self.describe(id)?;
        let scheme = scheme.unwrap_or_else(|| info.algorithm.default_scheme());
        if !info.algorithm.fits(scheme) {
            return Err(KeyStoreError::BadRequest(format!(
                "{} is a {} key, not one for {}",
                info.label,
                info.algorithm,
                scheme.jose_alg()
            )));
        }
        Ok(Box::new(BridgeSigner::new(self.clone(), info, scheme)))
    }

    fn destroy(&self, id: KeyId) -> Result<(), KeyStoreError> {
        let label = self.describe(id)?.label.clone();
        match self.call_for(&label, &Request::Destroy { id })? {
            Reply::Done => {
                self.0
                    .keys
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&id);
                Ok(())
            }
            _ => Err(unexpected()),
        }
    }
}

impl SecretStore for Client {
    fn generate_secret(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
    ) -> Result<(), KeyStoreError> {
        match self.call_for(
            label,
            &Request::GenerateSecret {
                label: label.clone(),
                purpose,
            },
        )? {
            Reply::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }

    fn wrap(&self, kek: &KeyLabel, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyStoreError> {
        let request = Request::Wrap {
            kek: kek.clone(),
            aad: aad.to_vec(),
            key: key.clone(),
        };
        match self.call_for(kek, &request)? {
            Reply::Wrapped(wrapped) => Ok(wrapped),
            _ => Err(unexpected()),
        }
    }

    fn unwrap(&self, kek: &KeyLabel, aad: &[u8], wrapped: &[u8]) -> Result<DataKey, KeyStoreError> {
        let request = Request::Unwrap {
            kek: kek.clone(),
            aad: aad.to_vec(),
            wrapped: wrapped.to_vec(),
        };
        match self.call_for(kek, &request)? {
            Reply::Opened(key) => Ok(key),
            _ => Err(unexpected()),
        }
    }

    fn hmac(&self, key: &KeyLabel, message: &[u8]) -> Result<[u8; 32], KeyStoreError> {
        match self.call_for(
            key,
            &Request::Hmac {
                key: key.clone(),
                message: message.to_vec(),
            },
        )? {
            Reply::Mac(mac) => Ok(mac),
            _ => Err(unexpected()),
        }
    }
}

impl Health for Client {
    fn health(&self) -> Result<(), KeyStoreError> {
        let limit = self.0.options.deadline.min(HEALTH_LIMIT);
        for route in 0..self.0.pool.routes() {
            match self.call_within(limit, &Target::Route(route), &Request::Health, &[])? {
                Reply::Done => {}
                _ => return Err(unexpected()),
            }
        }
        Ok(())
    }
}
