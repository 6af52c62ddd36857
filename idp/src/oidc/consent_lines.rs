//! The lines of the consent page: what the value is, why it is needed, where it comes from.

use domain::evidence::EvidenceRecord;
use domain::oidc::Scope;
use domain::oidc::consent::AskedLine;
use domain::person::{Contact, PersonFacts};

use crate::page::Page;

/// One line of the page.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The line's id in the grant; also names the checkbox.
    pub(super) id: String,
    /// What is shared.
    pub(super) values: Vec<Value>,
    /// What it is for, in the ministry's words.
    pub(super) purpose: String,
    /// Where it comes from; empty where that says itself.
    pub(super) source: String,
    /// Whether the service works only with it.
    pub(super) required: bool,
}

/// One value with its label.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// What it is.
    pub(super) label: String,
    /// The value as people write it.
    pub(super) text: String,
    /// Whether it is shown as a tag.
    pub(super) is_tag: bool,
}

/// Separates the Latin and the Khmer form of a name.
const BETWEEN_SCRIPTS: &str = " · ";

/// The lines for a request, in the page's language.
pub(super) fn lines(page: &Page, asked: &[AskedLine], facts: &PersonFacts) -> Vec<Line> {
    asked
        .iter()
        .map(|asked| Line {
            id: asked.line.id.clone(),
            values: values(page, asked, facts),
            purpose: asked.line.purpose.in_language(page.lang()).to_owned(),
            source: source(page, asked.line.scope, facts),
            required: asked.line.required,
        })
        .collect()
}

fn values(page: &Page, asked: &AskedLine, facts: &PersonFacts) -> Vec<Value> {
    let plain = |label: &str, text: Option<String>| Value {
        label: page.t(label),
        text: text.unwrap_or_else(|| page.t("oidc-value-none")),
        is_tag: false,
    };
    match asked.line.scope {
        Scope::Profile => profile_values(page, asked, facts),
        Scope::Identity => vec![Value {
            label: page.t1("oidc-line-level", "level", level(page, facts)),
            text: page.t1("oidc-level-tag", "level", level(page, facts)),
            is_tag: true,
        }],
        Scope::IdentityDocument => {
            vec![plain(
                "oidc-line-document",
                facts.evidence.first().map(|e| document(page, e)),
            )]
        }
        Scope::Email => vec![plain(
            "oidc-line-email",
            facts.email().map(|c| c.value.clone()),
        )],
        Scope::Phone => vec![plain(
            "oidc-line-phone",
            facts.phone().map(|c| c.value.clone()),
        )],
        Scope::Address => vec![plain("oidc-line-address", None)],
        Scope::OfflineAccess => vec![Value {
            label: page.t("oidc-line-offline"),
            text: String::new(),
            is_tag: false,
        }],
        _ => Vec::new(),
    }
}

fn profile_values(page: &Page, asked: &AskedLine, facts: &PersonFacts) -> Vec<Value> {
    let mut values = Vec::new();
    let mut add = |label: &str, text: String| {
        values.push(Value {
            label: page.t(label),
            text,
            is_tag: false,
        });
    };
    if asked.claims.iter().any(|claim| claim.contains("name")) {
        let khmer = facts
            .khmer
            .as_ref()
            .map(|name| format!("{BETWEEN_SCRIPTS}{}", name.full()));
        add(
            "oidc-line-name",
            format!("{}{}", facts.latin.full(), khmer.unwrap_or_default()),
        );
    }
    if asked.claims.contains("birthdate") {
        let text = facts.birth_date.map(|date| match date.full() {
            Some(full) => page.date(&full),
            None => page.digits(&date.claim()),
        });
        add(
            "oidc-line-birthdate",
            text.unwrap_or_else(|| page.t("oidc-value-none")),
        );
    }
    if asked.claims.contains("gender") {
        let text = facts.sex.map_or("unspecified", domain::person::Sex::as_str);
        add("oidc-line-gender", page.t(&format!("oidc-gender-{text}")));
    }
    values
}

fn level(page: &Page, facts: &PersonFacts) -> String {
    page.digits(&facts.assurance.ial().to_string())
}

fn document(page: &Page, record: &EvidenceRecord) -> String {
    format!(
        "{}, {}",
        document_name(page, record),
        record.masked_number()
    )
}

fn document_name(page: &Page, record: &EvidenceRecord) -> String {
    page.t(&format!(
        "oidc-document-{}",
        record.document.as_str().replace('_', "-")
    ))
}

fn source(page: &Page, scope: Scope, facts: &PersonFacts) -> String {
    match scope {
        Scope::Profile | Scope::IdentityDocument => facts
            .evidence
            .first()
            .map(|record| {
                page.t2(
                    "oidc-source-document",
                    "document",
                    document_name(page, record),
                    "date",
                    day(page, record.verified_at),
                )
            })
            .unwrap_or_default(),
        Scope::Identity => {
            let because = page.t(facts.assurance.reason().key());
            page.t1("oidc-level-held", "because", because)
        }
        Scope::Email => reached(page, facts.email()),
        Scope::Phone => reached(page, facts.phone()),
        _ => String::new(),
    }
}

fn reached(page: &Page, contact: Option<&Contact>) -> String {
    contact
        .and_then(|contact| contact.verified_at)
        .map(|at| page.t1("oidc-source-contact", "date", day(page, at)))
        .unwrap_or_default()
}

/// The day of a moment in Cambodia.
pub(super) fn day(page: &Page, at: jiff::Timestamp) -> String {
    page.date(&domain::kyc::today_in_cambodia(at))
}
