//! Objects: templates that are refused, attributes that are missing, objects that a search does not show.

use cryptoki_sys::*;

use crate::knobs::NewObjects;
use crate::shim::{On, Shim, around};
use crate::{Function, memory};

pub(super) unsafe extern "C" fn C_CreateObject(
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    object: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    around(Function::CreateObject, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        let (class, given) = unsafe {
            (
                memory::class(template, count),
                memory::given(template, count),
            )
        };
        let checked = match class {
            Some(CKO_PRIVATE_KEY | CKO_SECRET_KEY) => shim.knobs.check_private(&given),
            Some(CKO_PUBLIC_KEY) => shim.knobs.check_public(&given),
            _ => Ok(()),
        };
        if let Err(code) = checked {
            return code;
        }
        let code = forward!(shim, C_CreateObject(session, template, count, object));
        // SAFETY: by the contract of this function.
        unsafe { note_made(shim, session, code, object) }
    })
}

/// Remembers a new object; gives the code back.
pub(super) unsafe fn note_made(
    shim: &Shim,
    session: CK_SESSION_HANDLE,
    code: CK_RV,
    object: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    // SAFETY: null, or a handle that the wrapped module wrote on success.
    if let (CKR_OK, Some(handle)) = (code, unsafe { memory::read(object) })
        && shim.knobs.new_objects != NewObjects::Visible
    {
        let name = shim.real.name(session, handle);
        shim.life().made(name);
    }
    code
}

pub(super) unsafe extern "C" fn C_CopyObject(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    copy: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    around(Function::CopyObject, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        let given = unsafe { memory::given(template, count) };
        if let Err(code) = shim.knobs.check_private(&given) {
            return code;
        }
        let code = forward!(shim, C_CopyObject(session, object, template, count, copy));
        // SAFETY: by the contract of this function.
        unsafe { note_made(shim, session, code, copy) }
    })
}

pub(super) unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    around(
        Function::GetAttributeValue,
        On::Session(session),
        |shim, _| {
            let code = forward!(shim, C_GetAttributeValue(session, object, template, count));
            if !matches!(
                code,
                CKR_OK
                    | CKR_ATTRIBUTE_SENSITIVE
                    | CKR_ATTRIBUTE_TYPE_INVALID
                    | CKR_BUFFER_TOO_SMALL
            ) {
                return code;
            }
            let mut missing = false;
            // SAFETY: by the contract of this function.
            for attribute in unsafe { memory::elements(template, count) } {
                if shim.knobs.lacks_attribute(attribute.type_) {
                    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                    missing = true;
                }
            }
            if missing {
                CKR_ATTRIBUTE_TYPE_INVALID
            } else {
                code
            }
        },
    )
}

pub(super) unsafe extern "C" fn C_SetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    around(
        Function::SetAttributeValue,
        On::Session(session),
        |shim, _| {
            // SAFETY: by the contract of this function.
            let given = unsafe { memory::given(template, count) };
            if let Err(code) = shim.knobs.check_private(&given) {
                return code;
            }
            forward!(shim, C_SetAttributeValue(session, object, template, count))
        },
    )
}

pub(super) unsafe extern "C" fn C_FindObjects(
    session: CK_SESSION_HANDLE,
    objects: CK_OBJECT_HANDLE_PTR,
    most: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    around(Function::FindObjects, On::Session(session), |shim, _| {
        loop {
            let code = forward!(shim, C_FindObjects(session, objects, most, count));
            if code != CKR_OK || shim.knobs.new_objects == NewObjects::Visible {
                return code;
            }
            // SAFETY: on success the wrapped module filled as many handles as it says.
            let found = unsafe { memory::elements(objects, memory::read(count).unwrap_or(0)) };
            let kept = keep_seen(shim, session, found);
            // A count of zero means the end of the search, so a full batch of unseen objects is passed over.
            if kept > 0 || found.is_empty() {
                // SAFETY: by the contract of this function.
                unsafe { memory::change(count, |count| *count = kept) };
                return CKR_OK;
            }
        }
    })
}

/// Moves the objects that a search shows to the front; tells how many they are.
fn keep_seen(shim: &Shim, session: CK_SESSION_HANDLE, found: &mut [CK_OBJECT_HANDLE]) -> CK_ULONG {
    let life = shim.life();
    let mut kept = 0;
    for place in 0..found.len() {
        let Some(object) = found.get(place).copied() else {
            break;
        };
        if life.sees(&shim.real, shim.knobs.new_objects, session, object) {
            found.swap(kept, place);
            kept += 1;
        }
    }
    kept as CK_ULONG
}

passed_on! {
    C_DestroyObject = DestroyObject(object: CK_OBJECT_HANDLE);
    C_GetObjectSize = GetObjectSize(object: CK_OBJECT_HANDLE, size: CK_ULONG_PTR);
    C_FindObjectsInit = FindObjectsInit(template: CK_ATTRIBUTE_PTR, count: CK_ULONG);
    C_FindObjectsFinal = FindObjectsFinal();
}
