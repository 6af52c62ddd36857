//! The PIN and the one rule about it: once refused, it is never offered again by this process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use cryptoki::error::{Error, RvError};
use secrecy::SecretString;

use super::recovery::{self, Class};
use crate::KeyStoreError;

/// Guards a PIN against being tried until the token locks.
pub(super) struct PinGate {
    pin: SecretString,
    refused: Mutex<Option<KeyStoreError>>,
    attempts: AtomicU32,
}

impl PinGate {
    pub(super) fn new(pin: SecretString) -> Self {
        Self {
            pin,
            refused: Mutex::new(None),
            attempts: AtomicU32::new(0),
        }
    }

    /// Runs `login` with the PIN unless the PIN was refused before; attempts never run side by side.
    pub(super) fn attempt(
        &self,
        login: impl FnOnce(&SecretString) -> Result<(), Error>,
    ) -> Result<(), KeyStoreError> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = refused.as_ref() {
            return Err(error.clone());
        }
        self.attempts.fetch_add(1, Ordering::Relaxed);
        match login(&self.pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => {
                let answer = recovery::answer(&error);
                if recovery::class(&error) == Class::Pin {
                    *refused = Some(answer.clone());
                }
                Err(answer)
            }
        }
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
        let gate = PinGate::new("1234".into());
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
    fn an_absent_token_does_not_burn_the_pin() {
        let gate = PinGate::new("1234".into());
        let absent = gate.attempt(|_| Err(Error::Pkcs11(RvError::DeviceRemoved, Function::Login)));
        assert!(matches!(absent, Err(KeyStoreError::TokenUnavailable(_))));
        assert_eq!(gate.attempt(|_| Ok(())), Ok(()));
    }
}
