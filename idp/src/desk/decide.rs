//! A decision, and in the same write everything that follows from it.

use actix_web::HttpRequest;
use domain::account::{Identifier, IdentifierKind};
use domain::assurance::KH_2026_11;
use domain::audit::action;
use domain::evidence::{CheckKind, Outcome};
use domain::kyc::{CaseState, Decision, Event, Recorded, Refusal, Verdict, today_in_cambodia};
use domain::person::PersonRecord;
use jiff::Timestamp;
use store::StoreError;
use store::idp::{CheckItem, KycCase, NewDecision, Person};
use store::sealing::Field;

use super::approval;
use super::notice;
use super::officer::Officer;
use crate::account::AccountError;
use crate::account::activation::{Invite, PreparedInvite, invite};
use crate::app::App;
use crate::apply::{Opened, event, seal};
use crate::outbox::PreparedMessage;

const SECONDS_PER_DAY: i64 = 86_400;

/// What an officer decides, and says to the applicant.
pub(super) struct Judgement {
    pub(super) decision: Decision,
    pub(super) note: Option<String>,
}

/// What follows from a final approval.
struct Approval {
    person: Person,
    invite: PreparedInvite,
    level: u8,
}

/// Everything that is written with a decision.
struct Prepared {
    before: KycCase,
    after: domain::kyc::Case,
    decision: NewDecision,
    checks: Vec<CheckItem>,
    approval: Option<Approval>,
    notice: Option<PreparedMessage>,
    now: Timestamp,
    pictures_until: i64,
}

/// Records the decision. The inner error is a rule that stands in the way.
pub(super) async fn decide(
    request: &HttpRequest,
    app: &App,
    officer: &Officer,
    opened: &Opened,
    judgement: Judgement,
) -> Result<Result<CaseState, Refusal>, AccountError> {
    let now = app.sources.now();
    let who = officer.for_case(app, &opened.row, Some(opened)).await?;
    let act = Event::Decide(who, judgement.decision.clone());
    let after = match opened.row.case.apply(&act, now) {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let state = after.state;
    let prepared = prepare(app, officer, opened, judgement, after, now).await?;
    let id = opened.row.id;
    let mut event = event(
        request,
        app,
        officer.actor(),
        action::IDP_CASE_DECIDED,
        format!("case:{id}"),
    );
    event.detail = serde_json::json!({
        "verdict": prepared.decision.recorded.decision.verdict.as_str(),
        "reason": prepared.decision.recorded.decision.reason.map(domain::kyc::ReasonCode::as_str),
        "stage": prepared.decision.recorded.stage.as_str(),
        "state": state.as_str(),
        "level": prepared.approval.as_ref().map(|approval| approval.level),
        "policy": KH_2026_11.version,
    });
    app.store.write(event, move |w| prepared.record(w)).await?;
    Ok(Ok(state))
}

async fn prepare(
    app: &App,
    officer: &Officer,
    opened: &Opened,
    judgement: Judgement,
    after: domain::kyc::Case,
    now: Timestamp,
) -> Result<Prepared, AccountError> {
    let recorded: Recorded = after
        .decisions
        .last()
        .cloned()
        .ok_or(AccountError::Invalid("decision not recorded"))?;
    let decision_id = app.sources.uuid();
    let row = decision_id.to_string();
    let field = Field {
        table: "kyc_decisions",
        column: "note_sealed",
        row: &row,
    };
    let note_sealed = judgement
        .note
        .as_ref()
        .map(|note| seal(&opened.key, &field, note, app.sources.random()))
        .transpose()?;
    let checks: Vec<CheckItem> = if recorded.decision.verdict == Verdict::Approve {
        let kinds = approval::officer_checks(opened);
        kinds
            .into_iter()
            .map(|kind| officer_check(app, officer, kind, now))
            .collect()
    } else {
        Vec::new()
    };
    let approval = match after.state {
        CaseState::Approved => Some(approve(app, opened, &checks, now).await?),
        _ => None,
    };
    let days = i64::from(app.config.apply.picture_days);
    Ok(Prepared {
        before: opened.row.clone(),
        decision: NewDecision {
            id: decision_id,
            case: opened.row.id,
            revision: after.revision,
            appeal: after.appeals,
            recorded,
            note_sealed,
        },
        notice: notice::prepare(app, opened, after.state).await?,
        after,
        checks,
        approval,
        now,
        pictures_until: now.as_second() + days * SECONDS_PER_DAY,
    })
}

fn officer_check(app: &App, officer: &Officer, kind: CheckKind, now: Timestamp) -> CheckItem {
    CheckItem {
        id: app.sources.uuid(),
        kind,
        outcome: Outcome::Right,
        finding_sealed: None,
        officer: Some(officer.account()),
        at: now.as_second(),
    }
}

/// The person's record, account and invitation. The level is computed from what is recorded, here and at each later use.
async fn approve(
    app: &App,
    opened: &Opened,
    last_checks: &[CheckItem],
    now: Timestamp,
) -> Result<Approval, AccountError> {
    let (case, revision) = (opened.row.id, opened.row.case.revision);
    let mut checks = app
        .store
        .read(move |r| r.list_checks(case, revision))
        .await?;
    checks.extend_from_slice(last_checks);
    let record = approval::person(opened, app.sources.uuid(), approval::records(&checks), now)?;
    let subject = opened.row.case.subject;
    let level = PersonRecord::facts(
        record.clone(),
        subject,
        &KH_2026_11,
        today_in_cambodia(now),
        now,
    )
    .map(|facts| facts.assurance.ial())
    .ok_or(AccountError::Invalid("the evidence gives no level"))?;
    let row = subject.to_string();
    let field = crate::apply::facts::record_field(&row);
    let record_sealed = seal(&opened.key, &field, &record, app.sources.random())?;
    let verified = record
        .contacts
        .iter()
        .filter(|contact| contact.verified_at.is_some());
    let addresses: Vec<Identifier> = verified
        .filter_map(|contact| Identifier::parse(&contact.value).ok())
        .collect();
    let of = |kind| {
        addresses
            .iter()
            .find(|address| address.kind() == kind)
            .cloned()
    };
    let invite = invite(
        app,
        Invite {
            subject,
            locale: opened.row.locale,
            email: of(IdentifierKind::Email),
            phone: of(IdentifierKind::Phone),
        },
    )
    .await?;
    let person = Person {
        id: subject,
        kind: record.kind,
        record_sealed,
        case,
        created_at: now.as_second(),
        updated_at: now.as_second(),
    };
    Ok(Approval {
        person,
        invite,
        level,
    })
}

impl Prepared {
    fn record(self, w: &mut store::Writer<'_>) -> Result<(), StoreError> {
        let mut row = w.load_case(self.before.id)?;
        if row.case != self.before.case || row.application_sealed != self.before.application_sealed
        {
            return Err(StoreError::Conflict("the case changed meanwhile"));
        }
        row.case = self.after;
        row.updated_at = self.now.as_second();
        let is_final = matches!(row.case.state, CaseState::Approved | CaseState::Rejected);
        if is_final {
            row.decided_at = Some(self.now.as_second());
        }
        w.insert_decision(&self.decision)?;
        w.insert_checks(row.id, row.case.revision, &self.checks)?;
        w.update_case(&row)?;
        if is_final {
            w.expire_evidence(row.id, Some(self.pictures_until))?;
        }
        if let Some(approval) = self.approval {
            w.insert_person(&approval.person)?;
            approval.invite.insert(w)?;
        }
        match self.notice {
            Some(notice) => notice.insert(w),
            None => Ok(()),
        }
    }
}
