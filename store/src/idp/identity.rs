//! Subject keys, persons, and who holds which document.

use diesel::prelude::*;
use domain::person::PersonKind;
use uuid::Uuid;

use super::account::parse_id;
use crate::schema::identity::{document_holders, persons, subject_keys};
use crate::{Reader, StoreError, Writer};

/// A person whose identity was proven. The record is sealed with the subject's key.
#[derive(Clone, Debug)]
pub struct Person {
    /// The subject identifier.
    pub id: Uuid,
    /// Natural person or legal entity.
    pub kind: PersonKind,
    /// The record, sealed for table `persons`, column `record_sealed`, row `id`.
    pub record_sealed: Vec<u8>,
    /// The case that was approved.
    pub case: Uuid,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// Last change, in Unix seconds.
    pub updated_at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = persons)]
struct PersonRow {
    id: String,
    kind: String,
    record_sealed: Vec<u8>,
    case_id: String,
    created_at: i64,
    updated_at: i64,
}

/// Who first proved an identity, or handed in an application, with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentHolder {
    /// The subject.
    pub subject: Uuid,
    /// The case.
    pub case: Uuid,
}

impl Reader<'_> {
    /// A subject's wrapped key; `None` where there is no such subject or the key was erased.
    pub fn find_subject_key(&mut self, subject: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(subject_keys::table
            .find(subject.to_string())
            .select(subject_keys::wrapped_key)
            .first::<Option<Vec<u8>>>(self.conn())
            .optional()?
            .flatten())
    }

    /// The person with this identifier.
    pub fn find_person(&mut self, id: Uuid) -> Result<Option<Person>, StoreError> {
        let row: Option<PersonRow> = persons::table
            .find(id.to_string())
            .select(PersonRow::as_select())
            .first(self.conn())
            .optional()?;
        row.map(|row| {
            Ok(Person {
                id: parse_id(&row.id)?,
                kind: match row.kind.as_str() {
                    "natural" => PersonKind::Natural,
                    "entity" => PersonKind::Entity,
                    _ => return Err(StoreError::Damaged("person kind")),
                },
                record_sealed: row.record_sealed,
                case: parse_id(&row.case_id)?,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .transpose()
    }

    /// Who holds the document with this blind index.
    pub fn find_document_holder(
        &mut self,
        document_index: &[u8],
    ) -> Result<Option<DocumentHolder>, StoreError> {
        let row: Option<(String, String)> = document_holders::table
            .find(document_index)
            .select((document_holders::subject_id, document_holders::case_id))
            .first(self.conn())
            .optional()?;
        row.map(|(subject, case)| {
            Ok(DocumentHolder {
                subject: parse_id(&subject)?,
                case: parse_id(&case)?,
            })
        })
        .transpose()
    }
}

impl Writer<'_> {
    /// Adds a subject's wrapped key.
    pub fn insert_subject_key(
        &mut self,
        subject: Uuid,
        wrapped: &[u8],
        at: i64,
    ) -> Result<(), StoreError> {
        diesel::insert_into(subject_keys::table)
            .values((
                subject_keys::subject_id.eq(subject.to_string()),
                subject_keys::wrapped_key.eq(Some(wrapped)),
                subject_keys::created_at.eq(at),
                subject_keys::erased_at.eq(None::<i64>),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Destroys a subject's key: nothing sealed with it, in tables or files, can be read again.
    pub fn erase_subject_key(&mut self, subject: Uuid, at: i64) -> Result<(), StoreError> {
        let erased = diesel::update(subject_keys::table.find(subject.to_string()))
            .set((
                subject_keys::wrapped_key.eq(None::<Vec<u8>>),
                subject_keys::erased_at.eq(Some(at)),
            ))
            .execute(self.conn())?;
        if erased == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Adds a person; a subject becomes a person once.
    pub fn insert_person(&mut self, person: &Person) -> Result<(), StoreError> {
        let row = PersonRow {
            id: person.id.to_string(),
            kind: person.kind.as_str().to_owned(),
            record_sealed: person.record_sealed.clone(),
            case_id: person.case.to_string(),
            created_at: person.created_at,
            updated_at: person.updated_at,
        };
        diesel::insert_into(persons::table)
            .values(&row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Notes who holds a document. The first holder stays; `false` says that somebody else is.
    pub fn claim_document(
        &mut self,
        document_index: &[u8],
        holder: &DocumentHolder,
        at: i64,
    ) -> Result<bool, StoreError> {
        if let Some(found) = self.find_document_holder(document_index)? {
            return Ok(found.subject == holder.subject);
        }
        diesel::insert_into(document_holders::table)
            .values((
                document_holders::document_index.eq(document_index),
                document_holders::subject_id.eq(holder.subject.to_string()),
                document_holders::case_id.eq(holder.case.to_string()),
                document_holders::held_since.eq(at),
            ))
            .execute(self.conn())?;
        Ok(true)
    }
}
