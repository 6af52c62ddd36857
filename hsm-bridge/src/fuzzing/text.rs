//! Files of text: the policy, and lines of the audit log.

use std::time::{Instant, UNIX_EPOCH};

use crate::KeyLabel;
use crate::audit::line_reads;
use crate::policy::{Ask, Now, Operation, Policy};

/// A caller that no seed names.
const STRANGER: &str = "somebody-else";

/// A policy that is read allows nothing to whom it does not name, and says the same with a remark at its end; a refusal is one line.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(why) => return assert!(!why.is_empty() && !why.contains('\n'), "{why:?}"),
    };
    let remarked = Policy::parse(&format!("{text}\n# a remark\n"));
    assert!(remarked.is_ok(), "{:?}", remarked.err());
    for name in ["sign/one", "ca/persons/g1"] {
        let Ok(label) = KeyLabel::parse(name) else {
            continue;
        };
        let rules = policy.rules(&label);
        // What a holder must release is never a matter of a grant alone, and a bound key is never outside its token.
        assert!(rules.verify || !rules.is_bound(), "{rules:?}");
        if policy.callers().any(|caller| caller == STRANGER) {
            continue;
        }
        assert!(!policy.may_see(STRANGER, &label));
        let ask = Ask {
            caller: STRANGER,
            operation: Operation::Destroy,
            label: &label,
            signature: None,
            now: Now {
                instant: Instant::now(),
                utc: UNIX_EPOCH,
            },
        };
        assert!(policy.authorise(&ask).is_err(), "{text}");
    }
}

/// A line of the audit log that is read is JSON that says the same to any other reader (RFC 8259), in one line.
pub fn audit_line(bytes: &[u8]) {
    let Some((sequence, detail)) = line_reads(bytes) else {
        return;
    };
    assert!(!bytes.contains(&b'\n'));
    let other: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let other = other.as_ref();
    let number = other.and_then(|line| line.get("sequence")?.as_u64());
    let text = other.and_then(|line| line.get("detail")?.as_str());
    assert_eq!((number, text), (Some(sequence), detail.as_deref()));
}
