//! What is known about a person, for claims and for the person's own page.

use domain::assurance::KH_2026_11;
use domain::kyc::today_in_cambodia;
use domain::person::{PersonFacts, PersonRecord};
use jiff::Timestamp;
use store::StoreError;
use store::sealing::Field;
use uuid::Uuid;

use super::vault::{open_subject, unseal};
use crate::account::AccountError;
use crate::app::App;

/// Opens a person's record and computes the level as it stands today. Not found where there is no such person, where
/// the key was erased, or where the evidence gives no level any more (a foreign passport that expired).
pub async fn load(app: &App, person: Uuid) -> Result<PersonFacts, AccountError> {
    let found = app
        .store
        .read(move |r| r.find_person(person))
        .await?
        .ok_or(StoreError::NotFound)?;
    let key = open_subject(app, person).await?;
    let row = person.to_string();
    let record: PersonRecord = unseal(&key, &record_field(&row), &found.record_sealed)?;
    let today = today_in_cambodia(app.sources.now());
    let updated = Timestamp::from_second(found.updated_at).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(record
        .facts(person, &KH_2026_11, today, updated)
        .ok_or(StoreError::NotFound)?)
}

/// Where a person's record is sealed.
pub(crate) fn record_field(person: &str) -> Field<'_> {
    Field {
        table: "persons",
        column: "record_sealed",
        row: person,
    }
}
