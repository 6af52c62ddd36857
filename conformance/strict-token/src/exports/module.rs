//! The module, its slots and their tokens.

use std::sync::atomic::Ordering;

use cryptoki_sys::*;

use crate::plan::mix;
use crate::shim::{On, Shim, around};
use crate::{Function, memory};

pub(super) unsafe extern "C" fn C_Initialize(arguments: CK_VOID_PTR) -> CK_RV {
    around(Function::Initialize, On::Module, |shim, _| {
        let code = forward!(shim, C_Initialize(arguments));
        if code == CKR_OK {
            shim.life().begin(&shim.page);
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_Finalize(reserved: CK_VOID_PTR) -> CK_RV {
    around(Function::Finalize, On::Module, |shim, _| {
        let code = forward!(shim, C_Finalize(reserved));
        if code == CKR_OK {
            shim.life().end(&shim.page);
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_GetInfo(info: CK_INFO_PTR) -> CK_RV {
    around(Function::GetInfo, On::Module, |shim, _| {
        forward!(shim, C_GetInfo(info))
    })
}

pub(super) unsafe extern "C" fn C_GetSlotList(
    present: CK_BBOOL,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    around(Function::GetSlotList, On::Module, |shim, _| {
        if present != CK_FALSE && shim.is_absent() {
            // SAFETY: by the contract of this function.
            unsafe { memory::change(count, |count| *count = 0) };
            return CKR_OK;
        }
        let code = forward!(shim, C_GetSlotList(present, slots, count));
        if code == CKR_OK && shim.knobs.permuted_slots {
            // SAFETY: on success the wrapped module filled as many slots as it says.
            let slots = unsafe { memory::elements(slots, memory::read(count).unwrap_or(0)) };
            for slot in slots.iter_mut() {
                *slot = shim.slot(*slot);
            }
            slots.sort_by_key(|slot| mix(shim.seed ^ *slot));
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    around(Function::GetSlotInfo, On::Slot, |shim, _| {
        let code = forward!(shim, C_GetSlotInfo(shim.slot(slot), info));
        if code == CKR_OK && shim.is_absent() {
            // SAFETY: by the contract of this function.
            unsafe { memory::change(info, |info| info.flags &= !CKF_TOKEN_PRESENT) };
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    around(Function::GetTokenInfo, On::Slot, |shim, _| {
        let code = forward!(shim, C_GetTokenInfo(shim.slot(slot), info));
        if code == CKR_OK {
            // SAFETY: by the contract of this function.
            unsafe { memory::change(info, |info| describe(shim, info)) };
        }
        code
    })
}

fn describe(shim: &Shim, info: &mut CK_TOKEN_INFO) {
    if let Some(most) = shim.knobs.max_sessions {
        info.ulMaxSessionCount = most;
        info.ulMaxRwSessionCount = most;
    }
    let Some(tries) = shim.knobs.pin_tries else {
        return;
    };
    let failures = shim.page.pin_failures.load(Ordering::Acquire);
    for (flag, on) in [
        (CKF_USER_PIN_COUNT_LOW, failures > 0),
        (CKF_USER_PIN_FINAL_TRY, failures + 1 == tries),
        (CKF_USER_PIN_LOCKED, failures >= tries),
    ] {
        info.flags = if on {
            info.flags | flag
        } else {
            info.flags & !flag
        };
    }
}

pub(super) unsafe extern "C" fn C_GetMechanismList(
    slot: CK_SLOT_ID,
    list: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    around(Function::GetMechanismList, On::Slot, |shim, _| {
        let slot = shim.slot(slot);
        // The length says how many there are before ours are taken out: more room than needed, as the standard allows.
        let code = forward!(shim, C_GetMechanismList(slot, list, count));
        if code == CKR_OK && !list.is_null() {
            // SAFETY: on success the wrapped module filled as many mechanisms as it says.
            let filled = unsafe { memory::elements(list, memory::read(count).unwrap_or(0)) };
            let mut kept = 0;
            for place in 0..filled.len() {
                if filled
                    .get(place)
                    .is_some_and(|one| !shim.knobs.lacks_mechanism(*one))
                {
                    filled.swap(kept, place);
                    kept += 1;
                }
            }
            // SAFETY: by the contract of this function.
            unsafe { memory::change(count, |count| *count = kept as CK_ULONG) };
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_GetMechanismInfo(
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    info: CK_MECHANISM_INFO_PTR,
) -> CK_RV {
    around(Function::GetMechanismInfo, On::Slot, |shim, _| {
        if shim.knobs.lacks_mechanism(mechanism) {
            return CKR_MECHANISM_INVALID;
        }
        forward!(shim, C_GetMechanismInfo(shim.slot(slot), mechanism, info))
    })
}

pub(super) unsafe extern "C" fn C_InitToken(
    slot: CK_SLOT_ID,
    pin: CK_UTF8CHAR_PTR,
    pin_length: CK_ULONG,
    label: CK_UTF8CHAR_PTR,
) -> CK_RV {
    around(Function::InitToken, On::Slot, |shim, _| {
        forward!(shim, C_InitToken(shim.slot(slot), pin, pin_length, label))
    })
}

pub(super) unsafe extern "C" fn C_GetFunctionStatus(session: CK_SESSION_HANDLE) -> CK_RV {
    around(
        Function::GetFunctionStatus,
        On::Session(session),
        |shim, _| forward!(shim, C_GetFunctionStatus(session)),
    )
}

pub(super) unsafe extern "C" fn C_CancelFunction(session: CK_SESSION_HANDLE) -> CK_RV {
    around(Function::CancelFunction, On::Session(session), |shim, _| {
        forward!(shim, C_CancelFunction(session))
    })
}

pub(super) unsafe extern "C" fn C_WaitForSlotEvent(
    flags: CK_FLAGS,
    slot: CK_SLOT_ID_PTR,
    reserved: CK_VOID_PTR,
) -> CK_RV {
    around(Function::WaitForSlotEvent, On::Module, |shim, _| {
        let code = forward!(shim, C_WaitForSlotEvent(flags, slot, reserved));
        if code == CKR_OK {
            // SAFETY: by the contract of this function.
            unsafe { memory::change(slot, |slot| *slot = shim.slot(*slot)) };
        }
        code
    })
}
