//! Sessions, the login, and the token's random source.

use std::sync::atomic::Ordering;

use cryptoki_sys::*;

use crate::knobs::NewObjects;
use crate::shim::{On, Shim, around};
use crate::{Function, memory};

pub(super) unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: CK_VOID_PTR,
    notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    around(Function::OpenSession, On::Slot, |shim, _| {
        if let (Some(code), 0) = (shim.knobs.read_only_session, flags & CKF_RW_SESSION) {
            return code.0;
        }
        let slot = shim.slot(slot);
        // Held over the call, so that two threads cannot both take the last session.
        let mut life = shim.life();
        let open = shim.page.sum(|process| &process.sessions);
        if shim.knobs.max_sessions.is_some_and(|most| open >= most) {
            return CKR_SESSION_COUNT;
        }
        let code = forward!(
            shim,
            C_OpenSession(slot, flags, application, notify, session)
        );
        // SAFETY: by the contract of this function.
        if let (CKR_OK, Some(handle)) = (code, unsafe { memory::read(session) }) {
            life.opened(handle, slot);
            if let Some(process) = shim.page.process() {
                process.sessions.fetch_add(1, Ordering::AcqRel);
            }
            let open = shim.page.sum(|process| &process.sessions);
            shim.page.sessions_most.fetch_max(open, Ordering::AcqRel);
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    around(Function::CloseSession, On::Session(session), |shim, _| {
        let code = forward!(shim, C_CloseSession(session));
        if code == CKR_OK {
            shim.life().closed(&shim.page, session);
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    around(Function::CloseAllSessions, On::Slot, |shim, _| {
        let slot = shim.slot(slot);
        let code = forward!(shim, C_CloseAllSessions(slot));
        if code == CKR_OK {
            shim.life().closed_all(&shim.page, slot);
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_GetSessionInfo(
    session: CK_SESSION_HANDLE,
    info: CK_SESSION_INFO_PTR,
) -> CK_RV {
    around(Function::GetSessionInfo, On::Session(session), |shim, _| {
        let code = forward!(shim, C_GetSessionInfo(session, info));
        if code == CKR_OK {
            // SAFETY: by the contract of this function.
            unsafe { memory::change(info, |info| info.slotID = shim.slot(info.slotID)) };
        }
        code
    })
}

pub(super) unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    pin_length: CK_ULONG,
) -> CK_RV {
    around(Function::Login, On::Session(session), |shim, _| {
        if user == CKU_SO {
            return forward!(shim, C_Login(session, user, pin, pin_length));
        }
        let code = with_pin(shim, || {
            forward!(shim, C_Login(session, user, pin, pin_length))
        });
        if code == CKR_OK && shim.knobs.new_objects != NewObjects::Visible {
            shim.life().look_around(&shim.real, session);
        }
        code
    })
}

/// Offers the user PIN unless it is locked.
fn with_pin(shim: &Shim, offer: impl FnOnce() -> CK_RV) -> CK_RV {
    if shim.is_pin_locked() {
        return CKR_PIN_LOCKED;
    }
    let code = offer();
    shim.note_pin(code);
    code
}

pub(super) unsafe extern "C" fn C_SetPIN(
    session: CK_SESSION_HANDLE,
    old: CK_UTF8CHAR_PTR,
    old_length: CK_ULONG,
    new: CK_UTF8CHAR_PTR,
    new_length: CK_ULONG,
) -> CK_RV {
    around(Function::SetPin, On::Session(session), |shim, _| {
        let offer = || forward!(shim, C_SetPIN(session, old, old_length, new, new_length));
        if shim.real.is_officer(session) {
            offer()
        } else {
            with_pin(shim, offer)
        }
    })
}

pub(super) unsafe extern "C" fn C_InitPIN(
    session: CK_SESSION_HANDLE,
    pin: CK_UTF8CHAR_PTR,
    pin_length: CK_ULONG,
) -> CK_RV {
    around(Function::InitPin, On::Session(session), |shim, _| {
        let code = forward!(shim, C_InitPIN(session, pin, pin_length));
        if code == CKR_OK {
            shim.page.pin_failures.store(0, Ordering::Release);
        }
        code
    })
}

passed_on! {
    C_Logout = Logout();
    C_GetOperationState = GetOperationState(state: CK_BYTE_PTR, length: CK_ULONG_PTR);
    C_SetOperationState = SetOperationState(
        state: CK_BYTE_PTR, length: CK_ULONG, encrypts: CK_OBJECT_HANDLE, authenticates: CK_OBJECT_HANDLE);
    C_SeedRandom = SeedRandom(seed: CK_BYTE_PTR, length: CK_ULONG);
    C_GenerateRandom = GenerateRandom(random: CK_BYTE_PTR, length: CK_ULONG);
}
