//! Computed checks in words: what was checked, what was found, and a verdict beside its colour.

use domain::evidence::{CheckKind, Outcome};
use domain::kyc::Finding;
use store::idp::CheckItem;
use store::sealing::{Field, SubjectKey};

use crate::account::AccountError;
use crate::apply::unseal;
use crate::page::Page;

/// One line of the table.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) check: String,
    pub(super) found: String,
    pub(super) verdict: String,
    /// Style of the verdict's tag.
    pub(super) tag: &'static str,
}

/// The lines for computed checks, in the order they were made.
pub(super) fn rows(
    page: &Page,
    key: &SubjectKey,
    checks: &[CheckItem],
) -> Result<Vec<Row>, AccountError> {
    let computed = checks.iter().filter(|check| check.officer.is_none());
    computed
        .map(|check| Ok(row(page, check, &finding(key, check)?)))
        .collect()
}

fn finding(key: &SubjectKey, check: &CheckItem) -> Result<Finding, AccountError> {
    let row = check.id.to_string();
    let field = Field {
        table: "kyc_checks",
        column: "finding_sealed",
        row: &row,
    };
    let plain = Finding {
        kind: check.kind,
        outcome: check.outcome,
        document: None,
        form: None,
        count: None,
    };
    check
        .finding_sealed
        .as_deref()
        .map_or(Ok(plain), |sealed| unseal(key, &field, sealed))
}

fn row(page: &Page, check: &CheckItem, finding: &Finding) -> Row {
    let id = check.kind.as_str();
    Row {
        id,
        check: page.t(&format!("check-kind-{}", id.replace('_', "-"))),
        found: found(page, finding),
        verdict: page.t(&format!(
            "outcome-{}",
            finding.outcome.as_str().replace('_', "-")
        )),
        tag: match finding.outcome {
            Outcome::Right => "ok",
            Outcome::Look => "warn",
            Outcome::Wrong => "bad",
            Outcome::NotApplicable => "",
        },
    }
}

fn found(page: &Page, finding: &Finding) -> String {
    let count = page.digits(&finding.count.unwrap_or_default().to_string());
    let missing = finding.outcome == Outcome::NotApplicable;
    match finding.kind {
        _ if missing => page.t("found-not-applicable"),
        CheckKind::MrzCheckDigits if finding.outcome == Outcome::Right => {
            page.t1("found-digits", "count", count)
        }
        CheckKind::DocumentUnused | CheckKind::ImageUnused => match finding.count {
            Some(0) | None => page.t("found-none"),
            Some(_) => page.t1("found-others", "count", count),
        },
        CheckKind::NotExpired => finding
            .document
            .as_deref()
            .and_then(|date| date.parse().ok())
            .map_or_else(
                || page.t("found-no-date"),
                |date| page.t1("found-until", "date", page.date(&date)),
            ),
        _ => compared(page, finding),
    }
}

fn compared(page: &Page, finding: &Finding) -> String {
    let shown = |value: &Option<String>| {
        let value = value.clone().unwrap_or_default();
        if finding.kind == CheckKind::SexAgrees {
            page.t(&format!("sex-{value}"))
        } else {
            value
        }
    };
    match (&finding.document, &finding.form) {
        (Some(document), Some(form)) if document == form => shown(&finding.document),
        (Some(_), Some(_)) => {
            let (zone, form) = (shown(&finding.document), shown(&finding.form));
            let key = if finding.outcome == Outcome::Right {
                "found-by-rules"
            } else {
                "found-differs"
            };
            page.t2(key, "zone", zone, "form", form)
        }
        _ => page.t(&format!("found-{}", finding.outcome.as_str())),
    }
}
