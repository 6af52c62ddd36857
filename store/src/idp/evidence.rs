//! Evidence of a case: pictures (their content lies in sealed files), checks, decisions.

use diesel::prelude::*;
use domain::document::ImageRole;
use domain::evidence::{CheckKind, Outcome};
use domain::kyc::{Case, Decision, ReasonCode, Recorded, Verdict};
use jiff::Timestamp;
use uuid::Uuid;

use super::account::parse_id;
use super::kyc::{digest, stage};
use crate::schema::identity::{kyc_cases, kyc_checks, kyc_decisions, kyc_evidence};
use crate::{Reader, StoreError, Writer};

/// A picture or PDF of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceItem {
    /// Its identifier; names the row that the file is sealed for.
    pub id: Uuid,
    /// The case.
    pub case: Uuid,
    /// Which picture.
    pub role: ImageRole,
    /// `image/jpeg`, `image/png` or `application/pdf`.
    pub media_type: String,
    /// Bytes before sealing.
    pub size: i64,
    /// Width and height in pixels, of images.
    pub pixels: Option<(i64, i64)>,
    /// Number of pages, of PDFs.
    pub pages: Option<i64>,
    /// Keyed hash of the content.
    pub content_index: [u8; 32],
    /// SHA-256 of the sealed file: its name.
    pub blob_digest: [u8; 32],
    /// Creation, in Unix seconds.
    pub created_at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = kyc_evidence)]
struct EvidenceRow {
    id: String,
    case_id: String,
    role: String,
    media_type: String,
    size: i64,
    width: Option<i64>,
    height: Option<i64>,
    pages: Option<i64>,
    content_index: Vec<u8>,
    blob_digest: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
}

/// A check of a case as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckItem {
    /// Its identifier.
    pub id: Uuid,
    /// What was checked.
    pub kind: CheckKind,
    /// What was found.
    pub outcome: Outcome,
    /// What was compared, sealed for table `kyc_checks`, column `finding_sealed`, row `id`.
    pub finding_sealed: Option<Vec<u8>>,
    /// The officer; `None` for a computed check.
    pub officer: Option<Uuid>,
    /// When, in Unix seconds.
    pub at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = kyc_checks)]
struct CheckRow {
    id: String,
    case_id: String,
    revision: i64,
    kind: String,
    outcome: String,
    finding_sealed: Option<Vec<u8>>,
    officer_id: Option<String>,
    at: i64,
}

/// A decision to record. The note is sealed for table `kyc_decisions`, column `note_sealed`, row `id`.
#[derive(Clone, Debug)]
pub struct NewDecision {
    /// Its identifier.
    pub id: Uuid,
    /// The case.
    pub case: Uuid,
    /// The evidence revision decided on.
    pub revision: u32,
    /// The appeal decided on; zero before the first.
    pub appeal: u32,
    /// What was decided, by whom, when.
    pub recorded: Recorded,
    /// What the officer wrote to the applicant, sealed.
    pub note_sealed: Option<Vec<u8>>,
}

/// A decision as shown to the applicant or, once both have decided, to officers.
#[derive(Clone, Debug)]
pub struct DecisionItem {
    /// Its identifier.
    pub id: Uuid,
    /// What was decided, by whom, when.
    pub recorded: Recorded,
    /// What the officer wrote to the applicant, sealed.
    pub note_sealed: Option<Vec<u8>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = kyc_decisions)]
struct DecisionRow {
    id: String,
    case_id: String,
    revision: i64,
    appeal: i64,
    stage: String,
    officer_id: String,
    verdict: String,
    reason: Option<String>,
    note_sealed: Option<Vec<u8>>,
    evidence_digest: Vec<u8>,
    at: i64,
}

impl TryFrom<EvidenceRow> for EvidenceItem {
    type Error = StoreError;

    fn try_from(row: EvidenceRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parse_id(&row.id)?,
            case: parse_id(&row.case_id)?,
            role: ImageRole::parse(&row.role).ok_or(StoreError::Damaged("role of evidence"))?,
            media_type: row.media_type,
            size: row.size,
            pixels: row.width.zip(row.height),
            pages: row.pages,
            content_index: digest(&row.content_index)?,
            blob_digest: digest(&row.blob_digest)?,
            created_at: row.created_at,
        })
    }
}

impl TryFrom<CheckRow> for CheckItem {
    type Error = StoreError;

    fn try_from(row: CheckRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parse_id(&row.id)?,
            kind: CheckKind::parse(&row.kind).ok_or(StoreError::Damaged("kind of check"))?,
            outcome: Outcome::parse(&row.outcome).ok_or(StoreError::Damaged("outcome of check"))?,
            finding_sealed: row.finding_sealed,
            officer: row.officer_id.as_deref().map(parse_id).transpose()?,
            at: row.at,
        })
    }
}

impl TryFrom<DecisionRow> for DecisionItem {
    type Error = StoreError;

    fn try_from(row: DecisionRow) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("decision");
        Ok(Self {
            id: parse_id(&row.id)?,
            recorded: Recorded {
                officer: parse_id(&row.officer_id)?,
                stage: stage(&row.stage)?,
                decision: Decision {
                    verdict: Verdict::parse(&row.verdict).ok_or_else(damaged)?,
                    reason: match row.reason {
                        Some(word) => Some(ReasonCode::parse(&word).ok_or_else(damaged)?),
                        None => None,
                    },
                    evidence_digest: digest(&row.evidence_digest)?,
                },
                at: Timestamp::from_second(row.at).map_err(|_| damaged())?,
            },
            note_sealed: row.note_sealed,
        })
    }
}

impl Reader<'_> {
    /// The pictures of a case, in the order they came.
    pub fn list_evidence(&mut self, case: Uuid) -> Result<Vec<EvidenceItem>, StoreError> {
        kyc_evidence::table
            .filter(kyc_evidence::case_id.eq(case.to_string()))
            .order(kyc_evidence::id)
            .select(EvidenceRow::as_select())
            .load(self.conn())?
            .into_iter()
            .map(EvidenceItem::try_from)
            .collect()
    }

    /// One picture of a case.
    pub fn find_evidence(
        &mut self,
        case: Uuid,
        id: Uuid,
    ) -> Result<Option<EvidenceItem>, StoreError> {
        kyc_evidence::table
            .find(id.to_string())
            .filter(kyc_evidence::case_id.eq(case.to_string()))
            .select(EvidenceRow::as_select())
            .first(self.conn())
            .optional()?
            .map(EvidenceItem::try_from)
            .transpose()
    }

    /// How many pictures with one of these contents other subjects have handed in.
    pub fn count_same_content(
        &mut self,
        contents: &[[u8; 32]],
        except_subject: Uuid,
    ) -> Result<i64, StoreError> {
        let mut count = 0;
        for content in contents {
            count += kyc_evidence::table
                .inner_join(kyc_cases::table.on(kyc_cases::id.eq(kyc_evidence::case_id)))
                .filter(kyc_evidence::content_index.eq(content.as_slice()))
                .filter(kyc_cases::subject_id.ne(except_subject.to_string()))
                .count()
                .get_result::<i64>(self.conn())?;
        }
        Ok(count)
    }

    /// Whether any row still names a sealed file.
    pub fn is_blob_named(&mut self, blob_digest: &[u8; 32]) -> Result<bool, StoreError> {
        let count: i64 = kyc_evidence::table
            .filter(kyc_evidence::blob_digest.eq(blob_digest.as_slice()))
            .count()
            .get_result(self.conn())?;
        Ok(count > 0)
    }

    /// Pictures past their keeping time, oldest first.
    pub fn list_expired_evidence(
        &mut self,
        now: i64,
        limit: i64,
    ) -> Result<Vec<EvidenceItem>, StoreError> {
        kyc_evidence::table
            .filter(kyc_evidence::expires_at.le(now))
            .order(kyc_evidence::expires_at)
            .limit(limit)
            .select(EvidenceRow::as_select())
            .load(self.conn())?
            .into_iter()
            .map(EvidenceItem::try_from)
            .collect()
    }

    /// The checks of a revision, oldest first; those of one moment by their kind, so that a page shows them in one order.
    pub fn list_checks(&mut self, case: Uuid, revision: u32) -> Result<Vec<CheckItem>, StoreError> {
        kyc_checks::table
            .filter(kyc_checks::case_id.eq(case.to_string()))
            .filter(kyc_checks::revision.eq(i64::from(revision)))
            .order((kyc_checks::at, kyc_checks::kind, kyc_checks::id))
            .select(CheckRow::as_select())
            .load(self.conn())?
            .into_iter()
            .map(CheckItem::try_from)
            .collect()
    }

    /// The decisions that count for the case as it stands.
    pub(super) fn list_current_decisions(
        &mut self,
        id: Uuid,
        case: &Case,
    ) -> Result<Vec<Recorded>, StoreError> {
        let Some(current) = case.evidence_digest else {
            return Ok(Vec::new());
        };
        let items = kyc_decisions::table
            .filter(kyc_decisions::case_id.eq(id.to_string()))
            .filter(kyc_decisions::revision.eq(i64::from(case.revision)))
            .filter(kyc_decisions::appeal.eq(i64::from(case.appeals)))
            .filter(kyc_decisions::evidence_digest.eq(current.as_slice()))
            .order((kyc_decisions::at, kyc_decisions::id))
            .select(DecisionRow::as_select())
            .load(self.conn())?;
        items
            .into_iter()
            .map(|row| Ok(DecisionItem::try_from(row)?.recorded))
            .collect()
    }

    /// Every decision ever made on a case, oldest first.
    pub fn list_decisions(&mut self, case: Uuid) -> Result<Vec<DecisionItem>, StoreError> {
        kyc_decisions::table
            .filter(kyc_decisions::case_id.eq(case.to_string()))
            .order((kyc_decisions::at, kyc_decisions::id))
            .select(DecisionRow::as_select())
            .load(self.conn())?
            .into_iter()
            .map(DecisionItem::try_from)
            .collect()
    }
}

impl Writer<'_> {
    /// Adds a picture in place of an earlier one of the same role; returns the file name that lost its row.
    pub fn replace_evidence(
        &mut self,
        item: &EvidenceItem,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        let case = item.case.to_string();
        let old = self.delete_evidence_of_role(item.case, item.role)?;
        let row = EvidenceRow {
            id: item.id.to_string(),
            case_id: case,
            role: item.role.as_str().to_owned(),
            media_type: item.media_type.clone(),
            size: item.size,
            width: item.pixels.map(|(width, _)| width),
            height: item.pixels.map(|(_, height)| height),
            pages: item.pages,
            content_index: item.content_index.to_vec(),
            blob_digest: item.blob_digest.to_vec(),
            created_at: item.created_at,
            expires_at: None,
        };
        diesel::insert_into(kyc_evidence::table)
            .values(&row)
            .execute(self.conn())?;
        Ok(old)
    }

    fn delete_evidence_of_role(
        &mut self,
        case: Uuid,
        role: ImageRole,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        let target = || {
            kyc_evidence::table
                .filter(kyc_evidence::case_id.eq(case.to_string()))
                .filter(kyc_evidence::role.eq(role.as_str()))
        };
        let old: Option<Vec<u8>> = target()
            .select(kyc_evidence::blob_digest)
            .first(self.conn())
            .optional()?;
        if old.is_some() {
            diesel::delete(target()).execute(self.conn())?;
        }
        old.as_deref().map(digest).transpose()
    }

    /// Removes a picture whose file is gone or about to go.
    pub fn delete_evidence(&mut self, id: Uuid) -> Result<(), StoreError> {
        diesel::delete(kyc_evidence::table.find(id.to_string())).execute(self.conn())?;
        Ok(())
    }

    /// Sets until when the pictures of a case are kept, in Unix seconds.
    pub fn expire_evidence(&mut self, case: Uuid, at: Option<i64>) -> Result<(), StoreError> {
        diesel::update(kyc_evidence::table.filter(kyc_evidence::case_id.eq(case.to_string())))
            .set(kyc_evidence::expires_at.eq(at))
            .execute(self.conn())?;
        Ok(())
    }

    /// Adds checks made on a revision.
    pub fn insert_checks(
        &mut self,
        case: Uuid,
        revision: u32,
        checks: &[CheckItem],
    ) -> Result<(), StoreError> {
        for check in checks {
            let row = CheckRow {
                id: check.id.to_string(),
                case_id: case.to_string(),
                revision: i64::from(revision),
                kind: check.kind.as_str().to_owned(),
                outcome: check.outcome.as_str().to_owned(),
                finding_sealed: check.finding_sealed.clone(),
                officer_id: check.officer.map(|officer| officer.to_string()),
                at: check.at,
            };
            diesel::insert_into(kyc_checks::table)
                .values(&row)
                .execute(self.conn())?;
        }
        Ok(())
    }

    /// Removes the computed checks of a revision, before they are computed again.
    pub fn delete_computed_checks(&mut self, case: Uuid, revision: u32) -> Result<(), StoreError> {
        diesel::delete(
            kyc_checks::table
                .filter(kyc_checks::case_id.eq(case.to_string()))
                .filter(kyc_checks::revision.eq(i64::from(revision)))
                .filter(kyc_checks::officer_id.is_null()),
        )
        .execute(self.conn())?;
        Ok(())
    }

    /// Records a decision; the same officer twice on the same evidence is a conflict.
    pub fn insert_decision(&mut self, new: &NewDecision) -> Result<(), StoreError> {
        let recorded = &new.recorded;
        let row = DecisionRow {
            id: new.id.to_string(),
            case_id: new.case.to_string(),
            revision: i64::from(new.revision),
            appeal: i64::from(new.appeal),
            stage: recorded.stage.as_str().to_owned(),
            officer_id: recorded.officer.to_string(),
            verdict: recorded.decision.verdict.as_str().to_owned(),
            reason: recorded
                .decision
                .reason
                .map(|reason| reason.as_str().to_owned()),
            note_sealed: new.note_sealed.clone(),
            evidence_digest: recorded.decision.evidence_digest.to_vec(),
            at: recorded.at.as_second(),
        };
        diesel::insert_into(kyc_decisions::table)
            .values(&row)
            .execute(self.conn())?;
        Ok(())
    }
}
