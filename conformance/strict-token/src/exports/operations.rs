//! Encryption, decryption, digests and verification: mechanisms that are absent, and nonces that the token makes itself.

use cryptoki_sys::*;

use super::keys::check_mechanism;
use crate::shim::{On, Shim, around};
use crate::{Function, memory};

pub(super) unsafe extern "C" fn C_EncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    around(Function::EncryptInit, On::Session(session), |shim, _| {
        // SAFETY: by the contract of this function.
        let ready = unsafe {
            check_mechanism(shim, mechanism).and_then(|()| make_nonce(shim, session, mechanism))
        };
        if let Err(code) = ready {
            return code;
        }
        forward!(shim, C_EncryptInit(session, mechanism, key))
    })
}

/// Writes the token's own nonce over the caller's, where the token makes it.
unsafe fn make_nonce(
    shim: &Shim,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
) -> Result<(), CK_RV> {
    // SAFETY: null, or the mechanism our caller handed over.
    let Some(asked) = (unsafe { memory::read(mechanism) }) else {
        return Ok(());
    };
    if !shim.knobs.gcm_nonce_by_token || asked.mechanism != CKM_AES_GCM {
        return Ok(());
    }
    if asked.ulParameterLen != size_of::<CK_GCM_PARAMS>() as CK_ULONG {
        return Err(CKR_MECHANISM_PARAM_INVALID);
    }
    // SAFETY: the parameter of CKM_AES_GCM is of this type (PKCS#11 2.40 current mechanisms §2.11), and has its length.
    let parameters = unsafe { memory::read(asked.pParameter.cast::<CK_GCM_PARAMS>()) };
    let parameters = parameters.ok_or(CKR_MECHANISM_PARAM_INVALID)?;
    // SAFETY: room for the nonce, of the length beside it.
    let nonce = unsafe { memory::elements(parameters.pIv, parameters.ulIvLen) };
    if nonce.is_empty() {
        return Err(CKR_MECHANISM_PARAM_INVALID);
    }
    match shim.real.random(session, nonce) {
        CKR_OK => Ok(()),
        code => Err(code),
    }
}

with_mechanism! {
    C_DecryptInit = DecryptInit(key: CK_OBJECT_HANDLE);
    C_DigestInit = DigestInit();
    C_VerifyInit = VerifyInit(key: CK_OBJECT_HANDLE);
    C_VerifyRecoverInit = VerifyRecoverInit(key: CK_OBJECT_HANDLE);
}

passed_on! {
    C_Encrypt = Encrypt(data: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_EncryptUpdate = EncryptUpdate(part: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_EncryptFinal = EncryptFinal(out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_Decrypt = Decrypt(data: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_DecryptUpdate = DecryptUpdate(part: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_DecryptFinal = DecryptFinal(out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_Digest = Digest(data: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_DigestUpdate = DigestUpdate(part: CK_BYTE_PTR, length: CK_ULONG);
    C_DigestKey = DigestKey(key: CK_OBJECT_HANDLE);
    C_DigestFinal = DigestFinal(out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_Verify = Verify(data: CK_BYTE_PTR, length: CK_ULONG, signature: CK_BYTE_PTR, signature_length: CK_ULONG);
    C_VerifyUpdate = VerifyUpdate(part: CK_BYTE_PTR, length: CK_ULONG);
    C_VerifyFinal = VerifyFinal(signature: CK_BYTE_PTR, signature_length: CK_ULONG);
    C_VerifyRecover = VerifyRecover(
        signature: CK_BYTE_PTR, signature_length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_DigestEncryptUpdate = DigestEncryptUpdate(
        part: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_DecryptDigestUpdate = DecryptDigestUpdate(
        part: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_SignEncryptUpdate = SignEncryptUpdate(
        part: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
    C_DecryptVerifyUpdate = DecryptVerifyUpdate(
        part: CK_BYTE_PTR, length: CK_ULONG, out: CK_BYTE_PTR, out_length: CK_ULONG_PTR);
}
