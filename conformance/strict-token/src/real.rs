//! The wrapped module: its function list, and the few calls that this crate makes on its own account.
#![expect(unsafe_code, reason = "calls a PKCS#11 module")]

use std::ops::Deref;
use std::path::Path;
use std::ptr;

use cryptoki_sys as sys;

use crate::life::Name;

/// How many handles a search of ours takes at once.
const FOUND_AT_ONCE: usize = 256;
/// Bytes of the longest label we read.
const LONGEST_VALUE: usize = 1024;

/// The function list of the wrapped module; the module stays loaded until the process ends.
pub(crate) struct Real(sys::CK_FUNCTION_LIST);

impl Deref for Real {
    type Target = sys::CK_FUNCTION_LIST;

    fn deref(&self) -> &sys::CK_FUNCTION_LIST {
        &self.0
    }
}

impl Real {
    /// Loads a module by its path.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let in_words = |e: &dyn std::fmt::Display| format!("module {}: {e}", path.display());
        // SAFETY: runs the initialisers of a PKCS#11 module that the settings name, as every user of that module does.
        let library = unsafe { sys::Pkcs11::new(path) }.map_err(|e| in_words(&e))?;
        let entry = *library
            .C_GetFunctionList
            .as_ref()
            .map_err(|e| in_words(&e))?;
        let mut list = ptr::null_mut();
        // SAFETY: the entry point of PKCS#11, given a place for one pointer.
        let code = unsafe { entry(&raw mut list) };
        // The functions are called until the process ends, so the library must never be unloaded.
        std::mem::forget(library);
        if code != sys::CKR_OK {
            return Err(in_words(&format_args!(
                "C_GetFunctionList answers {code:#x}"
            )));
        }
        // SAFETY: on success it points to the module's list, which is static (PKCS#11 2.40 §5.4).
        unsafe { list.as_ref() }
            .map(|list| Self(*list))
            .ok_or_else(|| in_words(&"C_GetFunctionList gave no list"))
    }

    /// Closes a session that was declared dead.
    pub(crate) fn close(&self, session: sys::CK_SESSION_HANDLE) {
        if let Some(close) = self.C_CloseSession {
            // SAFETY: takes a number; a session that is closed already is an error, which is what we want.
            unsafe { close(session) };
        }
    }

    /// Logs the process out.
    pub(crate) fn log_out(&self, session: sys::CK_SESSION_HANDLE) {
        if let Some(logout) = self.C_Logout {
            // SAFETY: takes a number.
            unsafe { logout(session) };
        }
    }

    /// Every object a session sees; `None` when the session is searching already.
    pub(crate) fn objects(&self, session: sys::CK_SESSION_HANDLE) -> Option<Vec<u64>> {
        let (init, find, end) = (
            self.C_FindObjectsInit?,
            self.C_FindObjects?,
            self.C_FindObjectsFinal?,
        );
        // SAFETY: an empty template (PKCS#11 2.40 §5.7).
        if unsafe { init(session, ptr::null_mut(), 0) } != sys::CKR_OK {
            return None;
        }
        let mut all = Vec::new();
        loop {
            let mut some = [0; FOUND_AT_ONCE];
            let mut count = 0;
            // SAFETY: room for as many handles as are asked for.
            let code = unsafe {
                find(
                    session,
                    some.as_mut_ptr(),
                    FOUND_AT_ONCE as u64,
                    &raw mut count,
                )
            };
            let found = usize::try_from(count).ok().and_then(|n| some.get(..n));
            match found {
                Some(found) if code == sys::CKR_OK && !found.is_empty() => all.extend(found),
                _ => break,
            }
        }
        // SAFETY: takes a number.
        unsafe { end(session) };
        Some(all)
    }

    /// Whether an object lies in the token rather than in a session.
    pub(crate) fn is_token_object(&self, session: sys::CK_SESSION_HANDLE, object: u64) -> bool {
        self.attribute(session, object, sys::CKA_TOKEN) == [sys::CK_TRUE]
    }

    /// Class and label of an object; what it lacks stays empty.
    pub(crate) fn name(&self, session: sys::CK_SESSION_HANDLE, object: u64) -> Name {
        let class = self.attribute(session, object, sys::CKA_CLASS);
        (
            class.try_into().map_or(0, u64::from_ne_bytes),
            self.attribute(session, object, sys::CKA_LABEL),
        )
    }

    /// The value of one attribute; empty when there is none or it is longer than any that we ask for.
    fn attribute(&self, session: sys::CK_SESSION_HANDLE, object: u64, kind: u64) -> Vec<u8> {
        let mut value = vec![0; LONGEST_VALUE];
        let mut wanted = sys::CK_ATTRIBUTE {
            type_: kind,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: LONGEST_VALUE as u64,
        };
        let code = self.C_GetAttributeValue.map(|get| {
            // SAFETY: one attribute with room for as many bytes as it says.
            unsafe { get(session, object, &raw mut wanted, 1) }
        });
        let length = usize::try_from(wanted.ulValueLen).unwrap_or(0);
        value.truncate(if code == Some(sys::CKR_OK) { length } else { 0 });
        value
    }

    /// Whether a session is the security officer's.
    pub(crate) fn is_officer(&self, session: sys::CK_SESSION_HANDLE) -> bool {
        let mut info = sys::CK_SESSION_INFO {
            slotID: 0,
            state: 0,
            flags: 0,
            ulDeviceError: 0,
        };
        let code = self.C_GetSessionInfo.map(|get| {
            // SAFETY: room for one answer.
            unsafe { get(session, &raw mut info) }
        });
        code == Some(sys::CKR_OK) && info.state == sys::CKS_RW_SO_FUNCTIONS
    }

    /// Fills a buffer with the token's random bytes; the answer is the module's.
    pub(crate) fn random(&self, session: sys::CK_SESSION_HANDLE, buffer: &mut [u8]) -> u64 {
        self.C_GenerateRandom
            .map_or(sys::CKR_FUNCTION_NOT_SUPPORTED, |random| {
                // SAFETY: the buffer is as long as said.
                unsafe { random(session, buffer.as_mut_ptr(), buffer.len() as u64) }
            })
    }
}
