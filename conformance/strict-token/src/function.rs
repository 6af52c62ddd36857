//! The functions of PKCS#11 2.40, as names for counters and faults.

macro_rules! functions {
    ($($name:ident = $text:literal,)*) => {
        /// A PKCS#11 function; the length queries of the signing functions (no buffer given) stand for themselves.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        #[expect(missing_docs, reason = "each is the function of its name in PKCS#11 2.40 §5")]
        pub enum Function {
            $($name,)*
        }

        impl Function {
            /// Every function.
            pub const ALL: [Self; [$($text,)*].len()] = [$(Self::$name,)*];

            /// The name in the standard.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

functions! {
    Initialize = "C_Initialize",
    Finalize = "C_Finalize",
    GetInfo = "C_GetInfo",
    GetSlotList = "C_GetSlotList",
    GetSlotInfo = "C_GetSlotInfo",
    GetTokenInfo = "C_GetTokenInfo",
    GetMechanismList = "C_GetMechanismList",
    GetMechanismInfo = "C_GetMechanismInfo",
    InitToken = "C_InitToken",
    InitPin = "C_InitPIN",
    SetPin = "C_SetPIN",
    OpenSession = "C_OpenSession",
    CloseSession = "C_CloseSession",
    CloseAllSessions = "C_CloseAllSessions",
    GetSessionInfo = "C_GetSessionInfo",
    GetOperationState = "C_GetOperationState",
    SetOperationState = "C_SetOperationState",
    Login = "C_Login",
    Logout = "C_Logout",
    CreateObject = "C_CreateObject",
    CopyObject = "C_CopyObject",
    DestroyObject = "C_DestroyObject",
    GetObjectSize = "C_GetObjectSize",
    GetAttributeValue = "C_GetAttributeValue",
    SetAttributeValue = "C_SetAttributeValue",
    FindObjectsInit = "C_FindObjectsInit",
    FindObjects = "C_FindObjects",
    FindObjectsFinal = "C_FindObjectsFinal",
    EncryptInit = "C_EncryptInit",
    Encrypt = "C_Encrypt",
    EncryptUpdate = "C_EncryptUpdate",
    EncryptFinal = "C_EncryptFinal",
    DecryptInit = "C_DecryptInit",
    Decrypt = "C_Decrypt",
    DecryptUpdate = "C_DecryptUpdate",
    DecryptFinal = "C_DecryptFinal",
    DigestInit = "C_DigestInit",
    Digest = "C_Digest",
    DigestUpdate = "C_DigestUpdate",
    DigestKey = "C_DigestKey",
    DigestFinal = "C_DigestFinal",
    SignInit = "C_SignInit",
    Sign = "C_Sign",
    SignLength = "C_Sign(NULL)",
    SignUpdate = "C_SignUpdate",
    SignFinal = "C_SignFinal",
    SignFinalLength = "C_SignFinal(NULL)",
    SignRecoverInit = "C_SignRecoverInit",
    SignRecover = "C_SignRecover",
    VerifyInit = "C_VerifyInit",
    Verify = "C_Verify",
    VerifyUpdate = "C_VerifyUpdate",
    VerifyFinal = "C_VerifyFinal",
    VerifyRecoverInit = "C_VerifyRecoverInit",
    VerifyRecover = "C_VerifyRecover",
    DigestEncryptUpdate = "C_DigestEncryptUpdate",
    DecryptDigestUpdate = "C_DecryptDigestUpdate",
    SignEncryptUpdate = "C_SignEncryptUpdate",
    DecryptVerifyUpdate = "C_DecryptVerifyUpdate",
    GenerateKey = "C_GenerateKey",
    GenerateKeyPair = "C_GenerateKeyPair",
    WrapKey = "C_WrapKey",
    UnwrapKey = "C_UnwrapKey",
    DeriveKey = "C_DeriveKey",
    SeedRandom = "C_SeedRandom",
    GenerateRandom = "C_GenerateRandom",
    GetFunctionStatus = "C_GetFunctionStatus",
    CancelFunction = "C_CancelFunction",
    WaitForSlotEvent = "C_WaitForSlotEvent",
}

impl Function {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// The place of this function in tables of all functions.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The function of a name in the standard.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether a network token is asked over the wire; the rest is answered from the module's own memory.
    pub(crate) const fn reaches_device(self) -> bool {
        matches!(
            self,
            Self::OpenSession
                | Self::InitToken
                | Self::InitPin
                | Self::SetPin
                | Self::Login
                | Self::CreateObject
                | Self::CopyObject
                | Self::DestroyObject
                | Self::GetAttributeValue
                | Self::SetAttributeValue
                | Self::FindObjectsInit
                | Self::Encrypt
                | Self::EncryptFinal
                | Self::Decrypt
                | Self::DecryptFinal
                | Self::Sign
                | Self::SignFinal
                | Self::SignRecover
                | Self::Verify
                | Self::VerifyFinal
                | Self::GenerateKey
                | Self::GenerateKeyPair
                | Self::WrapKey
                | Self::UnwrapKey
                | Self::DeriveKey
                | Self::GenerateRandom
        )
    }
}
