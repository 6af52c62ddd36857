//! Reading the page of names, birth date and sex.

use domain::document::ApplicantKind;
use domain::kyc::{Application, Entity};
use domain::mrz::Mrz;
use domain::name::latin::{NameMatch, compare};
use domain::name::{NameError, NameParts, khmer, latin};
use domain::person::{PartialDate, Sex};
use jiff::civil::Date;
use serde::Deserialize;

use super::fields::TypedDate;
use crate::page::{FormErrors, Page};

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NameForm {
    pub(super) csrf: Option<String>,
    pub(super) entity_km: String,
    pub(super) entity_la: String,
    pub(super) family_km: String,
    pub(super) given_km: String,
    pub(super) family_la: String,
    pub(super) given_la: String,
    pub(super) birth_day: String,
    pub(super) birth_month: String,
    pub(super) birth_year: String,
    pub(super) sex: String,
    pub(super) printed_so: Option<String>,
}

/// Reads one name and notes what is wrong with it.
fn name(
    page: &Page,
    errors: &mut FormErrors,
    field: &'static str,
    typed: &str,
    normalise: fn(&str) -> Result<String, NameError>,
) -> Option<String> {
    normalise(typed)
        .map_err(|error| errors.add(field, name_words(page, field, error)))
        .ok()
}

/// A part of a name that may be missing.
fn optional_name(
    page: &Page,
    errors: &mut FormErrors,
    field: &'static str,
    typed: &str,
    normalise: fn(&str) -> Result<String, NameError>,
) -> Option<String> {
    if typed.trim().is_empty() {
        return Some(String::new());
    }
    name(page, errors, field, typed, normalise)
}

fn name_words(page: &Page, field: &str, error: NameError) -> String {
    let script = if field.ends_with("_km") { "km" } else { "la" };
    match error {
        NameError::Character(c) => page.t1(
            &format!("name-error-character-{script}"),
            "character",
            c.to_string(),
        ),
        NameError::Empty => page.t(&format!("name-error-empty-{script}")),
        other => page.t(&format!("name-error-{}", other.code())),
    }
}

impl NameForm {
    /// What is known already: earlier answers, or what the zone says.
    pub(super) fn of(application: &Application, zone: Option<&Mrz>) -> Self {
        let from_zone = zone.map(|zone| zone.name.clone());
        let latin = application.latin.clone().or(from_zone);
        let khmer = application.khmer.clone();
        let birth = application
            .birth_date
            .or_else(|| zone.and_then(|zone| zone.birth_date));
        let sex = application.sex.or_else(|| zone.map(|zone| zone.sex));
        let split = |name: Option<NameParts>| {
            name.map(|name| (name.family, name.given))
                .unwrap_or_default()
        };
        let ((family_la, given_la), (family_km, given_km)) = (split(latin), split(khmer));
        let TypedDate { day, month, year } = birth.map(TypedDate::from).unwrap_or_default();
        let entity = application.entity.clone();
        Self {
            csrf: None,
            entity_km: entity
                .as_ref()
                .map(|entity| entity.khmer.clone())
                .unwrap_or_default(),
            entity_la: entity.map(|entity| entity.latin).unwrap_or_default(),
            family_km,
            given_km,
            family_la,
            given_la,
            birth_day: day,
            birth_month: month,
            birth_year: year,
            sex: sex.map(|sex| sex.as_str().to_owned()).unwrap_or_default(),
            printed_so: application.printed_so.then(|| "yes".to_owned()),
        }
    }

    pub(super) fn birth(&self) -> TypedDate {
        TypedDate {
            day: self.birth_day.clone(),
            month: self.birth_month.clone(),
            year: self.birth_year.clone(),
        }
    }

    /// Takes the answers over, or says field by field what to put right.
    pub(super) fn read(
        &self,
        application: &mut Application,
        zone: Option<&Mrz>,
        today: Date,
        page: &Page,
    ) -> Result<(), FormErrors> {
        let mut errors = FormErrors::new();
        let entity = self.read_entity(application, page, &mut errors);
        let khmer = self.read_khmer(application, page, &mut errors);
        let family = name(
            page,
            &mut errors,
            "family_la",
            &self.family_la,
            latin::normalise,
        );
        let given = optional_name(
            page,
            &mut errors,
            "given_la",
            &self.given_la,
            latin::normalise,
        );
        let birth = self
            .birth()
            .read()
            .filter(|birth| birth.earliest() <= today);
        if birth.is_none() {
            errors.add("birth", page.t("birth-wrong"));
        }
        let sex = Sex::parse(&self.sex);
        if sex.is_none() {
            errors.add("sex", page.t("sex-missing"));
        }
        let latin = family
            .zip(given)
            .map(|(family, given)| NameParts { family, given });
        if errors.is_empty()
            && self.printed_so.is_none()
            && let (Some(zone), Some(latin), Some(birth), Some(sex)) = (zone, &latin, birth, sex)
        {
            compare_with_zone(page, zone, latin, birth, sex, &mut errors);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        application.entity = entity;
        application.khmer = khmer;
        application.latin = latin;
        application.birth_date = birth;
        application.sex = sex;
        application.printed_so = self.printed_so.is_some();
        Ok(())
    }

    fn read_entity(
        &self,
        application: &Application,
        page: &Page,
        errors: &mut FormErrors,
    ) -> Option<Entity> {
        if application.applicant != Some(ApplicantKind::Entity) {
            return None;
        }
        // Registered names mix letters, digits and signs; what is invisible or controls text is still refused.
        let khmer = entity_name(page, errors, "entity_km", &self.entity_km);
        let latin = entity_name(page, errors, "entity_la", &self.entity_la);
        khmer
            .zip(latin)
            .map(|(khmer, latin)| Entity { latin, khmer })
    }

    fn read_khmer(
        &self,
        application: &Application,
        page: &Page,
        errors: &mut FormErrors,
    ) -> Option<NameParts> {
        let nothing = self.family_km.trim().is_empty() && self.given_km.trim().is_empty();
        if nothing && application.applicant == Some(ApplicantKind::Foreigner) {
            return None;
        }
        let family = name(page, errors, "family_km", &self.family_km, khmer::normalise);
        let given = optional_name(page, errors, "given_km", &self.given_km, khmer::normalise);
        family
            .zip(given)
            .map(|(family, given)| NameParts { family, given })
    }
}

fn entity_name(
    page: &Page,
    errors: &mut FormErrors,
    field: &'static str,
    typed: &str,
) -> Option<String> {
    domain::name::registered(typed)
        .map_err(|error| {
            let key = if error == NameError::Empty {
                "entity-missing"
            } else {
                "entity-wrong"
            };
            errors.add(field, page.t(key));
        })
        .ok()
}

/// What differs is explained once; whoever says that it is printed so goes on, and an officer compares.
fn compare_with_zone(
    page: &Page,
    zone: &Mrz,
    latin: &NameParts,
    birth: PartialDate,
    sex: Sex,
    errors: &mut FormErrors,
) {
    if compare(latin, &zone.name, zone.truncated) == NameMatch::Differs {
        errors.add(
            "family_la",
            page.t1("name-differs", "zone", zone.name.full()),
        );
    }
    if let Some(read) = zone.birth_date.filter(|read| !birth.agrees_with(*read)) {
        let words = read
            .full()
            .map_or_else(|| read.to_string(), |date| page.date(&date));
        errors.add("birth", page.t1("birth-differs", "zone", words));
    }
    if zone.sex != Sex::Unspecified && sex != zone.sex {
        errors.add(
            "sex",
            page.t1(
                "sex-differs",
                "zone",
                page.t(&format!("sex-{}", zone.sex.as_str())),
            ),
        );
    }
}

/// Whether anything typed differs from the zone, so that the page offers "it is printed so".
pub(super) fn differs(
    errors: &FormErrors,
    page: &Page,
    form: &NameForm,
    zone: Option<&Mrz>,
) -> bool {
    let Some(zone) = zone else { return false };
    if form.printed_so.is_some() {
        return true;
    }
    let typed = (
        latin::normalise(&form.family_la).ok(),
        form.birth().read(),
        Sex::parse(&form.sex),
    );
    let (Some(family), Some(birth), Some(sex)) = typed else {
        return false;
    };
    let given = latin::normalise(&form.given_la).unwrap_or_default();
    let mut found = FormErrors::new();
    compare_with_zone(
        page,
        zone,
        &NameParts { family, given },
        birth,
        sex,
        &mut found,
    );
    !errors.is_empty() && !found.is_empty()
}
