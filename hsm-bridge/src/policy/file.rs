//! The policy file: what may be written in it, and where it went wrong.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::key_rules::{Bound, KeyRules, Structure, Tier};
use super::rate::Budget;
use super::rules_file::{CertListTable, CertificateTable, moment, pinned};
use super::{DigestName, Grant, KeyEntry, Operation, Pattern, Policy, Proof, Window};
use crate::tbs::Authority;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    grant: Vec<GrantTable>,
    #[serde(default)]
    key: Vec<KeyTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantTable {
    caller: Spanned<String>,
    keys: Spanned<Pattern>,
    operations: Spanned<Vec<Operation>>,
    rate: Option<NonZeroU32>,
    per_day: Option<NonZeroU64>,
    window: Option<Window>,
    digests: Option<Spanned<Vec<DigestName>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    keys: Spanned<Pattern>,
    signs: Option<Spanned<Vec<Structure>>>,
    issuer_certificate: Option<Spanned<String>>,
    issuer_sha256: Option<Spanned<String>>,
    certificate: Option<Spanned<CertificateTable>>,
    certificate_list: Option<Spanned<CertListTable>>,
    proof: Option<Proof>,
    tier: Option<Spanned<Tier>>,
    verify: Option<Spanned<bool>>,
    #[serde(default)]
    durable: bool,
    until: Option<Spanned<toml::value::Datetime>>,
}

/// What is wrong, and where in the text.
pub(super) type Slip = (Range<usize>, String);

/// Says `line N: what`.
pub(super) fn located(text: &str, at: Option<Range<usize>>, what: &str) -> String {
    // TOML's own messages repeat lines of the file; one line is enough.
    let what = what.trim().replace('\n', " ");
    match at.and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {what}", before.matches('\n').count() + 1),
        None => what,
    }
}

/// Compiles the text of a policy file.
pub(super) fn compile(text: &str) -> Result<Policy, String> {
    let file: PolicyFile =
        toml::from_str(text).map_err(|e| located(text, e.span(), e.message()))?;
    let slip = |(at, what): Slip| located(text, Some(at), &what);
    let mut policy = Policy {
        grants: Vec::with_capacity(file.grant.len()),
        keys: Vec::with_capacity(file.key.len()),
    };
    for table in file.grant {
        policy.grants.push(grant(table).map_err(slip)?);
    }
    for table in file.key {
        let entry = key_entry(&table).map_err(slip)?;
        if policy.keys.iter().any(|other| other.keys == entry.keys) {
            let twice = "these keys have an entry already, and neither of the two is narrower";
            return Err(slip((table.keys.span(), twice.to_owned())));
        }
        policy.keys.push(entry);
    }
    Ok(policy)
}

fn grant(table: GrantTable) -> Result<Grant, Slip> {
    let wrong = |at, what: &str| Err((at, what.to_owned()));
    if table.caller.get_ref().is_empty() {
        return wrong(table.caller.span(), "caller is empty");
    }
    if table.keys.get_ref().is_of_the_bridge() {
        return wrong(table.keys.span(), "keys below bridge/ are the bridge's own");
    }
    if table.operations.get_ref().is_empty() {
        return wrong(table.operations.span(), "operations is empty");
    }
    if let Some(digests) = &table.digests {
        if digests.get_ref().is_empty() {
            return wrong(digests.span(), "digests is empty");
        }
        if !table.operations.get_ref().contains(&Operation::Sign) {
            return wrong(digests.span(), "digests without the operation sign");
        }
    }
    Ok(Grant {
        caller: table.caller.into_inner(),
        keys: table.keys.into_inner(),
        operations: table.operations.into_inner(),
        budget: Budget::new(
            table.rate.map(NonZeroU32::get),
            table.per_day.map(NonZeroU64::get),
        ),
        window: table.window,
        digests: table.digests.map(Spanned::into_inner),
    })
}

fn key_entry(table: &KeyTable) -> Result<KeyEntry, Slip> {
    let bound = bound(table)?;
    let verify = table.verify.as_ref().is_none_or(|verify| *verify.get_ref());
    if let (Some(_), Some(spanned), false) = (&bound, &table.verify, verify) {
        let what = "verify = false for a key that signs certificates or lists";
        return Err((spanned.span(), what.to_owned()));
    }
    let tier = table
        .tier
        .as_ref()
        .map_or(Tier::Token, |tier| *tier.get_ref());
    if let (Some(_), Some(spanned), Tier::Sealed) = (&bound, &table.tier, tier) {
        let what =
            "tier = \"sealed\" for a key that signs certificates or lists: it stays in the token";
        return Err((spanned.span(), what.to_owned()));
    }
    Ok(KeyEntry {
        keys: table.keys.get_ref().clone(),
        rules: KeyRules {
            bound,
            proof: table.proof,
            tier,
            verify,
            durable: table.durable,
            until: table
                .until
                .as_ref()
                .map(|it| moment("until", it))
                .transpose()?,
        },
    })
}

/// A rule that `signs` does not put to use is a slip, not a comment.
fn bound(table: &KeyTable) -> Result<Option<Bound>, Slip> {
    let idle = |at: Range<usize>, what: &str| Err((at, format!("{what} without signs = [...]")));
    let Some(signs) = &table.signs else {
        let issuer = table
            .issuer_certificate
            .as_ref()
            .or(table.issuer_sha256.as_ref());
        return match (issuer, &table.certificate, &table.certificate_list) {
            (Some(issuer), ..) => idle(issuer.span(), "an issuer"),
            (_, Some(rules), _) => idle(rules.span(), "certificate"),
            (.., Some(rules)) => idle(rules.span(), "certificate_list"),
            (None, None, None) => Ok(None),
        };
    };
    let has = |structure| signs.get_ref().contains(&structure);
    let (certificates, lists) = (has(Structure::Certificate), has(Structure::CertificateList));
    if !certificates && !lists {
        return Err((signs.span(), "signs is empty".to_owned()));
    }
    let (pin, authority) = pinned(
        table.issuer_certificate.as_ref(),
        table.issuer_sha256.as_ref(),
    )?;
    let certificate = match (&table.certificate, certificates) {
        (Some(rules), true) => Some(rules.get_ref().compile(pin, authority.as_ref())?),
        (None, true) => {
            let what = "\"certificate\" without a table key.certificate that bounds it";
            return Err((signs.span(), what.to_owned()));
        }
        (Some(rules), false) => {
            let what = "certificate, while signs has no \"certificate\"";
            return Err((rules.span(), what.to_owned()));
        }
        (None, false) => None,
    };
    let list = match (&table.certificate_list, lists) {
        (rules, true) => {
            let rules = rules.as_ref().map(Spanned::get_ref);
            Some(rules.copied().unwrap_or_default().compile(pin))
        }
        (Some(rules), false) => {
            let what = "certificate_list, while signs has no \"certificate-list\"";
            return Err((rules.span(), what.to_owned()));
        }
        (None, false) => None,
    };
    Ok(Some(Bound { certificate, list }))
}

/// An authority's own bounds hold beside the written ones.
pub(super) fn narrower(written: Option<u8>, authority: Option<&Authority>) -> Option<u8> {
    match authority {
        Some(authority) => written.min(authority.path_length),
        None => written,
    }
}
