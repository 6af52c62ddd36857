//! The PIN and the one rule about it: once refused, it is never offered again by this process.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use secrecy::SecretString;

use super::recovery::{self, Class};
use crate::KeyStoreError;

/// How a token is logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// With the PIN that was handed in.
    #[default]
    Pin,
    /// With what a person enters at the token itself, its keypad for example: no PIN is handed to it (PKCS#11 v3.0 §5.6.8).
    ProtectedPath,
    /// Not by us: a quorum of persons has logged the module in. A session that is not logged in awaits them.
    Preloaded,
}

/// Who must agree before the token is asked to log in with a PIN; nobody by default.
#[derive(Clone, Default)]
pub struct Leave {
    grant: Option<Arc<Grant>>,
    /// Set when a login ended in a way that does not say whether the token counted it.
    doubt: Arc<AtomicBool>,
}

/// Gives leave, or says why not.
type Grant = dyn Fn() -> Result<(), KeyStoreError> + Send + Sync;

impl Leave {
    /// Leave is given by `grant`, which is called right before each `C_Login` with a PIN and notes that the PIN is being offered.
    pub fn of(grant: impl Fn() -> Result<(), KeyStoreError> + Send + Sync + 'static) -> Self {
        Self {
            grant: Some(Arc::new(grant)),
            doubt: Arc::default(),
        }
    }

    fn ask(&self) -> Result<(), KeyStoreError> {
        self.doubt.store(false, Ordering::Release);
        self.grant.as_ref().map_or(Ok(()), |grant| grant())
    }

    /// Whether the last PIN that was offered may have been counted by its token as a wrong one, although the token did not say so.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Leave {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.grant.is_some() {
            "Asked"
        } else {
            "Given"
        })
    }
}

/// Guards a PIN against being tried until the token locks.
pub(super) struct PinGate {
    pin: SecretString,
    login: Login,
    leave: Leave,
    refused: Mutex<Option<KeyStoreError>>,
    attempts: AtomicU32,
}

impl PinGate {
    pub(super) fn new(pin: SecretString, login: Login, leave: Leave) -> Self {
        Self {
            pin,
            login,
            leave,
            refused: Mutex::new(None),
            attempts: AtomicU32::new(0),
        }
    }

    /// Logs the token in on its anchor session, or sees that others have done so.
    pub(super) fn enter(&self, anchor: &Session) -> Result<(), KeyStoreError> {
        if self.login != Login::Preloaded {
            return self.attempt(|pin| anchor.login(UserType::User, pin));
        }
        let info = anchor
            .get_session_info()
            .map_err(|e| recovery::answer(&e))?;
        match info.session_state() {
            SessionState::RwUser => Ok(()),
            _ => Err(KeyStoreError::awaiting_quorum()),
        }
    }

    /// Runs `login` with the PIN, if one is offered, unless it was refused before; attempts never run side by side.
    fn attempt(
        &self,
        login: impl FnOnce(Option<&SecretString>) -> Result<(), Error>,
    ) -> Result<(), KeyStoreError> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = refused.as_ref() {
            return Err(error.clone());
        }
        let pin = (self.login == Login::Pin).then_some(&self.pin);
        if pin.is_some() {
            self.leave.ask()?;
        }
        self.attempts.fetch_add(1, Ordering::Relaxed);
        match login(pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => {
                let answer = recovery::answer(&error);
                if recovery::class(&error) == Class::Pin {
                    *refused = Some(answer.clone());
                } else if pin.is_some() && !recovery::spares_pin(&error) {
                    self.leave.doubt.store(true, Ordering::Release);
                }
                Err(answer)
            }
        }
    }

    /// How the token refused the login, after which none is tried any more.
    pub(super) fn refusal(&self) -> Option<KeyStoreError> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often the token was offered the PIN.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;

    #[test]
    fn a_refused_pin_is_offered_once() {
        let gate = PinGate::new("1234".into(), Login::Pin, Leave::default());
        let mut calls = 0;
        for _ in 0..5 {
            let result = gate.attempt(|_| {
                calls += 1;
                Err(Error::Pkcs11(RvError::PinIncorrect, Function::Login))
            });
            assert_eq!(result, Err(KeyStoreError::PinRefused));
        }
        assert_eq!((calls, gate.attempts()), (1, 1));
    }

    #[test]
    fn a_pin_is_offered_only_by_leave() {
        let leave = Leave::of(|| Err(KeyStoreError::PinRefused));
        let gate = PinGate::new("1234".into(), Login::Pin, leave);
        let mut calls = 0;
        let result = gate.attempt(|_| {
            calls += 1;
            Ok(())
        });
        assert_eq!(result, Err(KeyStoreError::PinRefused));
        assert_eq!((calls, gate.attempts(), gate.refusal()), (0, 0, None));
    }

    #[test]
    fn a_login_that_ends_otherwise_may_have_been_counted() {
        for (code, doubt) in [
            (RvError::GeneralError, true),
            (RvError::FunctionFailed, true),
            (RvError::ArgumentsBad, true),
            (RvError::DeviceError, true),
            (RvError::TokenNotPresent, false),
            (RvError::SessionHandleInvalid, false),
            (RvError::PinIncorrect, false),
        ] {
            let leave = Leave::of(|| Ok(()));
            let gate = PinGate::new("1234".into(), Login::Pin, leave.clone());
            let ended = gate.attempt(|_| Err(Error::Pkcs11(code, Function::Login)));
            assert!(ended.is_err());
            assert_eq!(leave.is_in_doubt(), doubt, "{code:?}");
        }
    }

    #[test]
    fn an_absent_token_does_not_burn_the_pin() {
        let gate = PinGate::new("1234".into(), Login::Pin, Leave::default());
        let absent = gate.attempt(|_| Err(Error::Pkcs11(RvError::DeviceRemoved, Function::Login)));
        assert!(matches!(absent, Err(KeyStoreError::TokenUnavailable(_))));
        assert_eq!(gate.attempt(|_| Ok(())), Ok(()));
    }

    #[test]
    fn a_protected_path_is_offered_no_pin_and_no_second_try_either() {
        let gate = PinGate::new("1234".into(), Login::ProtectedPath, Leave::default());
        for _ in 0..2 {
            let result = gate.attempt(|pin| {
                assert!(pin.is_none());
                Err(Error::Pkcs11(RvError::PinIncorrect, Function::Login))
            });
            assert_eq!(result, Err(KeyStoreError::PinRefused));
        }
        assert_eq!(gate.attempts(), 1);
    }
}
