//! Reading the number page: number, machine-readable zone, last day of validity.

use domain::document::{ApplicantKind, DocumentRule, ExpiryRule, NumberError};
use domain::kyc::Application;
use domain::mrz::{self, Mrz, MrzError, MrzErrorKind};
use jiff::civil::Date;
use serde::Deserialize;

use super::fields::TypedDate;
use crate::page::{FormErrors, Page};

/// Our own state's code in a zone.
pub(super) const CAMBODIA: &str = "KHM";

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NumberForm {
    pub(super) csrf: Option<String>,
    pub(super) number: String,
    pub(super) zone: String,
    pub(super) expires_day: String,
    pub(super) expires_month: String,
    pub(super) expires_year: String,
}

impl NumberForm {
    pub(super) fn of(application: &Application) -> Self {
        let expires = application
            .expires_on
            .map(|date| TypedDate::from(domain::person::PartialDate::from(date)));
        let TypedDate { day, month, year } = expires.unwrap_or_default();
        Self {
            csrf: None,
            number: application.number.clone().unwrap_or_default(),
            zone: application.zone.clone().unwrap_or_default(),
            expires_day: day,
            expires_month: month,
            expires_year: year,
        }
    }

    pub(super) fn expires(&self) -> TypedDate {
        TypedDate {
            day: self.expires_day.clone(),
            month: self.expires_month.clone(),
            year: self.expires_year.clone(),
        }
    }

    /// Takes the answers over, or says field by field what to put right.
    pub(super) fn read(
        &self,
        application: &mut Application,
        rule: &DocumentRule,
        today: Date,
        page: &Page,
    ) -> Result<(), FormErrors> {
        let mut errors = FormErrors::new();
        let number = match rule.number.normalise(&self.number) {
            Ok(number) => Some(number),
            Err(error) => {
                errors.add("number", number_words(page, error));
                None
            }
        };
        let zone = if rule.has_zone() {
            self.read_zone(rule, today, page, &mut errors)
        } else {
            None
        };
        if let (Some(number), Some((zone, _))) = (&number, &zone) {
            if *number != zone.number {
                errors.add(
                    "number",
                    page.t2("number-differs", "typed", number, "zone", &zone.number),
                );
            }
            if let Some(key) = issuer_error(application.applicant, zone) {
                errors.add("zone", page.t(key));
            }
        }
        let expires_on = match &zone {
            Some((zone, _)) => zone.expires_on,
            None => self.read_expiry(rule, page, &mut errors),
        };
        if let Some(last) = expires_on.filter(|last| *last < today) {
            let field = if rule.has_zone() { "zone" } else { "expires" };
            errors.add(field, page.t1("document-expired", "date", page.date(&last)));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        application.number = number;
        application.expires_on = expires_on;
        application.issuer = Some(
            zone.as_ref()
                .map_or_else(|| CAMBODIA.to_owned(), |(zone, _)| zone.issuer.clone()),
        );
        application.nationality = match &zone {
            Some((zone, _)) => Some(zone.nationality.clone()),
            None => (application.applicant == Some(ApplicantKind::National))
                .then(|| CAMBODIA.to_owned()),
        };
        application.zone = zone.map(|(_, text)| text);
        Ok(())
    }

    fn read_zone(
        &self,
        rule: &DocumentRule,
        today: Date,
        page: &Page,
        errors: &mut FormErrors,
    ) -> Option<(Mrz, String)> {
        if self.zone.trim().is_empty() {
            errors.add("zone", page.t("zone-missing"));
            return None;
        }
        let text = mrz::tidy(&self.zone);
        match mrz::parse_text(&text, today) {
            Ok(zone) if rule.zones.contains(&zone.format) => Some((zone, text)),
            Ok(_) => {
                errors.add("zone", page.t("zone-other-document"));
                None
            }
            Err(error) => {
                errors.add("zone", zone_words(page, &error));
                None
            }
        }
    }

    fn read_expiry(
        &self,
        rule: &DocumentRule,
        page: &Page,
        errors: &mut FormErrors,
    ) -> Option<Date> {
        let typed = self.expires();
        if rule.has_zone()
            || rule.expiry == ExpiryRule::Never
            || (typed.is_empty() && rule.expiry == ExpiryRule::Optional)
        {
            return None;
        }
        let date = typed.read().and_then(domain::person::PartialDate::full);
        if date.is_none() {
            errors.add("expires", page.t("date-wrong"));
        }
        date
    }
}

/// A national's papers are ours, a foreigner's are not.
fn issuer_error(applicant: Option<ApplicantKind>, zone: &Mrz) -> Option<&'static str> {
    match (applicant, zone.issuer == CAMBODIA) {
        (Some(ApplicantKind::National), false) => Some("zone-not-ours"),
        (Some(ApplicantKind::Foreigner), true) => Some("zone-ours"),
        _ => None,
    }
}

fn number_words(page: &Page, error: NumberError) -> String {
    match error {
        NumberError::Character(c) => page.t1("number-character", "character", c.to_string()),
        NumberError::Length { min, max } if min == max => {
            page.t1("number-exact", "count", page.digits(&min.to_string()))
        }
        NumberError::Length { min, max } => page.t2(
            "number-length",
            "min",
            page.digits(&min.to_string()),
            "max",
            page.digits(&max.to_string()),
        ),
        _ => page.t("number-missing"),
    }
}

/// What is wrong with a zone and where to look on the card.
pub(super) fn zone_words(page: &Page, error: &MrzError) -> String {
    let what = match (error.kind, error.repair) {
        (MrzErrorKind::DocumentCode, Some(letter)) => {
            page.t1("zone-error-first-letter", "letter", letter.to_string())
        }
        (kind, _) => page.t(&format!("zone-error-{}", kind.code().replace('_', "-"))),
    };
    let number = |n: usize| page.digits(&n.to_string());
    let place = match (error.line, error.columns) {
        (Some(line), Some((first, last))) if first == last => page.t2(
            "zone-place-one",
            "line",
            number(line),
            "column",
            number(first),
        ),
        (Some(line), Some((first, last))) => page.t2(
            "zone-place",
            "line",
            number(line),
            "columns",
            format!("{}–{}", number(first), number(last)),
        ),
        (Some(line), None) => page.t1("zone-place-line", "line", number(line)),
        _ => return what,
    };
    format!("{place} {what}")
}
