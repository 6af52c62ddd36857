//! What one key is for, whoever asks.

use std::time::SystemTime;

use serde::Deserialize;
use spki::SubjectPublicKeyInfoOwned;

use crate::tbs::{
    CertListChecker, CertListRules, CertificateFacts, CertificateRules, CheckedList, Signing,
    check_cert_list, check_certificate,
};
use crate::{KeyStoreError, SignatureScheme};

/// What a caller hands in to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    /// The message itself.
    Message,
    /// A digest made by the caller.
    Digest,
    /// A TBSCertList as a stream that the bridge hashes.
    List,
}

/// Kinds of structures that a key may be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Structure {
    Certificate,
    CertificateList,
}

/// What a signature needs beside the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A signature-activation record of the key's holder.
    Activation,
}

/// Where a key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// In the token, for its whole life.
    #[default]
    Token,
    /// In a file that only the token opens, and in the worker's memory while it is used.
    Sealed,
}

/// The structures a key is bound to; at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) certificate: Option<CertificateRules>,
    pub(super) list: Option<CertListRules>,
}

/// The rules of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRules {
    pub(super) bound: Option<Bound>,
    /// The proof that every signature needs.
    pub proof: Option<Proof>,
    /// Where the key is made and lives.
    pub tier: Tier,
    /// Whether a signature is verified before it is given out.
    pub verify: bool,
    /// Whether the audit line is on disk before the answer leaves.
    pub durable: bool,
    /// The end of the key's period of use: from then on it signs nothing (NIST SP 800-57 part 1, §5.3).
    pub until: Option<SystemTime>,
}

/// Rules of keys that no entry names.
pub(super) const DEFAULT: KeyRules = KeyRules {
    bound: None,
    proof: None,
    tier: Tier::Token,
    verify: true,
    durable: false,
    until: None,
};

/// What a message was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Anything: the key is bound to no structure.
    Any,
    /// A TBSCertificate that the rules allow.
    Certificate(CertificateFacts),
    /// A TBSCertList that the rules allow.
    List(CheckedList),
}

impl KeyRules {
    /// Whether the key is bound to structures, so that it signs no bare digest and nothing unread.
    pub const fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// Whether the key's period of use is over.
    pub(super) fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    pub(super) const fn takes(&self, payload: Payload) -> bool {
        match (payload, &self.bound) {
            (Payload::Message, _) | (Payload::Digest, None) => true,
            (Payload::Digest, Some(_)) => false,
            (Payload::List, bound) => match bound {
                Some(bound) => bound.list.is_some(),
                None => false,
            },
        }
    }

    /// Reads a message that is to be signed and refuses what the rules do not allow; the caller then signs exactly these bytes.
    pub fn inspect(&self, message: &[u8], signing: &Signing<'_>) -> Result<Content, KeyStoreError> {
        let Some(bound) = &self.bound else {
            return Ok(Content::Any);
        };
        // The tag after the outermost one tells them apart: an explicit version [0], or an INTEGER.
        let is_list = second_tag(message) == Some(0x02);
        match bound {
            Bound {
                list: Some(rules), ..
            } if is_list => Ok(Content::List(check_cert_list(message, rules, signing)?)),
            Bound {
                certificate: Some(rules),
                ..
            } if !is_list => Ok(Content::Certificate(check_certificate(
                message, rules, signing,
            )?)),
            _ => Err(KeyStoreError::BadRequest(
                "refused by the key's rules: it signs other structures".to_owned(),
            )),
        }
    }

    /// Begins a list of `announced` octets that is too long for one message.
    pub fn list_checker(
        &self,
        scheme: SignatureScheme,
        public_key: &SubjectPublicKeyInfoOwned,
        now: SystemTime,
        announced: u64,
    ) -> Result<CertListChecker, KeyStoreError> {
        let rules = self
            .bound
            .as_ref()
            .and_then(|bound| bound.list.as_ref())
            .ok_or(KeyStoreError::NotPermitted)?;
        if scheme.signs_message() {
            return Err(KeyStoreError::BadRequest(format!(
                "{} signs the list itself, which then goes in one message",
                scheme.jose_alg()
            )));
        }
        let signing = Signing {
            scheme,
            public_key,
            now,
        };
        Ok(CertListChecker::new(rules, &signing, announced)?)
    }
}

/// The octet after the header of the outermost value; only chooses whose errors are reported.
fn second_tag(message: &[u8]) -> Option<u8> {
    let length = *message.get(1)?;
    let header = if length < 0x80 {
        2
    } else {
        2 + usize::from(length & 0x7f)
    };
    message.get(header).copied()
}
