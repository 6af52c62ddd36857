//! What a profile may set: the quirks of tokens, as data, and the checks of templates that follow from them.

use std::collections::BTreeMap;

use cryptoki_sys as sys;
use serde::Deserialize;

use crate::names::{AttributeName, Code, MechanismName};

/// The quirks of one token.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each quirk is one a token has or has not, whatever the others"
)]
pub(crate) struct Knobs {
    /// Sessions open at once over all processes; one more is `CKR_SESSION_COUNT`.
    pub(crate) max_sessions: Option<u64>,
    /// What opening a read-only session answers.
    pub(crate) read_only_session: Option<Code>,
    /// After so many calls on sessions the link is dead until `C_Finalize` and `C_Initialize`.
    pub(crate) dies_after_calls: Option<u64>,
    /// What every call answers while the link is dead.
    pub(crate) death_code: Code,
    /// Wrong user PINs until the PIN is locked.
    pub(crate) pin_tries: Option<u64>,
    /// Time each call takes that reaches the device, in microseconds.
    pub(crate) latency_us: u64,
    /// Whether asking for the length of a signature is answered without the device.
    pub(crate) length_query_is_local: bool,
    /// Calls the device works on at once, in each process.
    pub(crate) capacity: Option<u32>,
    /// What a call beyond the capacity answers; without a code it waits.
    pub(crate) over_capacity: Option<Code>,
    /// Whether a key of several purposes is `CKR_TEMPLATE_INCONSISTENT`.
    pub(crate) single_purpose: bool,
    /// Attributes refused in templates of private and secret keys: `NAME`, `NAME=true` or `NAME=false`, and the answer.
    pub(crate) refuse_private: BTreeMap<Refused, Code>,
    /// The same for public keys.
    pub(crate) refuse_public: BTreeMap<Refused, Code>,
    /// Flags that generated private and secret keys get, whatever their template says.
    pub(crate) generated: BTreeMap<Flag, bool>,
    /// Attributes that no object has.
    pub(crate) missing_attributes: Vec<AttributeName>,
    /// Mechanisms the token lacks.
    pub(crate) absent_mechanisms: Vec<MechanismName>,
    /// Whether the token makes the nonce of AES-GCM itself and writes it over the caller's.
    pub(crate) gcm_nonce_by_token: bool,
    /// What `C_SignInit` answers in place of a stale handle's own code.
    pub(crate) stale_handle_at_sign_init: Option<Code>,
    /// Which token objects a search finds.
    pub(crate) new_objects: NewObjects,
    /// Whether slot ids are other numbers in another order after each `C_Initialize`.
    pub(crate) permuted_slots: bool,
}

/// Which token objects that were made after the first login of a life a search finds; they are known by class and label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NewObjects {
    /// All of them.
    #[default]
    Visible,
    /// Those this process made.
    OwnVisible,
    /// None, until `C_Finalize` and `C_Initialize`.
    Hidden,
}

/// An attribute of a template that is refused, with any value or with one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Refused {
    attribute: u64,
    value: Option<bool>,
}

impl TryFrom<String> for Refused {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, "true")) => (name, Some(true)),
            Some((name, "false")) => (name, Some(false)),
            Some(_) => return Err(format!("{text}: after = stands true or false")),
            None => (text.as_str(), None),
        };
        Ok(Self {
            attribute: AttributeName::try_from(name.to_owned())?.0,
            value,
        })
    }
}

/// An attribute that is a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Flag(pub(crate) AttributeName);

impl Default for Knobs {
    fn default() -> Self {
        Self {
            max_sessions: None,
            read_only_session: None,
            dies_after_calls: None,
            death_code: Code(sys::CKR_DEVICE_ERROR),
            pin_tries: None,
            latency_us: 0,
            length_query_is_local: true,
            capacity: None,
            over_capacity: None,
            single_purpose: false,
            refuse_private: BTreeMap::new(),
            refuse_public: BTreeMap::new(),
            generated: BTreeMap::new(),
            missing_attributes: Vec::new(),
            absent_mechanisms: Vec::new(),
            gcm_nonce_by_token: false,
            stale_handle_at_sign_init: None,
            new_objects: NewObjects::Visible,
            permuted_slots: false,
        }
    }
}

/// An attribute of a template: its type, and its value if it is a flag.
pub(crate) type Given = (u64, Option<bool>);

/// The purposes a key can have; both halves of one are one purpose.
const PURPOSES: [&[u64]; 4] = [
    &[
        sys::CKA_SIGN,
        sys::CKA_VERIFY,
        sys::CKA_SIGN_RECOVER,
        sys::CKA_VERIFY_RECOVER,
    ],
    &[sys::CKA_ENCRYPT, sys::CKA_DECRYPT],
    &[sys::CKA_WRAP, sys::CKA_UNWRAP],
    &[sys::CKA_DERIVE],
];

impl Knobs {
    /// Refuses a template of a private or secret key, in the order a token would look: attributes first, then their sense.
    pub(crate) fn check_private(&self, template: &[Given]) -> Result<(), u64> {
        check(&self.refuse_private, template)?;
        self.check_purposes(template)
    }

    /// Refuses a template of a public key.
    pub(crate) fn check_public(&self, template: &[Given]) -> Result<(), u64> {
        check(&self.refuse_public, template)?;
        self.check_purposes(template)
    }

    fn check_purposes(&self, template: &[Given]) -> Result<(), u64> {
        let has = |kinds: &&&[u64]| {
            template
                .iter()
                .any(|(kind, value)| kinds.contains(kind) && *value == Some(true))
        };
        if self.single_purpose && PURPOSES.iter().filter(has).count() > 1 {
            return Err(sys::CKR_TEMPLATE_INCONSISTENT);
        }
        Ok(())
    }

    pub(crate) fn lacks_mechanism(&self, mechanism: u64) -> bool {
        self.absent_mechanisms.contains(&MechanismName(mechanism))
    }

    pub(crate) fn lacks_attribute(&self, attribute: u64) -> bool {
        self.missing_attributes.contains(&AttributeName(attribute))
    }
}

fn check(refused: &BTreeMap<Refused, Code>, template: &[Given]) -> Result<(), u64> {
    for (kind, value) in template {
        let hit = refused.iter().find(|(refused, _)| {
            refused.attribute == *kind && (refused.value.is_none() || refused.value == *value)
        });
        if let Some((_, code)) = hit {
            return Err(code.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_purposes_are_inconsistent_and_two_halves_of_one_are_not() {
        let knobs = Knobs {
            single_purpose: true,
            ..Knobs::default()
        };
        let on = |kinds: &[u64]| kinds.iter().map(|k| (*k, Some(true))).collect::<Vec<_>>();
        assert_eq!(
            knobs.check_private(&on(&[sys::CKA_ENCRYPT, sys::CKA_DECRYPT])),
            Ok(())
        );
        assert_eq!(
            knobs.check_private(&on(&[sys::CKA_SIGN, sys::CKA_DECRYPT])),
            Err(sys::CKR_TEMPLATE_INCONSISTENT)
        );
        let off = [(sys::CKA_SIGN, Some(true)), (sys::CKA_DECRYPT, Some(false))];
        assert_eq!(knobs.check_private(&off), Ok(()));
    }

    #[test]
    fn a_refusal_may_ask_for_a_value() {
        let knobs: Knobs = toml::from_str(
            "[refuse_private]\nEXTRACTABLE = 'ATTRIBUTE_TYPE_INVALID'\n[refuse_public]\n'PRIVATE=true' = 'TEMPLATE_INCONSISTENT'",
        )
        .unwrap();
        assert_eq!(
            knobs.check_private(&[(sys::CKA_EXTRACTABLE, Some(false))]),
            Err(sys::CKR_ATTRIBUTE_TYPE_INVALID)
        );
        assert_eq!(
            knobs.check_public(&[(sys::CKA_PRIVATE, Some(false))]),
            Ok(())
        );
        assert_eq!(
            knobs.check_public(&[(sys::CKA_PRIVATE, Some(true))]),
            Err(sys::CKR_TEMPLATE_INCONSISTENT)
        );
        toml::from_str::<Knobs>("[refuse_private]\n'SIGN=maybe' = 'OK'").unwrap_err();
    }
}
