//! A PKCS#11 module called as C calls it.
#![expect(
    unsafe_code,
    reason = "calls a PKCS#11 module through its function list"
)]

use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::*;
use strict_token::module_file;

pub(crate) const PIN: &[u8] = b"user-1234";
const OFFICER: &[u8] = b"officer-1234";
const SECP256R1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Calls a function of the list.
macro_rules! call {
    ($module:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        let function = $module.0.$name.unwrap();
        // SAFETY: every pointer given below points to a live local of the length given beside it.
        unsafe { function($($argument),*) }
    }};
}

#[derive(Clone, Copy)]
pub(crate) struct Module(CK_FUNCTION_LIST);

pub(crate) struct Pair {
    pub(crate) public: CK_OBJECT_HANDLE,
    pub(crate) private: CK_OBJECT_HANDLE,
}

pub(crate) fn flag(kind: CK_ATTRIBUTE_TYPE, value: bool) -> (CK_ATTRIBUTE_TYPE, Vec<u8>) {
    (kind, vec![u8::from(value)])
}

pub(crate) fn number(kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> (CK_ATTRIBUTE_TYPE, Vec<u8>) {
    (kind, value.to_ne_bytes().to_vec())
}

type Template = [(CK_ATTRIBUTE_TYPE, Vec<u8>)];

fn raw(template: &Template) -> Vec<CK_ATTRIBUTE> {
    template
        .iter()
        .map(|(kind, value)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: value.as_ptr().cast_mut().cast(),
            ulValueLen: value.len() as CK_ULONG,
        })
        .collect()
}

fn mechanism(kind: CK_MECHANISM_TYPE) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: kind,
        pParameter: ptr::null_mut(),
        ulParameterLen: 0,
    }
}

impl Module {
    pub(crate) fn load() -> Self {
        let file = module_file().unwrap();
        // SAFETY: a PKCS#11 module; its initialisers do nothing but what the loader does.
        let library = Box::leak(Box::new(unsafe { Pkcs11::new(file) }.unwrap()));
        let mut list = ptr::null_mut();
        // SAFETY: room for one pointer; on success it points to a static list.
        let list = unsafe {
            assert_eq!(library.C_GetFunctionList(&raw mut list), CKR_OK);
            *list
        };
        Self(list)
    }

    pub(crate) fn initialize(&self) -> CK_RV {
        let mut arguments = CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags: CKF_OS_LOCKING_OK,
            pReserved: ptr::null_mut(),
        };
        call!(self, C_Initialize((&raw mut arguments).cast::<c_void>()))
    }

    pub(crate) fn finalize(&self) -> CK_RV {
        call!(self, C_Finalize(ptr::null_mut()))
    }

    pub(crate) fn slots(&self) -> (CK_RV, Vec<CK_SLOT_ID>) {
        let mut slots = [0; 16];
        let mut count = 16;
        let code = call!(
            self,
            C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count)
        );
        (
            code,
            slots
                .into_iter()
                .take(usize::try_from(count).unwrap())
                .collect(),
        )
    }

    /// Makes a token with a user PIN and gives its slot; leaves no session open.
    pub(crate) fn make_token(&self) -> CK_SLOT_ID {
        assert_eq!(self.initialize(), CKR_OK);
        let mut label = *b"strict                          ";
        let slot = *self.slots().1.first().unwrap();
        let officer = (OFFICER.as_ptr().cast_mut(), OFFICER.len() as CK_ULONG);
        let made = call!(
            self,
            C_InitToken(slot, officer.0, officer.1, label.as_mut_ptr())
        );
        assert_eq!(made, CKR_OK);
        let slot = self.token();
        let (_, session) = self.open(slot);
        assert_eq!(
            call!(self, C_Login(session, CKU_SO, officer.0, officer.1)),
            CKR_OK
        );
        let user = (PIN.as_ptr().cast_mut(), PIN.len() as CK_ULONG);
        assert_eq!(call!(self, C_InitPIN(session, user.0, user.1)), CKR_OK);
        assert_eq!(self.close(session), CKR_OK);
        slot
    }

    /// The slot of the token that was made; the other one is blank.
    pub(crate) fn token(&self) -> CK_SLOT_ID {
        let (_, slots) = self.slots();
        let initialised = |slot: &CK_SLOT_ID| self.token_flags(*slot) & CKF_TOKEN_INITIALIZED != 0;
        slots.into_iter().find(initialised).unwrap()
    }

    pub(crate) fn token_info(&self, slot: CK_SLOT_ID) -> (CK_RV, CK_TOKEN_INFO) {
        let mut info = CK_TOKEN_INFO::default();
        let code = call!(self, C_GetTokenInfo(slot, &raw mut info));
        (code, info)
    }

    pub(crate) fn token_flags(&self, slot: CK_SLOT_ID) -> CK_FLAGS {
        self.token_info(slot).1.flags
    }

    pub(crate) fn open(&self, slot: CK_SLOT_ID) -> (CK_RV, CK_SESSION_HANDLE) {
        self.open_with(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
    }

    pub(crate) fn open_with(
        &self,
        slot: CK_SLOT_ID,
        flags: CK_FLAGS,
    ) -> (CK_RV, CK_SESSION_HANDLE) {
        let mut session = 0;
        let code = call!(
            self,
            C_OpenSession(slot, flags, ptr::null_mut(), None, &raw mut session)
        );
        (code, session)
    }

    pub(crate) fn close(&self, session: CK_SESSION_HANDLE) -> CK_RV {
        call!(self, C_CloseSession(session))
    }

    pub(crate) fn login(&self, session: CK_SESSION_HANDLE, pin: &[u8]) -> CK_RV {
        let pin = (pin.as_ptr().cast_mut(), pin.len() as CK_ULONG);
        call!(self, C_Login(session, CKU_USER, pin.0, pin.1))
    }

    /// A token with a session that is logged in.
    pub(crate) fn ready(&self) -> CK_SESSION_HANDLE {
        let slot = self.make_token();
        let (code, session) = self.open(slot);
        assert_eq!(code, CKR_OK);
        assert_eq!(self.login(session, PIN), CKR_OK);
        session
    }

    pub(crate) fn session_state(&self, session: CK_SESSION_HANDLE) -> (CK_RV, CK_STATE) {
        let mut info = CK_SESSION_INFO {
            slotID: 0,
            state: 0,
            flags: 0,
            ulDeviceError: 0,
        };
        let code = call!(self, C_GetSessionInfo(session, &raw mut info));
        (code, info.state)
    }

    pub(crate) fn generate_pair(
        &self,
        session: CK_SESSION_HANDLE,
        private: &Template,
    ) -> (CK_RV, Pair) {
        let public = [
            flag(CKA_TOKEN, true),
            flag(CKA_VERIFY, true),
            (CKA_EC_PARAMS, SECP256R1.to_vec()),
        ];
        let (mut public, mut private) = (raw(&public), raw(private));
        let mut asked = mechanism(CKM_EC_KEY_PAIR_GEN);
        let mut pair = Pair {
            public: 0,
            private: 0,
        };
        let code = call!(
            self,
            C_GenerateKeyPair(
                session,
                &raw mut asked,
                public.as_mut_ptr(),
                public.len() as CK_ULONG,
                private.as_mut_ptr(),
                private.len() as CK_ULONG,
                &raw mut pair.public,
                &raw mut pair.private,
            )
        );
        (code, pair)
    }

    /// A P-256 key for signing.
    pub(crate) fn signing_pair(&self, session: CK_SESSION_HANDLE) -> Pair {
        let private = [
            flag(CKA_TOKEN, true),
            flag(CKA_PRIVATE, true),
            flag(CKA_SENSITIVE, true),
            flag(CKA_SIGN, true),
            (CKA_LABEL, b"signs".to_vec()),
        ];
        let (code, pair) = self.generate_pair(session, &private);
        assert_eq!(code, CKR_OK);
        pair
    }

    pub(crate) fn aes_key(&self, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
        let template = [
            number(CKA_VALUE_LEN, 32),
            flag(CKA_ENCRYPT, true),
            flag(CKA_DECRYPT, true),
        ];
        let mut template = raw(&template);
        let mut asked = mechanism(CKM_AES_KEY_GEN);
        let mut key = 0;
        let count = template.len() as CK_ULONG;
        let code = call!(
            self,
            C_GenerateKey(
                session,
                &raw mut asked,
                template.as_mut_ptr(),
                count,
                &raw mut key
            )
        );
        assert_eq!(code, CKR_OK);
        key
    }

    pub(crate) fn sign_init(
        &self,
        session: CK_SESSION_HANDLE,
        kind: CK_MECHANISM_TYPE,
        key: CK_OBJECT_HANDLE,
    ) -> CK_RV {
        let mut asked = mechanism(kind);
        call!(self, C_SignInit(session, &raw mut asked, key))
    }

    /// Signs in one part, asking for the length first, as careful callers do.
    pub(crate) fn sign(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
        digest: &[u8; 32],
    ) -> (CK_RV, Vec<u8>) {
        let code = self.sign_init(session, CKM_ECDSA, key);
        if code != CKR_OK {
            return (code, Vec::new());
        }
        let data = digest.as_ptr().cast_mut();
        let mut length = 0;
        let code = call!(
            self,
            C_Sign(session, data, 32, ptr::null_mut(), &raw mut length)
        );
        if code != CKR_OK {
            return (code, Vec::new());
        }
        let mut signature = vec![0; usize::try_from(length).unwrap()];
        let code = call!(
            self,
            C_Sign(session, data, 32, signature.as_mut_ptr(), &raw mut length)
        );
        signature.truncate(usize::try_from(length).unwrap());
        (code, signature)
    }

    pub(crate) fn verifies(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> bool {
        let mut asked = mechanism(CKM_ECDSA);
        let begun = call!(self, C_VerifyInit(session, &raw mut asked, key));
        assert_eq!(begun, CKR_OK);
        let data = digest.as_ptr().cast_mut();
        let (at, length) = (signature.as_ptr().cast_mut(), signature.len() as CK_ULONG);
        call!(self, C_Verify(session, data, 32, at, length)) == CKR_OK
    }

    /// One attribute of at most 64 bytes.
    pub(crate) fn attribute(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> (CK_RV, Vec<u8>) {
        let mut value = vec![0; 64];
        let mut wanted = CK_ATTRIBUTE {
            type_: kind,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: 64,
        };
        let code = call!(
            self,
            C_GetAttributeValue(session, object, &raw mut wanted, 1)
        );
        value.truncate(usize::try_from(wanted.ulValueLen).unwrap_or(0));
        (code, value)
    }

    pub(crate) fn set_attribute(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        attribute: &(CK_ATTRIBUTE_TYPE, Vec<u8>),
    ) -> CK_RV {
        let mut template = raw(std::slice::from_ref(attribute));
        call!(
            self,
            C_SetAttributeValue(session, object, template.as_mut_ptr(), 1)
        )
    }

    /// Every object a session sees, searched one handle at a time.
    pub(crate) fn objects(&self, session: CK_SESSION_HANDLE) -> Vec<CK_OBJECT_HANDLE> {
        assert_eq!(
            call!(self, C_FindObjectsInit(session, ptr::null_mut(), 0)),
            CKR_OK
        );
        let mut all = Vec::new();
        loop {
            let (mut object, mut count) = (0, 0);
            let code = call!(
                self,
                C_FindObjects(session, &raw mut object, 1, &raw mut count)
            );
            assert_eq!(code, CKR_OK);
            if count == 0 {
                break;
            }
            all.push(object);
        }
        assert_eq!(call!(self, C_FindObjectsFinal(session)), CKR_OK);
        all
    }

    pub(crate) fn random(&self, session: CK_SESSION_HANDLE) -> CK_RV {
        let mut bytes = [0; 8];
        call!(self, C_GenerateRandom(session, bytes.as_mut_ptr(), 8))
    }

    pub(crate) fn mechanisms(&self, slot: CK_SLOT_ID) -> Vec<CK_MECHANISM_TYPE> {
        let mut count = 0;
        let code = call!(
            self,
            C_GetMechanismList(slot, ptr::null_mut(), &raw mut count)
        );
        assert_eq!(code, CKR_OK);
        let mut list = vec![0; usize::try_from(count).unwrap()];
        let code = call!(
            self,
            C_GetMechanismList(slot, list.as_mut_ptr(), &raw mut count)
        );
        assert_eq!(code, CKR_OK);
        list.truncate(usize::try_from(count).unwrap());
        list
    }

    pub(crate) fn mechanism_info(&self, slot: CK_SLOT_ID, kind: CK_MECHANISM_TYPE) -> CK_RV {
        let mut info = CK_MECHANISM_INFO {
            ulMinKeySize: 0,
            ulMaxKeySize: 0,
            flags: 0,
        };
        call!(self, C_GetMechanismInfo(slot, kind, &raw mut info))
    }

    /// AES-GCM with this nonce, which the token may replace.
    pub(crate) fn gcm(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
        nonce: &mut [u8; 12],
        seals: bool,
        data: &[u8],
    ) -> (CK_RV, Vec<u8>) {
        let mut parameters = CK_GCM_PARAMS {
            pIv: nonce.as_mut_ptr(),
            ulIvLen: 12,
            ulIvBits: 96,
            pAAD: ptr::null_mut(),
            ulAADLen: 0,
            ulTagBits: 128,
        };
        let mut asked = CK_MECHANISM {
            mechanism: CKM_AES_GCM,
            pParameter: (&raw mut parameters).cast(),
            ulParameterLen: size_of::<CK_GCM_PARAMS>() as CK_ULONG,
        };
        let begun = if seals {
            call!(self, C_EncryptInit(session, &raw mut asked, key))
        } else {
            call!(self, C_DecryptInit(session, &raw mut asked, key))
        };
        assert_eq!(begun, CKR_OK);
        let mut out = vec![0; data.len() + 64];
        let mut length = out.len() as CK_ULONG;
        let (at, given) = (data.as_ptr().cast_mut(), data.len() as CK_ULONG);
        let code = if seals {
            call!(
                self,
                C_Encrypt(session, at, given, out.as_mut_ptr(), &raw mut length)
            )
        } else {
            call!(
                self,
                C_Decrypt(session, at, given, out.as_mut_ptr(), &raw mut length)
            )
        };
        out.truncate(usize::try_from(length).unwrap());
        (code, out)
    }
}
