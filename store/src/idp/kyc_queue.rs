//! The operators' queue.

use diesel::prelude::*;
use uuid::Uuid;

use super::account::parse_id;
use crate::schema::identity::{kyc_cases, kyc_decisions};
use crate::{Reader, StoreError};

/// A line of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueItem {
    /// The case.
    pub id: Uuid,
    /// Its number.
    pub number: String,
    /// The document's kind.
    pub document_kind: String,
    /// `first`, `second` or `third` look.
    pub stage: String,
    /// Who holds it, and until when in Unix seconds.
    pub lease: Option<(Uuid, i64)>,
    /// When it was handed in, in Unix seconds.
    pub submitted_at: i64,
    /// How often it was appealed.
    pub appeals: i64,
    /// Whether the asking officer has decided on it before.
    pub decided_by_me: bool,
}

/// Which lines of the queue.
#[derive(Clone, Debug, Default)]
pub struct QueueFilter {
    /// Only this look.
    pub stage: Option<String>,
    /// Only this kind of document.
    pub document_kind: Option<String>,
    /// Only cases in this officer's hands.
    pub held_by: Option<Uuid>,
    /// Continue after this line: when it was handed in, and its identifier.
    pub after: Option<(i64, Uuid)>,
}

type Line = (
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    i64,
);

impl Reader<'_> {
    /// Cases to look at, oldest first.
    pub fn list_queue(
        &mut self,
        officer: Uuid,
        filter: &QueueFilter,
        limit: i64,
    ) -> Result<Vec<QueueItem>, StoreError> {
        let mut query = kyc_cases::table
            .filter(kyc_cases::state.eq_any(["waiting", "in_review"]))
            .into_boxed();
        if let Some(stage) = &filter.stage {
            query = query.filter(kyc_cases::stage.eq(stage.clone()));
        }
        if let Some(kind) = &filter.document_kind {
            query = query.filter(kyc_cases::document_kind.eq(kind.clone()));
        }
        if let Some(holder) = filter.held_by {
            query = query.filter(kyc_cases::lease_officer.eq(holder.to_string()));
        }
        if let Some((at, id)) = filter.after {
            query = query.filter(
                kyc_cases::submitted_at.gt(at).or(kyc_cases::submitted_at
                    .eq(at)
                    .and(kyc_cases::id.gt(id.to_string()))),
            );
        }
        let lines: Vec<Line> = query
            .order((kyc_cases::submitted_at, kyc_cases::id))
            .limit(limit)
            .select((
                kyc_cases::id,
                kyc_cases::number,
                kyc_cases::document_kind,
                kyc_cases::stage,
                kyc_cases::lease_officer,
                kyc_cases::lease_until,
                kyc_cases::submitted_at,
                kyc_cases::appeals,
            ))
            .load(self.conn())?;
        let ids: Vec<String> = lines.iter().map(|line| line.0.clone()).collect();
        let mine: Vec<String> = kyc_decisions::table
            .filter(kyc_decisions::officer_id.eq(officer.to_string()))
            .filter(kyc_decisions::case_id.eq_any(ids))
            .select(kyc_decisions::case_id)
            .load(self.conn())?;
        lines.into_iter().map(|line| item(line, &mine)).collect()
    }

    /// How many cases wait, and since when the oldest does, in Unix seconds.
    pub fn measure_queue(&mut self) -> Result<(i64, Option<i64>), StoreError> {
        use diesel::dsl::{count_star, min};
        Ok(kyc_cases::table
            .filter(kyc_cases::state.eq_any(["waiting", "in_review"]))
            .select((count_star(), min(kyc_cases::submitted_at)))
            .first(self.conn())?)
    }
}

fn item(line: Line, mine: &[String]) -> Result<QueueItem, StoreError> {
    let (id, number, document_kind, stage, holder, until, submitted_at, appeals) = line;
    Ok(QueueItem {
        decided_by_me: mine.contains(&id),
        id: parse_id(&id)?,
        number: number.unwrap_or_default(),
        document_kind: document_kind.unwrap_or_default(),
        stage: stage.unwrap_or_default(),
        lease: match (holder, until) {
            (Some(holder), Some(until)) => Some((parse_id(&holder)?, until)),
            _ => None,
        },
        submitted_at: submitted_at.unwrap_or_default(),
        appeals,
    })
}
