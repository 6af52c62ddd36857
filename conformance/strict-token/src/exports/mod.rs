//! The functions of the module as C calls them, and the list that hands them out.
//!
//! Every function follows PKCS#11 2.40 §5 and takes the path of [`crate::shim::around`]; what is not changed is passed on as it came.
#![expect(unsafe_code, reason = "the C interface of PKCS#11")]
#![expect(non_snake_case, reason = "the names of the standard")]
#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the names of the standard, told apart by their prefixes; clippy looks for this outside tests alone"
    )
)]

/// Calls the wrapped module's function of the same name.
macro_rules! forward {
    ($shim:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $shim.real.$name {
            // SAFETY: the arguments are those of our own caller, who keeps the contract of this very function.
            Some(function) => unsafe { function($($argument),*) },
            None => cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}

/// Functions on a session that are passed on as they came.
macro_rules! passed_on {
    ($($name:ident = $function:ident($($argument:ident: $kind:ty),* $(,)?);)*) => {$(
        pub(super) unsafe extern "C" fn $name(session: CK_SESSION_HANDLE, $($argument: $kind),*) -> CK_RV {
            around(Function::$function, On::Session(session), |shim, _| {
                forward!(shim, $name(session, $($argument),*))
            })
        }
    )*};
}

/// Functions that begin an operation, passed on when the token has their mechanism.
macro_rules! with_mechanism {
    ($($name:ident = $function:ident($($argument:ident: $kind:ty),*);)*) => {$(
        pub(super) unsafe extern "C" fn $name(
            session: CK_SESSION_HANDLE,
            mechanism: CK_MECHANISM_PTR,
            $($argument: $kind),*
        ) -> CK_RV {
            around(Function::$function, On::Session(session), |shim, _| {
                // SAFETY: null, or the mechanism our caller handed over.
                match unsafe { check_mechanism(shim, mechanism) } {
                    Ok(()) => forward!(shim, $name(session, mechanism, $($argument),*)),
                    Err(code) => code,
                }
            })
        }
    )*};
}

mod keys;
mod module;
mod objects;
mod operations;
mod sessions;
mod signing;

use cryptoki_sys as sys;

use crate::shim::shim;

macro_rules! list {
    ($($home:ident: $($name:ident)*;)*) => {
        static LIST: sys::CK_FUNCTION_LIST = sys::CK_FUNCTION_LIST {
            version: sys::CK_VERSION { major: 2, minor: 40 },
            C_GetFunctionList: Some(C_GetFunctionList),
            $($($name: Some($home::$name),)*)*
        };
    };
}

list! {
    module: C_Initialize C_Finalize C_GetInfo C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList C_GetMechanismInfo
        C_InitToken C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent;
    sessions: C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo C_Login C_Logout
        C_GetOperationState C_SetOperationState C_SeedRandom C_GenerateRandom;
    objects: C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize C_GetAttributeValue C_SetAttributeValue
        C_FindObjectsInit C_FindObjects C_FindObjectsFinal;
    keys: C_GenerateKey C_GenerateKeyPair C_WrapKey C_UnwrapKey C_DeriveKey;
    operations: C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal
        C_DigestInit C_Digest C_DigestUpdate C_DigestKey C_DigestFinal C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal
        C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate;
    signing: C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover;
}

/// The entry point of every PKCS#11 module (PKCS#11 2.40 §5.4): hands out the list of the other functions.
///
/// # Safety
///
/// `list` is null or points to room for one pointer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetFunctionList(
    list: sys::CK_FUNCTION_LIST_PTR_PTR,
) -> sys::CK_RV {
    if list.is_null() {
        return sys::CKR_ARGUMENTS_BAD;
    }
    if shim().is_none() {
        return sys::CKR_GENERAL_ERROR;
    }
    // SAFETY: not null, and by contract room for one pointer. Callers only read through it, as the standard demands.
    unsafe { list.write((&raw const LIST).cast_mut()) };
    sys::CKR_OK
}
