//! The token as a key store: every call runs on a leased session and recovers once, by the class of its error.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use cryptoki::error::Error;
use cryptoki::session::Session;
use secrecy::SecretString;

use super::evidence::{Clock, Witness};
use super::keys::{self, KeyInfo, KeyPair, SecretInfo};
use super::live::{Live, lock};
use super::notary::Notary;
use super::pin::{Leave, Login, PinGate};
use super::recovery::{self, Class};
use super::signer::TokenSigner;
use super::template::{Namer, Template};
use super::{data, mechanism, secrets};
use crate::verify::Signed;
use crate::{
    Health, KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureScheme, Signer,
};

/// Which token to open.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// Path of the PKCS#11 module.
    pub module: PathBuf,
    /// Label of the token in that module.
    pub label: String,
    /// User PIN; offered once, never again after a refusal, and not at all by a login that needs none.
    pub pin: SecretString,
}

/// What happens when the token or its server is gone.
#[derive(Clone, Default)]
pub enum WhenLost {
    /// It is opened again in this process, with the sessions and the module as they are.
    #[default]
    Reopen,
    /// The owner is told, once per loss and from the thread that saw it; most modules answer again only in a new process.
    Tell(Arc<dyn Fn(&KeyStoreError) + Send + Sync>),
}

impl std::fmt::Debug for WhenLost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Reopen => "Reopen",
            Self::Tell(_) => "Tell",
        })
    }
}

/// How to use the token.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// Sign with a session copy of each key: still sensitive and non-extractable, and much faster on software tokens.
    pub session_copy: bool,
    /// How many working sessions may be open at once.
    pub max_sessions: usize,
    /// What happens when the token is lost.
    pub when_lost: WhenLost,
    /// How the token is logged in to.
    pub login: Login,
    /// Who must agree before the PIN is offered.
    pub leave: Leave,
    /// What the token wants to be told when a key is made.
    pub template: Template,
    /// Who tells the time in evidence of how a key was made; without a clock it has none.
    pub clock: Option<Clock>,
    /// Whether signers of this token verify each signature before they give it out.
    pub verify: bool,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            session_copy: false,
            max_sessions: 16,
            when_lost: WhenLost::default(),
            login: Login::default(),
            leave: Leave::default(),
            template: Template::default(),
            clock: None,
            verify: true,
        }
    }
}

/// A failed step inside the driver.
pub(super) enum Fault {
    /// An error of the token, after which the ground was prepared for another try.
    Token(Error),
    /// The same, from a token that is there and did not do this one thing.
    Shed(Error),
    /// The caller's answer.
    Refused(KeyStoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

/// An open token in this process; clones share sessions, handles and login.
#[derive(Clone)]
pub struct Token(pub(super) Arc<Inner>);

pub(super) struct Inner {
    module: PathBuf,
    label: String,
    pin: PinGate,
    options: TokenOptions,
    live: Mutex<Option<Arc<Live>>>,
    /// Held while a key is made, so that two makers of one label cannot both find it free.
    making: Mutex<()>,
    /// Who is told of evidence before it is written.
    pub(super) notary: OnceLock<Notary>,
}

impl Token {
    /// Opens a token with the default options: finds it by label and logs in, with one attempt.
    pub fn open(config: &TokenConfig) -> Result<Self, KeyStoreError> {
        Self::open_with(config, TokenOptions::default())
    }

    /// Opens a token: finds it by label and logs in, with one attempt.
    pub fn open_with(config: &TokenConfig, options: TokenOptions) -> Result<Self, KeyStoreError> {
        let token = Self(Arc::new(Inner {
            module: config.module.clone(),
            label: config.label.clone(),
            pin: PinGate::new(config.pin.clone(), options.login, options.leave.clone()),
            options,
            live: Mutex::new(None),
            making: Mutex::new(()),
            notary: OnceLock::new(),
        }));
        token.live()?;
        Ok(token)
    }

    /// How often this token was offered its PIN.
    pub fn login_attempts(&self) -> u32 {
        self.0.pin.attempts()
    }

    /// What is public about one key pair; costs no session once the key was used.
    pub fn describe(&self, id: KeyId) -> Result<Arc<KeyInfo>, KeyStoreError> {
        Ok(Arc::clone(&self.resolved(id)?.info))
    }

    fn resolved(&self, id: KeyId) -> Result<Arc<KeyPair>, KeyStoreError> {
        match self.live()?.key(id) {
            Some(key) => Ok(key),
            None => self.call(|live, session| self.key(live, session, id)),
        }
    }

    /// Every key pair in the token; an object that is not one of ours is an error in its place.
    pub fn list_keys(&self) -> Result<Vec<Result<KeyInfo, KeyStoreError>>, KeyStoreError> {
        self.survey_now()?;
        self.call(|live, session| keys::list(&self.namer(live, session)))
    }

    /// Every symmetric key in the token; an object that is not one of ours is an error in its place.
    pub fn list_secrets(&self) -> Result<Vec<Result<SecretInfo, KeyStoreError>>, KeyStoreError> {
        self.survey_now()?;
        self.call(|live, session| secrets::list(&self.namer(live, session)))
    }

    /// Random bytes from the token.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], KeyStoreError> {
        self.call(|_, session| {
            let mut bytes = [0; N];
            session.generate_random_slice(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Signs and, when asked to, verifies; the signature is withheld when it does not verify.
    pub(crate) fn sign(
        &self,
        id: KeyId,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
        verify: bool,
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.call(|live, session| {
            let key = self.key(live, session, id)?;
            if !key.info.algorithm.fits(scheme) {
                return Err(Fault::Refused(unfit(&key.info, scheme)));
            }
            live.retired
                .refuse(&self.namer(live, session), &key.info.label)?;
            let signature = mechanism::sign(session, key.handle, scheme, signed)?;
            if !verify {
                return Ok(signature);
            }
            match key.verifier.verify(scheme, signed, &signature) {
                Ok(()) => Ok(signature),
                Err(error) => {
                    tracing::error!(key = %key.info.label, %error, "the token made a signature that does not verify");
                    Err(Fault::Refused(KeyStoreError::VerifyFailed))
                }
            }
        })
    }

    /// The record beside the key of a label.
    pub(crate) fn record(&self, label: &KeyLabel) -> Result<Option<Vec<u8>>, KeyStoreError> {
        self.call(|live, session| data::read(&self.namer(live, session), data::Kind::Holder, label))
    }

    /// Writes the record beside the key of a label that has none.
    pub(crate) fn set_record(&self, label: &KeyLabel, value: &[u8]) -> Result<(), KeyStoreError> {
        self.call(|live, session| {
            data::write(&self.namer(live, session), data::Kind::Holder, label, value)
        })
    }

    /// How the key of a label was made, as JSON: what was kept beside it, or else what can be read of it now.
    pub fn evidence(&self, label: &KeyLabel) -> Result<String, KeyStoreError> {
        self.call(|live, session| self.witness(live, session).recall(label))
    }

    pub(super) fn template(&self) -> &Template {
        &self.0.options.template
    }

    /// Held while a key is made.
    pub(super) fn making(&self) -> MutexGuard<'_, ()> {
        lock(&self.0.making)
    }

    pub(super) fn namer<'a>(&'a self, live: &'a Live, session: &'a Session) -> Namer<'a> {
        Namer {
            template: &self.0.options.template,
            session,
            objects: &live.objects,
        }
    }

    pub(super) fn witness<'a>(&'a self, live: &'a Live, session: &'a Session) -> Witness<'a> {
        Witness {
            namer: self.namer(live, session),
            live,
            clock: self.0.options.clock,
            notary: self.0.notary.get(),
        }
    }

    fn key(&self, live: &Live, session: &Session, id: KeyId) -> Result<Arc<KeyPair>, Fault> {
        if let Some(key) = live.key(id) {
            return Ok(key);
        }
        let key = keys::resolve(
            live,
            &self.namer(live, session),
            id,
            self.0.options.session_copy,
        )?;
        Ok(live.remember_key(id, key))
    }

    pub(super) fn live(&self) -> Result<Arc<Live>, KeyStoreError> {
        let mut live = lock(&self.0.live);
        if let Some(live) = live.as_ref() {
            return Ok(Arc::clone(live));
        }
        let opened = Live::open(
            &self.0.module,
            &self.0.label,
            &self.0.pin,
            self.0.options.max_sessions,
        )?;
        Ok(Arc::clone(live.insert(Arc::new(opened))))
    }

    /// Lets go of a stretch of life that ended; the next call opens the token anew.
    fn abandon(&self, lost: &Arc<Live>) {
        let mut live = lock(&self.0.live);
        if live
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, lost))
        {
            *live = None;
        }
    }

    /// Makes a stretch of life fit for another try: handles are resolved anew, a lost login is renewed on the anchor session, and a
    /// token whose anchor session does not answer is opened anew.
    fn restore(&self, live: &Arc<Live>) -> Result<(), Fault> {
        live.forget_handles();
        match live.logged_in() {
            Ok(true) => Ok(()),
            Ok(false) => live.login(&self.0.pin).map_err(Fault::Refused),
            Err(_) => {
                self.abandon(live);
                Ok(())
            }
        }
    }

    /// What an error of a lost token means for the call and for the token.
    fn after_loss<T>(&self, live: &Arc<Live>, error: Error) -> Result<T, Fault> {
        let is_there = recovery::may_be_load(&error) && live.is_there();
        if !is_there && matches!(self.0.options.when_lost, WhenLost::Reopen) {
            self.abandon(live);
        }
        if recovery::may_have_signed(&error) {
            tracing::error!(%error, "the answer to a signature was lost");
            if !is_there {
                self.tell(&recovery::answer(&error));
            }
            // Asking again could make a second signature of which nobody knows.
            return Err(Fault::Refused(KeyStoreError::OutcomeUnknown));
        }
        match self.0.options.when_lost {
            _ if is_there => {
                live.forget_handles();
                Err(Fault::Shed(error))
            }
            // A code that other causes have too is worth a second try; the others are worth none in this process.
            WhenLost::Tell(_) if !recovery::may_pass(&error) => {
                Err(Fault::Refused(recovery::answer(&error)))
            }
            WhenLost::Tell(_) => {
                self.restore(live)?;
                Err(Fault::Token(error))
            }
            WhenLost::Reopen => Err(Fault::Token(error)),
        }
    }

    fn tell(&self, error: &KeyStoreError) {
        if let WhenLost::Tell(owner) = &self.0.options.when_lost {
            owner(error);
        }
    }

    pub(super) fn call<T>(
        &self,
        work: impl Fn(&Live, &Session) -> Result<T, Fault>,
    ) -> Result<T, KeyStoreError> {
        let settled = match self.attempt(&work) {
            Err(Fault::Token(error) | Fault::Shed(error)) => {
                tracing::warn!(%error, class = ?recovery::class(&error), "retrying once");
                self.attempt(&work)
            }
            settled => settled,
        };
        settled
            .map_err(|fault| match fault {
                Fault::Refused(error) => error,
                Fault::Token(error) => recovery::answer(&error),
                Fault::Shed(error) => KeyStoreError::Busy(error.to_string()),
            })
            .inspect_err(|error| {
                if let Some(refusal) = self.0.pin.refusal() {
                    // As good as a lost token: nothing more comes of it until an operator acts, and the owner must know.
                    self.tell(&refusal);
                } else if matches!(error, KeyStoreError::TokenUnavailable(_)) {
                    self.tell(error);
                }
            })
    }

    /// One try; a `Fault::Token` means that the ground was prepared for another.
    fn attempt<T>(&self, work: &impl Fn(&Live, &Session) -> Result<T, Fault>) -> Result<T, Fault> {
        let live = self.live().map_err(Fault::Refused)?;
        let error = match live.checkout() {
            Ok(lease) => match lease.session().map(|session| work(&live, session)) {
                Some(Err(Fault::Token(error))) => error,
                Some(settled) => {
                    lease.keep();
                    if settled.is_ok() {
                        live.note_success();
                    }
                    return settled;
                }
                None => return Err(Fault::Refused(KeyStoreError::Busy("no session".to_owned()))),
            },
            Err(Fault::Token(error)) => error,
            Err(refused) => return Err(refused),
        };
        match recovery::class(&error) {
            Class::Caller | Class::Capacity | Class::Pin => {
                return Err(Fault::Refused(recovery::answer(&error)));
            }
            Class::NewSession if recovery::may_have_signed(&error) => {
                tracing::error!(%error, "the answer to a signature was lost");
                self.restore(&live)?;
                return Err(Fault::Refused(KeyStoreError::OutcomeUnknown));
            }
            Class::NewSession => {
                live.drop_idle();
                self.restore(&live)?;
            }
            Class::StaleHandle | Class::LoginLost => self.restore(&live)?,
            Class::TokenLost => return self.after_loss(&live, error),
        }
        Err(Fault::Token(error))
    }
}

pub(crate) fn unfit(info: &KeyInfo, scheme: SignatureScheme) -> KeyStoreError {
    KeyStoreError::BadRequest(format!(
        "{} is a {} key, not one for {}",
        info.label,
        info.algorithm,
        scheme.jose_alg()
    ))
}

impl KeyStore for Token {
    fn generate(&self, label: &KeyLabel, algorithm: KeyAlgorithm) -> Result<KeyId, KeyStoreError> {
        let _one_at_a_time = self.making();
        self.call(|live, session| keys::generate(&self.witness(live, session), label, algorithm))
    }

    fn find(&self, label: &KeyLabel) -> Result<Option<KeyId>, KeyStoreError> {
        self.call(|live, session| keys::find(&self.namer(live, session), label))
    }

    fn signer(
        &self,
        id: KeyId,
        scheme: Option<SignatureScheme>,
    ) -> Result<Box<dyn Signer>, KeyStoreError> {
        let info = self.describe(id)?;
        let scheme = scheme.unwrap_or_else(|| info.algorithm.default_scheme());
        if !info.algorithm.fits(scheme) {
            return Err(unfit(&info, scheme));
        }
        Ok(Box::new(TokenSigner {
            token: self.clone(),
            id,
            scheme,
            public_key: info.public_key.clone(),
            verify: self.0.options.verify,
        }))
    }

    fn destroy(&self, id: KeyId) -> Result<(), KeyStoreError> {
        self.call(|live, session| {
            let resolved = live.key(id);
            keys::destroy(&self.namer(live, session), id)?;
            live.forget_key(id);
            live.retired.forget();
            if let Some(key) = resolved
                && self.0.options.session_copy
                && let Err(error) = session.destroy_object(key.handle)
            {
                // It dies with the anchor session at the latest, and nothing refers to it any more.
                tracing::warn!(key = %key.info.label, %error, "the session copy of a destroyed key stays for now");
            }
            Ok(())
        })
    }
}

impl Health for Token {
    fn health(&self) -> Result<(), KeyStoreError> {
        self.call(|_, session| {
            session.get_session_info()?;
            Ok(())
        })
    }
}
