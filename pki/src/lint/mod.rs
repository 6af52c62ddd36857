//! Lints: every rule that a TBSCertificate must keep, checked on its finished octets.
//!
//! Invariant: nothing here trusts how the octets were built; they are decoded again and compared with
//! the profile and the issuer. Lint ids are stable: `e_` refuses, `w_` is reported.

mod extensions;
mod frame;
mod names;
mod values;

use std::fmt;

use der::Decode;

use crate::certificate::Certificate;
use crate::profile::{Profile, Terms};

/// What a finding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Reported; the certificate may be made.
    Warning,
    /// The certificate is not made.
    Error,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule, `e_...` or `w_...`.
    pub id: &'static str,
    /// What it leads to.
    pub severity: Severity,
    /// What was found, without personal data.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            f.write_str(self.id)
        } else {
            write!(f, "{} ({})", self.id, self.detail)
        }
    }
}

/// Everything a rule looks at, and the findings so far.
struct Subject<'a> {
    tbs: &'a x509_cert::TbsCertificate,
    terms: &'a Terms,
    /// `None` for a trust anchor.
    issuer: Option<&'a Certificate>,
    findings: Vec<Finding>,
}

impl Subject<'_> {
    fn error(&mut self, id: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding {
            id,
            severity: Severity::Error,
            detail: detail.into(),
        });
    }

    fn warning(&mut self, id: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding {
            id,
            severity: Severity::Warning,
            detail: detail.into(),
        });
    }

    fn error_if(&mut self, broken: bool, id: &'static str) {
        if broken {
            self.error(id, "");
        }
    }
}

/// Checks a TBSCertificate in DER against its profile and its issuer (`None`: self-signed).
pub fn tbs_certificate(
    tbs_der: &[u8],
    profile: &dyn Profile,
    issuer: Option<&Certificate>,
) -> Vec<Finding> {
    let tbs = match x509_cert::TbsCertificate::from_der(tbs_der) {
        Ok(tbs) => tbs,
        Err(error) => {
            return vec![Finding {
                id: "e_tbs_malformed",
                severity: Severity::Error,
                detail: error.to_string(),
            }];
        }
    };
    let mut subject = Subject {
        tbs: &tbs,
        terms: profile.terms(),
        issuer,
        findings: Vec::new(),
    };
    frame::check(&mut subject, tbs_der);
    names::check(&mut subject);
    extensions::check(&mut subject);
    values::check(&mut subject);
    subject.findings
}

#[cfg(test)]
mod tests;
