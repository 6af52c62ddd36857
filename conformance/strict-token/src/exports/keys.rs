//! Making keys and moving them wrapped: templates that are refused, and keys that come out other than they were asked for.

use cryptoki_sys::*;

use super::objects::note_made;
use crate::shim::{On, Shim, around};
use crate::{Function, memory};

/// Refuses a mechanism that the token lacks.
pub(super) unsafe fn check_mechanism(
    shim: &Shim,
    mechanism: CK_MECHANISM_PTR,
) -> Result<(), CK_RV> {
    // SAFETY: null, or the mechanism our caller handed over.
    let asked = unsafe { memory::read(mechanism) };
    if asked.is_some_and(|asked| shim.knobs.lacks_mechanism(asked.mechanism)) {
        return Err(CKR_MECHANISM_INVALID);
    }
    Ok(())
}

/// Checks the template of a protected key and lays the token's own flags over it.
unsafe fn protected(
    shim: &Shim,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> Result<Vec<CK_ATTRIBUTE>, CK_RV> {
    // SAFETY: the template our caller handed over.
    unsafe {
        shim.knobs.check_private(&memory::given(template, count))?;
        let flags = shim.knobs.generated.iter();
        Ok(memory::with_flags(
            template,
            count,
            flags.map(|(flag, value)| (flag.0.0, *value)),
        ))
    }
}

pub(super) unsafe extern "C" fn C_GenerateKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    around(Function::GenerateKey, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        let ready = unsafe {
            check_mechanism(shim, mechanism).and_then(|()| protected(shim, template, count))
        };
        let mut template = match ready {
            Ok(template) => template,
            Err(code) => return code,
        };
        let count = template.len() as CK_ULONG;
        let code = forward!(
            shim,
            C_GenerateKey(session, mechanism, template.as_mut_ptr(), count, key)
        );
        // SAFETY: by the contract of this function.
        unsafe { note_made(shim, session, code, key) }
    })
}

pub(super) unsafe extern "C" fn C_GenerateKeyPair(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public: CK_ATTRIBUTE_PTR,
    public_count: CK_ULONG,
    private: CK_ATTRIBUTE_PTR,
    private_count: CK_ULONG,
    public_key: CK_OBJECT_HANDLE_PTR,
    private_key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    around(
        Function::GenerateKeyPair,
        On::Session(session),
        |shim, _| {
            // SAFETY: by the contract of this function.
            let ready = unsafe {
                check_mechanism(shim, mechanism)
                    .and_then(|()| {
                        shim.knobs
                            .check_public(&memory::given(public, public_count))
                    })
                    .and_then(|()| protected(shim, private, private_count))
            };
            let mut private = match ready {
                Ok(private) => private,
                Err(code) => return code,
            };
            let private_count = private.len() as CK_ULONG;
            let private = private.as_mut_ptr();
            let code = forward!(
                shim,
                C_GenerateKeyPair(
                    session,
                    mechanism,
                    public,
                    public_count,
                    private,
                    private_count,
                    public_key,
                    private_key,
                )
            );
            // SAFETY: by the contract of this function.
            unsafe {
                note_made(shim, session, code, public_key);
                note_made(shim, session, code, private_key)
            }
        },
    )
}

pub(super) unsafe extern "C" fn C_WrapKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    wrapping: CK_OBJECT_HANDLE,
    key: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    length: CK_ULONG_PTR,
) -> CK_RV {
    around(Function::WrapKey, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        if let Err(code) = unsafe { check_mechanism(shim, mechanism) } {
            return code;
        }
        forward!(
            shim,
            C_WrapKey(session, mechanism, wrapping, key, wrapped, length)
        )
    })
}

pub(super) unsafe extern "C" fn C_UnwrapKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    unwrapping: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    length: CK_ULONG,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    around(Function::UnwrapKey, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        let ready = unsafe {
            check_mechanism(shim, mechanism)
                .and_then(|()| shim.knobs.check_private(&memory::given(template, count)))
        };
        if let Err(code) = ready {
            return code;
        }
        let code = forward!(
            shim,
            C_UnwrapKey(
                session, mechanism, unwrapping, wrapped, length, template, count, key
            )
        );
        // SAFETY: by the contract of this function.
        unsafe { note_made(shim, session, code, key) }
    })
}

pub(super) unsafe extern "C" fn C_DeriveKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    base: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    around(Function::DeriveKey, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        let ready = unsafe {
            check_mechanism(shim, mechanism)
                .and_then(|()| shim.knobs.check_private(&memory::given(template, count)))
        };
        if let Err(code) = ready {
            return code;
        }
        let code = forward!(
            shim,
            C_DeriveKey(session, mechanism, base, template, count, key)
        );
        // SAFETY: by the contract of this function.
        unsafe { note_made(shim, session, code, key) }
    })
}
