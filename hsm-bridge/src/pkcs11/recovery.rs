//! What each PKCS#11 return code means for the caller and for the session: one table.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use crate::KeyStoreError;

/// What to do after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request is at fault: tell the caller, do not repeat.
    Caller,
    /// The session is at fault: drop it and try once on another.
    NewSession,
    /// The token is out of sessions or memory: shed load.
    Capacity,
    /// A cached object handle is no longer valid: resolve again and try once.
    StaleHandle,
    /// The login is gone: log in on the anchor session and try once.
    LoginLost,
    /// The token or its server is gone: open it anew and try once.
    TokenLost,
    /// The PIN was not accepted: stop, an operator must act.
    Pin,
}

/// Sorts an error of the driver into its class.
pub fn class(error: &Error) -> Class {
    match error {
        Error::Pkcs11(code, function) => class_of(*code, *function),
        Error::LibraryLoading(_) | Error::MissingSymbol(_) => Class::TokenLost,
        _ => Class::Caller,
    }
}

fn class_of(code: RvError, function: Function) -> Class {
    match code {
        RvError::SessionHandleInvalid
        | RvError::SessionClosed
        | RvError::OperationActive
        | RvError::OperationNotInitialized => Class::NewSession,
        RvError::SessionCount
        | RvError::DeviceMemory
        | RvError::HostMemory
        | RvError::FunctionRejected => Class::Capacity,
        RvError::ObjectHandleInvalid | RvError::KeyHandleInvalid => Class::StaleHandle,
        // Some software tokens report a handle whose object was deleted elsewhere this way.
        RvError::GeneralError if matches!(function, Function::SignInit) => Class::StaleHandle,
        RvError::UserNotLoggedIn => Class::LoginLost,
        RvError::DeviceError
        | RvError::DeviceRemoved
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::CryptokiNotInitialized
        | RvError::GeneralError
        | RvError::FunctionFailed
        | RvError::SlotIdInvalid => Class::TokenLost,
        RvError::PinIncorrect
        | RvError::PinInvalid
        | RvError::PinLenRange
        | RvError::PinExpired
        | RvError::PinLocked
        | RvError::UserPinNotInitialized => Class::Pin,
        _ => Class::Caller,
    }
}

/// Whether an error of the class [`Class::TokenLost`] may also mean something that passes by itself.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(RvError::GeneralError | RvError::FunctionFailed, _)
    )
}

/// Whether an error of the class [`Class::TokenLost`] is also what a token under load answers.
pub(super) fn may_be_load(error: &Error) -> bool {
    matches!(error, Error::Pkcs11(RvError::DeviceError, _)) || may_pass(error)
}

/// Whether a failed login surely never reached the token's counter of wrong PINs. Some modules say `CKR_GENERAL_ERROR` or
/// `CKR_FUNCTION_FAILED` of a PIN that they did not take.
pub(super) fn spares_pin(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::SlotIdInvalid
                | RvError::CryptokiNotInitialized
                | RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::SessionReadOnlyExists
                | RvError::OperationActive
                | RvError::UserAlreadyLoggedIn
                | RvError::UserAnotherAlreadyLoggedIn
                | RvError::UserTooManyTypes
                | RvError::FunctionNotSupported,
            _
        )
    )
}

/// Whether an error may hide a signature that was made: it came from the call that makes it, and does not say that the call never
/// began. A session that was closed was so while the call ran (PKCS#11 v3.1 §6.1.3, `CKR_SESSION_CLOSED`).
pub(super) fn may_have_signed(error: &Error) -> bool {
    match error {
        Error::Pkcs11(RvError::SessionClosed, Function::Sign) => true,
        Error::Pkcs11(_, Function::Sign) => class(error) == Class::TokenLost,
        _ => false,
    }
}

/// The caller's word for an error that is not, or no longer, to be retried.
pub(super) fn answer(error: &Error) -> KeyStoreError {
    match class(error) {
        Class::Caller => KeyStoreError::BadRequest(error.to_string()),
        Class::Capacity => KeyStoreError::Busy(error.to_string()),
        Class::Pin => match error {
            Error::Pkcs11(RvError::PinLocked | RvError::PinExpired, _) => KeyStoreError::PinLocked,
            _ => KeyStoreError::PinRefused,
        },
        Class::StaleHandle => {
            KeyStoreError::UnknownKey("the key is gone from the token".to_owned())
        }
        Class::NewSession | Class::LoginLost | Class::TokenLost => {
            KeyStoreError::TokenUnavailable(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_pin_is_never_mistaken_for_something_to_retry() {
        for code in [
            RvError::PinIncorrect,
            RvError::PinLocked,
            RvError::PinExpired,
            RvError::PinInvalid,
        ] {
            assert_eq!(class_of(code, Function::Login), Class::Pin);
        }
        assert_eq!(
            class_of(RvError::GeneralError, Function::SignInit),
            Class::StaleHandle
        );
        assert_eq!(
            class_of(RvError::GeneralError, Function::Sign),
            Class::TokenLost
        );
        assert_eq!(
            class_of(RvError::DataLenRange, Function::Sign),
            Class::Caller
        );
    }
}
