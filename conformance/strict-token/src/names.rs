//! Names of attributes and mechanisms in settings; a number (decimal or 0x…) stands for one that has no name here.

use serde::Deserialize;

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident: $what:literal, $table:ident { $($name:literal = $constant:ident,)* }) => {
        const $table: &[(&str, u64)] = &[$(($name, cryptoki_sys::$constant),)*];

        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub(crate) struct $kind(pub(crate) u64);

        impl TryFrom<String> for $kind {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                find($table, &text)
                    .map(Self)
                    .ok_or_else(|| format!(concat!("unknown ", $what, " {}"), text))
            }
        }
    };
}

named! {
    /// An attribute, called `SENSITIVE` for `CKA_SENSITIVE`.
    AttributeName: "attribute", ATTRIBUTES {
        "TOKEN" = CKA_TOKEN,
        "PRIVATE" = CKA_PRIVATE,
        "MODIFIABLE" = CKA_MODIFIABLE,
        "COPYABLE" = CKA_COPYABLE,
        "DESTROYABLE" = CKA_DESTROYABLE,
        "LABEL" = CKA_LABEL,
        "ID" = CKA_ID,
        "SENSITIVE" = CKA_SENSITIVE,
        "EXTRACTABLE" = CKA_EXTRACTABLE,
        "ALWAYS_SENSITIVE" = CKA_ALWAYS_SENSITIVE,
        "NEVER_EXTRACTABLE" = CKA_NEVER_EXTRACTABLE,
        "LOCAL" = CKA_LOCAL,
        "KEY_GEN_MECHANISM" = CKA_KEY_GEN_MECHANISM,
        "SIGN" = CKA_SIGN,
        "SIGN_RECOVER" = CKA_SIGN_RECOVER,
        "VERIFY" = CKA_VERIFY,
        "VERIFY_RECOVER" = CKA_VERIFY_RECOVER,
        "ENCRYPT" = CKA_ENCRYPT,
        "DECRYPT" = CKA_DECRYPT,
        "WRAP" = CKA_WRAP,
        "UNWRAP" = CKA_UNWRAP,
        "DERIVE" = CKA_DERIVE,
        "VALUE_LEN" = CKA_VALUE_LEN,
        "ALLOWED_MECHANISMS" = CKA_ALLOWED_MECHANISMS,
        "START_DATE" = CKA_START_DATE,
        "END_DATE" = CKA_END_DATE,
    }
}

named! {
    /// A mechanism, called `ECDSA_SHA256` for `CKM_ECDSA_SHA256`.
    MechanismName: "mechanism", MECHANISMS {
        "RSA_PKCS" = CKM_RSA_PKCS,
        "RSA_PKCS_PSS" = CKM_RSA_PKCS_PSS,
        "SHA256_RSA_PKCS" = CKM_SHA256_RSA_PKCS,
        "SHA384_RSA_PKCS" = CKM_SHA384_RSA_PKCS,
        "SHA512_RSA_PKCS" = CKM_SHA512_RSA_PKCS,
        "SHA256_RSA_PKCS_PSS" = CKM_SHA256_RSA_PKCS_PSS,
        "SHA384_RSA_PKCS_PSS" = CKM_SHA384_RSA_PKCS_PSS,
        "SHA512_RSA_PKCS_PSS" = CKM_SHA512_RSA_PKCS_PSS,
        "ECDSA" = CKM_ECDSA,
        "ECDSA_SHA256" = CKM_ECDSA_SHA256,
        "ECDSA_SHA384" = CKM_ECDSA_SHA384,
        "ECDSA_SHA512" = CKM_ECDSA_SHA512,
        "EDDSA" = CKM_EDDSA,
        "EC_EDWARDS_KEY_PAIR_GEN" = CKM_EC_EDWARDS_KEY_PAIR_GEN,
        "AES_GCM" = CKM_AES_GCM,
        "AES_KEY_WRAP" = CKM_AES_KEY_WRAP,
        "AES_KEY_WRAP_PAD" = CKM_AES_KEY_WRAP_PAD,
        "GENERIC_SECRET_KEY_GEN" = CKM_GENERIC_SECRET_KEY_GEN,
        "SHA256_HMAC" = CKM_SHA256_HMAC,
    }
}

/// A return code, called `DEVICE_ERROR` for `CKR_DEVICE_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Code(pub(crate) u64);

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        find(crate::ckr::ALL, &text)
            .map(Self)
            .ok_or_else(|| format!("unknown return code {text}"))
    }
}

fn find(table: &[(&str, u64)], text: &str) -> Option<u64> {
    if let Some((_, value)) = table.iter().find(|(name, _)| *name == text) {
        return Some(*value);
    }
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
