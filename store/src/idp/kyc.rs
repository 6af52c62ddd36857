//! Applications: the row of a case, read into and written from its state machine.

use diesel::prelude::*;
use domain::document::DocumentKind;
use domain::kyc::{Case, CaseState, Lease, Stage};
use domain::locale::Locale;
use jiff::Timestamp;
use uuid::Uuid;

use super::account::parse_id;
use crate::schema::identity::{case_days, kyc_cases, kyc_revisions};
use crate::{Reader, StoreError, Writer};

/// A case with what the state machine does not know. The application is sealed with the subject's key.
#[derive(Clone, Debug)]
pub struct KycCase {
    /// Its identifier.
    pub id: Uuid,
    /// The number people use; given when first handed in.
    pub number: Option<String>,
    /// Hash of the continuation code.
    pub code_hash: Vec<u8>,
    /// The applicant's language.
    pub locale: Locale,
    /// The document chosen.
    pub document: Option<DocumentKind>,
    /// Blind index of kind, issuer and number of the document.
    pub document_index: Option<Vec<u8>>,
    /// The application, sealed for table `kyc_cases`, column `application_sealed`, row `id`.
    pub application_sealed: Vec<u8>,
    /// The state machine.
    pub case: Case,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// Last change, in Unix seconds; tells whether a page shows the case as it is.
    pub updated_at: i64,
    /// When last handed in, in Unix seconds.
    pub submitted_at: Option<i64>,
    /// Final decision, in Unix seconds.
    pub decided_at: Option<i64>,
    /// When a draft is forgotten, in Unix seconds.
    pub expires_at: Option<i64>,
}

/// A row of `kyc_cases`.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = kyc_cases, treat_none_as_null = true)]
struct CaseRow {
    id: String,
    number: Option<String>,
    subject_id: String,
    code_hash: Vec<u8>,
    locale: String,
    document_kind: Option<String>,
    document_index: Option<Vec<u8>>,
    application_sealed: Vec<u8>,
    state: String,
    stage: Option<String>,
    lease_officer: Option<String>,
    lease_until: Option<i64>,
    evidence_digest: Option<Vec<u8>>,
    revision: i64,
    appeals: i64,
    earlier_officers: String,
    created_at: i64,
    updated_at: i64,
    submitted_at: Option<i64>,
    decided_at: Option<i64>,
    expires_at: Option<i64>,
}

pub(super) fn stage(word: &str) -> Result<Stage, StoreError> {
    [Stage::First, Stage::Second, Stage::Third]
        .into_iter()
        .find(|stage| stage.as_str() == word)
        .ok_or(StoreError::Damaged("stage of a case"))
}

pub(super) fn digest(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged("digest"))
}

fn state(row: &CaseRow) -> Result<CaseState, StoreError> {
    let damaged = || StoreError::Damaged("state of a case");
    let stage = || row.stage.as_deref().ok_or_else(damaged).and_then(stage);
    Ok(match row.state.as_str() {
        "draft" => CaseState::Draft,
        "submitted" => CaseState::Submitted,
        "waiting" => CaseState::Waiting(stage()?),
        "in_review" => {
            let officer = row.lease_officer.as_deref().ok_or_else(damaged)?;
            let until = row.lease_until.ok_or_else(damaged)?;
            let lease = Lease {
                officer: parse_id(officer)?,
                until: Timestamp::from_second(until).map_err(|_| damaged())?,
            };
            CaseState::InReview(stage()?, lease)
        }
        "more_information" => CaseState::MoreInformation,
        "approved" => CaseState::Approved,
        "rejected" => CaseState::Rejected,
        _ => return Err(damaged()),
    })
}

impl KycCase {
    fn read(row: CaseRow, reader: &mut Reader<'_>) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("case");
        let id = parse_id(&row.id)?;
        let mut case = Case {
            subject: parse_id(&row.subject_id)?,
            state: state(&row)?,
            evidence_digest: row.evidence_digest.as_deref().map(digest).transpose()?,
            revision: u32::try_from(row.revision).map_err(|_| damaged())?,
            appeals: u32::try_from(row.appeals).map_err(|_| damaged())?,
            decisions: Vec::new(),
            earlier_officers: serde_json::from_str(&row.earlier_officers).map_err(|_| damaged())?,
        };
        case.decisions = reader.list_current_decisions(id, &case)?;
        Ok(Self {
            id,
            number: row.number,
            code_hash: row.code_hash,
            locale: row.locale.parse().map_err(|_| damaged())?,
            document: match row.document_kind {
                Some(word) => Some(DocumentKind::parse(&word).ok_or_else(damaged)?),
                None => None,
            },
            document_index: row.document_index,
            application_sealed: row.application_sealed,
            case,
            created_at: row.created_at,
            updated_at: row.updated_at,
            submitted_at: row.submitted_at,
            decided_at: row.decided_at,
            expires_at: row.expires_at,
        })
    }

    fn row(&self) -> Result<CaseRow, StoreError> {
        let lease = match self.case.state {
            CaseState::InReview(_, lease) => Some(lease),
            _ => None,
        };
        Ok(CaseRow {
            id: self.id.to_string(),
            number: self.number.clone(),
            subject_id: self.case.subject.to_string(),
            code_hash: self.code_hash.clone(),
            locale: self.locale.tag().to_owned(),
            document_kind: self.document.map(|kind| kind.as_str().to_owned()),
            document_index: self.document_index.clone(),
            application_sealed: self.application_sealed.clone(),
            state: self.case.state.as_str().to_owned(),
            stage: self
                .case
                .state
                .stage()
                .map(|stage| stage.as_str().to_owned()),
            lease_officer: lease.map(|lease| lease.officer.to_string()),
            lease_until: lease.map(|lease| lease.until.as_second()),
            evidence_digest: self.case.evidence_digest.map(|digest| digest.to_vec()),
            revision: i64::from(self.case.revision),
            appeals: i64::from(self.case.appeals),
            earlier_officers: serde_json::to_string(&self.case.earlier_officers)
                .map_err(|_| StoreError::Invalid("officers of a case"))?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            submitted_at: self.submitted_at,
            decided_at: self.decided_at,
            expires_at: self.expires_at,
        })
    }
}

impl Reader<'_> {
    /// The case with this identifier.
    pub fn find_case(&mut self, id: Uuid) -> Result<Option<KycCase>, StoreError> {
        let row = kyc_cases::table
            .find(id.to_string())
            .select(CaseRow::as_select())
            .first(self.conn())
            .optional()?;
        row.map(|row| KycCase::read(row, self)).transpose()
    }

    /// The case with this identifier, which must exist.
    pub fn load_case(&mut self, id: Uuid) -> Result<KycCase, StoreError> {
        self.find_case(id)?.ok_or(StoreError::NotFound)
    }

    /// The case that a continuation code opens.
    pub fn find_case_by_code(
        &mut self,
        code_hash: &[u8; 32],
    ) -> Result<Option<KycCase>, StoreError> {
        let row = kyc_cases::table
            .filter(kyc_cases::code_hash.eq(code_hash.as_slice()))
            .select(CaseRow::as_select())
            .first(self.conn())
            .optional()?;
        row.map(|row| KycCase::read(row, self)).transpose()
    }

    /// Identifiers and numbers of handed-in cases of other subjects that use the same document, newest first.
    pub fn list_cases_with_document(
        &mut self,
        document_index: &[u8],
        except_subject: Uuid,
        limit: i64,
    ) -> Result<Vec<(Uuid, Option<String>)>, StoreError> {
        kyc_cases::table
            .filter(kyc_cases::document_index.eq(document_index))
            .filter(kyc_cases::subject_id.ne(except_subject.to_string()))
            .filter(kyc_cases::state.ne("draft"))
            .order(kyc_cases::id.desc())
            .limit(limit)
            .select((kyc_cases::id, kyc_cases::number))
            .load::<(String, Option<String>)>(self.conn())?
            .into_iter()
            .map(|(id, number)| Ok((parse_id(&id)?, number)))
            .collect()
    }

    /// Drafts and sent-back cases whose time is over, oldest first.
    pub fn list_expired_drafts(&mut self, now: i64, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        kyc_cases::table
            .filter(kyc_cases::expires_at.le(now))
            .filter(kyc_cases::state.eq("draft"))
            .order(kyc_cases::expires_at)
            .limit(limit)
            .select(kyc_cases::id)
            .load::<String>(self.conn())?
            .iter()
            .map(|id| parse_id(id))
            .collect()
    }
}

impl Writer<'_> {
    /// Adds a case.
    pub fn insert_case(&mut self, case: &KycCase) -> Result<(), StoreError> {
        diesel::insert_into(kyc_cases::table)
            .values(&case.row()?)
            .execute(self.conn())?;
        Ok(())
    }

    /// Writes a case back as it is now. Decisions are added with [`Writer::insert_decision`].
    pub fn update_case(&mut self, case: &KycCase) -> Result<(), StoreError> {
        let changed = diesel::update(kyc_cases::table.find(case.id.to_string()))
            .set(&case.row()?)
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Keeps what was handed in, as it was, beside later revisions.
    pub fn insert_revision(
        &mut self,
        case: &KycCase,
        sealed: &[u8],
        at: i64,
    ) -> Result<(), StoreError> {
        let digest = case
            .case
            .evidence_digest
            .ok_or(StoreError::Invalid("revision without digest"))?;
        diesel::insert_into(kyc_revisions::table)
            .values((
                kyc_revisions::case_id.eq(case.id.to_string()),
                kyc_revisions::revision.eq(i64::from(case.case.revision)),
                kyc_revisions::application_sealed.eq(sealed),
                kyc_revisions::evidence_digest.eq(digest.as_slice()),
                kyc_revisions::submitted_at.eq(at),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// The next case number of a day, counted from one.
    pub fn next_of_day(&mut self, day: &str) -> Result<i64, StoreError> {
        let last: Option<i64> = case_days::table
            .find(day)
            .select(case_days::last)
            .first(self.conn())
            .optional()?;
        let next = last.unwrap_or(0) + 1;
        if last.is_some() {
            diesel::update(case_days::table.find(day))
                .set(case_days::last.eq(next))
                .execute(self.conn())?;
        } else {
            diesel::insert_into(case_days::table)
                .values((case_days::day.eq(day), case_days::last.eq(next)))
                .execute(self.conn())?;
        }
        Ok(next)
    }

    /// Removes a draft with everything that hangs on it.
    pub fn delete_draft(&mut self, case: Uuid) -> Result<(), StoreError> {
        diesel::delete(
            kyc_cases::table
                .filter(kyc_cases::id.eq(case.to_string()))
                .filter(kyc_cases::state.eq("draft")),
        )
        .execute(self.conn())?;
        Ok(())
    }
}
