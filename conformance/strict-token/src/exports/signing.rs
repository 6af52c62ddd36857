//! Signing: every signature is counted, and those that a fault strikes come out spoilt.

use std::sync::atomic::Ordering;

use cryptoki_sys::*;

use super::keys::check_mechanism;
use crate::plan::mix;
use crate::shim::{On, Shim, around, shim};
use crate::{Fault, Function, memory};

pub(super) unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    around(Function::SignInit, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        if let Err(code) = unsafe { check_mechanism(shim, mechanism) } {
            return code;
        }
        match forward!(shim, C_SignInit(session, mechanism, key)) {
            code @ (CKR_KEY_HANDLE_INVALID | CKR_OBJECT_HANDLE_INVALID) => shim
                .knobs
                .stale_handle_at_sign_init
                .map_or(code, |instead| instead.0),
            code => code,
        }
    })
}

pub(super) unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_length: CK_ULONG,
    signature: CK_BYTE_PTR,
    length: CK_ULONG_PTR,
) -> CK_RV {
    let function = if signature.is_null() {
        Function::SignLength
    } else {
        Function::Sign
    };
    let code = around(function, On::Session(session), |shim, fault| {
        // SAFETY: by the contract of this function.
        let mut message = unsafe { memory::bytes(data, data_length) }.to_vec();
        let other = function == Function::Sign && fault == Some(Fault::OtherMessage);
        let data = match message.last_mut() {
            Some(last) if other => {
                *last ^= 1;
                message.as_mut_ptr()
            }
            _ => data,
        };
        let code = forward!(shim, C_Sign(session, data, data_length, signature, length));
        // SAFETY: by the contract of this function.
        unsafe { finish(shim, fault, code, signature, length) }
    });
    note_released(function, Function::Sign, code)
}

pub(super) unsafe extern "C" fn C_SignFinal(
    session: CK_SESSION_HANDLE,
    signature: CK_BYTE_PTR,
    length: CK_ULONG_PTR,
) -> CK_RV {
    let function = if signature.is_null() {
        Function::SignFinalLength
    } else {
        Function::SignFinal
    };
    let code = around(function, On::Session(session), |shim, fault| {
        let code = forward!(shim, C_SignFinal(session, signature, length));
        // The message is gone by now; a spoilt signature stands for one over another message.
        let fault = match fault {
            Some(Fault::OtherMessage) => Some(Fault::FlippedBit),
            fault => fault,
        };
        // SAFETY: by the contract of this function.
        unsafe { finish(shim, fault, code, signature, length) }
    });
    note_released(function, Function::SignFinal, code)
}

pub(super) unsafe extern "C" fn C_SignRecover(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_length: CK_ULONG,
    signature: CK_BYTE_PTR,
    length: CK_ULONG_PTR,
) -> CK_RV {
    let code = around(
        Function::SignRecover,
        On::Session(session),
        |shim, fault| {
            let code = forward!(
                shim,
                C_SignRecover(session, data, data_length, signature, length)
            );
            // SAFETY: by the contract of this function.
            unsafe { finish(shim, fault, code, signature, length) }
        },
    );
    if signature.is_null() {
        return code;
    }
    note_released(Function::SignRecover, Function::SignRecover, code)
}

/// Counts a signature that was made and spoils it as the fault says.
unsafe fn finish(
    shim: &Shim,
    fault: Option<Fault>,
    code: CK_RV,
    signature: CK_BYTE_PTR,
    length: CK_ULONG_PTR,
) -> CK_RV {
    if code != CKR_OK || signature.is_null() {
        return code;
    }
    let number = shim.page.signatures_made.fetch_add(1, Ordering::AcqRel);
    // SAFETY: on success the wrapped module wrote as many bytes as it says.
    let made = unsafe { memory::elements(signature, memory::read(length).unwrap_or(0)) };
    match fault {
        Some(Fault::FlippedBit) => {
            let bits = (made.len() as u64 * 8).max(1);
            let bit = mix(shim.seed ^ number) % bits;
            let byte = usize::try_from(bit / 8)
                .ok()
                .and_then(|at| made.get_mut(at));
            if let Some(byte) = byte {
                *byte ^= 1 << (bit % 8);
            }
        }
        Some(Fault::Zeros) => made.fill(0),
        // SAFETY: by the contract of this function.
        Some(Fault::Short) => unsafe {
            memory::change(length, |length| *length = length.saturating_sub(1));
        },
        _ => {}
    }
    code
}

/// Counts a signature that our caller got.
fn note_released(function: Function, signs: Function, code: CK_RV) -> CK_RV {
    if function == signs
        && code == CKR_OK
        && let Some(shim) = shim()
    {
        shim.page.signatures_released.fetch_add(1, Ordering::AcqRel);
    }
    code
}

with_mechanism! {
    C_SignRecoverInit = SignRecoverInit(key: CK_OBJECT_HANDLE);
}

passed_on! {
    C_SignUpdate = SignUpdate(part: CK_BYTE_PTR, length: CK_ULONG);
}
