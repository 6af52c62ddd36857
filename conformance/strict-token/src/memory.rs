//! Looking into the caller's memory: the few places where a C pointer of PKCS#11 becomes a value.
//!
//! Contract of every function here, as PKCS#11 2.40 §5 puts it to the caller of a module: a pointer is null or points to as many
//! elements as the length beside it says, and nobody else touches them during the call.
#![expect(unsafe_code, reason = "PKCS#11 hands over C pointers")]

use std::slice;

use cryptoki_sys as sys;

use crate::knobs::Given;

/// The bytes at a pointer; none when it is null.
pub(crate) unsafe fn bytes<'a>(at: *const u8, length: sys::CK_ULONG) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: by this module's contract.
        Ok(length) if !at.is_null() => unsafe { slice::from_raw_parts(at, length) },
        _ => &[],
    }
}

/// The elements at a pointer, to be changed; none when it is null.
pub(crate) unsafe fn elements<'a, T>(at: *mut T, length: sys::CK_ULONG) -> &'a mut [T] {
    match usize::try_from(length) {
        // SAFETY: by this module's contract.
        Ok(length) if !at.is_null() => unsafe { slice::from_raw_parts_mut(at, length) },
        _ => &mut [],
    }
}

/// The value at a pointer.
pub(crate) unsafe fn read<T: Copy>(at: *const T) -> Option<T> {
    // SAFETY: by this module's contract.
    unsafe { at.as_ref() }.copied()
}

/// Changes the value at a pointer.
pub(crate) unsafe fn change<T>(at: *mut T, change: impl FnOnce(&mut T)) {
    // SAFETY: by this module's contract.
    if let Some(value) = unsafe { at.as_mut() } {
        change(value);
    }
}

/// The attributes of a template, flags with their values.
pub(crate) unsafe fn given(template: *mut sys::CK_ATTRIBUTE, count: sys::CK_ULONG) -> Vec<Given> {
    // SAFETY: by this module's contract.
    let attributes = unsafe { elements(template, count) };
    attributes
        .iter()
        .map(|attribute| (attribute.type_, flag(attribute)))
        .collect()
}

fn flag(attribute: &sys::CK_ATTRIBUTE) -> Option<bool> {
    // SAFETY: by this module's contract, an attribute's value has the length beside it.
    let value = unsafe { bytes(attribute.pValue.cast(), attribute.ulValueLen) };
    match value {
        [byte] => Some(*byte != sys::CK_FALSE),
        _ => None,
    }
}

/// The object class a template names.
pub(crate) unsafe fn class(
    template: *mut sys::CK_ATTRIBUTE,
    count: sys::CK_ULONG,
) -> Option<sys::CK_OBJECT_CLASS> {
    // SAFETY: by this module's contract.
    let attributes = unsafe { elements(template, count) };
    let class = attributes
        .iter()
        .find(|attribute| attribute.type_ == sys::CKA_CLASS)?;
    // SAFETY: as above.
    let value = unsafe { bytes(class.pValue.cast(), class.ulValueLen) };
    value
        .try_into()
        .ok()
        .map(sys::CK_OBJECT_CLASS::from_ne_bytes)
}

/// A template with some flags set as told: those it gives are replaced, the others appended.
pub(crate) unsafe fn with_flags(
    template: *mut sys::CK_ATTRIBUTE,
    count: sys::CK_ULONG,
    flags: impl Iterator<Item = (u64, bool)>,
) -> Vec<sys::CK_ATTRIBUTE> {
    static YES: sys::CK_BBOOL = sys::CK_TRUE;
    static NO: sys::CK_BBOOL = sys::CK_FALSE;
    // SAFETY: by this module's contract.
    let mut attributes = unsafe { elements(template, count) }.to_vec();
    for (kind, value) in flags {
        attributes.retain(|attribute| attribute.type_ != kind);
        attributes.push(sys::CK_ATTRIBUTE {
            type_: kind,
            pValue: (&raw const *if value { &YES } else { &NO })
                .cast_mut()
                .cast(),
            ulValueLen: 1,
        });
    }
    attributes
}
