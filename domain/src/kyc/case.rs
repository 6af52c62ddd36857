//! The life of a case.
//!
//! Invariants, checked by property tests over random events: an approval rests on two approvals by two officers, both
//! bound to the evidence as it stands; no officer decides twice in a round, nor on their own application; evidence
//! that changes takes the decisions of the round with it.

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::{Decision, Recorded, Verdict};

/// How long an officer holds a case.
const LEASE_MINUTES: i64 = 30;

/// How often an applicant may appeal.
const MAX_APPEALS: u32 = 1;

/// Which look at a case is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The maker's.
    First,
    /// The checker's, who does not see what the maker decided.
    Second,
    /// The supervisor's, where maker and checker differ.
    Third,
}

impl Stage {
    /// The word used in tables and text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Third => "third",
        }
    }
}

/// An officer who acts on a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Officer {
    /// The officer's account.
    pub account: Uuid,
    /// The officer as a person, to keep them off their own application.
    pub person: Uuid,
    /// May decide where two officers differ.
    pub supervisor: bool,
}

/// Who holds a case until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The officer's account.
    pub officer: Uuid,
    /// End of the lease.
    pub until: Timestamp,
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// The applicant is filling it in.
    Draft,
    /// Handed in; computed checks are due.
    Submitted,
    /// In the queue for a look.
    Waiting(Stage),
    /// In an officer's hands.
    InReview(Stage, Lease),
    /// The applicant must hand in more.
    MoreInformation,
    /// Accepted.
    Approved,
    /// Refused.
    Rejected,
}

impl CaseState {
    /// The word used in tables and text keys, stage and lease left out.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Waiting(_) => "waiting",
            Self::InReview(..) => "in_review",
            Self::MoreInformation => "more_information",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// The look that is due or under way.
    pub fn stage(self) -> Option<Stage> {
        match self {
            Self::Waiting(stage) | Self::InReview(stage, _) => Some(stage),
            _ => None,
        }
    }

    /// Whether the applicant may change the application.
    pub fn is_editable(self) -> bool {
        matches!(self, Self::Draft | Self::MoreInformation)
    }
}

/// What can happen to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The applicant hands it in, first or again; the digest covers everything handed in.
    Submit {
        /// SHA-256 over the application and its images.
        evidence_digest: [u8; 32],
    },
    /// The computed checks are recorded.
    ChecksRecorded,
    /// An officer takes it from the queue, or prolongs.
    Take(Officer),
    /// The officer gives it back undecided.
    Release(Officer),
    /// The officer who holds it decides.
    Decide(Officer, Decision),
    /// Evidence changed while officers look at it (an image withdrawn, a register answer).
    EvidenceChanged {
        /// The new digest.
        evidence_digest: [u8; 32],
    },
    /// The applicant asks for another look by other officers.
    Appeal,
}

/// Why an event does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not in this state.
    #[error("the case does not stand where this is possible")]
    State,
    /// The officer is the applicant.
    #[error("an officer does not decide on their own application")]
    OwnApplication,
    /// The officer has decided in this round or an earlier one.
    #[error("the officer has already decided on this case")]
    SameOfficer,
    /// Someone else holds the case.
    #[error("another officer holds the case")]
    Held,
    /// The officer does not hold the case, or no longer.
    #[error("the officer does not hold the case")]
    NotHeld,
    /// Only a supervisor may.
    #[error("only a supervisor decides where two officers differ")]
    SupervisorOnly,
    /// The evidence is not the one the officer saw.
    #[error("the evidence has changed since it was shown")]
    EvidenceChanged,
    /// The reason is missing or does not fit.
    #[error("the decision needs a fitting reason")]
    Reason,
    /// No further appeal.
    #[error("there is no further appeal")]
    NoAppeal,
}

/// A case as its state machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The person the case is about.
    pub subject: Uuid,
    /// Where it stands.
    pub state: CaseState,
    /// SHA-256 over what was handed in; `None` in a first draft.
    pub evidence_digest: Option<[u8; 32]>,
    /// Counts the times it was handed in.
    pub revision: u32,
    /// Counts appeals.
    pub appeals: u32,
    /// Decisions on the evidence as it stands, oldest first.
    pub decisions: Vec<Recorded>,
    /// Officers who decided before the last change or appeal.
    pub earlier_officers: Vec<Uuid>,
}

impl Case {
    /// An empty draft.
    pub fn draft(subject: Uuid) -> Self {
        Self {
            subject,
            state: CaseState::Draft,
            evidence_digest: None,
            revision: 0,
            appeals: 0,
            decisions: Vec::new(),
            earlier_officers: Vec::new(),
        }
    }

    /// The case after an event, or why the event does not apply. `self` is left as it was.
    pub fn apply(&self, event: &Event, now: Timestamp) -> Result<Self, Refusal> {
        let mut next = self.clone();
        match event {
            Event::Submit { evidence_digest } => next.submit(*evidence_digest)?,
            Event::ChecksRecorded => {
                if self.state != CaseState::Submitted {
                    return Err(Refusal::State);
                }
                next.state = CaseState::Waiting(Stage::First);
            }
            Event::Take(officer) => {
                let stage = self.may_take(*officer, now)?;
                let until = now
                    .checked_add(LEASE_MINUTES.minutes())
                    .map_err(|_| Refusal::State)?;
                next.state = CaseState::InReview(
                    stage,
                    Lease {
                        officer: officer.account,
                        until,
                    },
                );
            }
            Event::Release(officer) => {
                let stage = self.held_by(*officer, now)?;
                next.state = CaseState::Waiting(stage);
            }
            Event::Decide(officer, decision) => next.decide(*officer, decision, now)?,
            Event::EvidenceChanged { evidence_digest } => {
                if self.state.stage().is_none() {
                    return Err(Refusal::State);
                }
                next.evidence_digest = Some(*evidence_digest);
                next.reset_decisions(false);
                next.state = CaseState::Waiting(Stage::First);
            }
            Event::Appeal => {
                if self.state != CaseState::Rejected {
                    return Err(Refusal::State);
                }
                if self.appeals >= MAX_APPEALS {
                    return Err(Refusal::NoAppeal);
                }
                next.appeals += 1;
                next.reset_decisions(true);
                next.state = CaseState::Submitted;
            }
        }
        Ok(next)
    }

    /// Whether the officer could take the case now, and for which look.
    pub fn may_take(&self, officer: Officer, now: Timestamp) -> Result<Stage, Refusal> {
        let stage = match self.state {
            CaseState::Waiting(stage) => stage,
            CaseState::InReview(stage, lease)
                if lease.officer == officer.account || lease.until <= now =>
            {
                stage
            }
            CaseState::InReview(..) => return Err(Refusal::Held),
            _ => return Err(Refusal::State),
        };
        self.impartial(officer)?;
        if stage == Stage::Third && !officer.supervisor {
            return Err(Refusal::SupervisorOnly);
        }
        Ok(stage)
    }

    /// Whether the applicant may still appeal.
    pub fn may_appeal(&self) -> bool {
        self.state == CaseState::Rejected && self.appeals < MAX_APPEALS
    }

    fn impartial(&self, officer: Officer) -> Result<(), Refusal> {
        if officer.person == self.subject || officer.account == self.subject {
            return Err(Refusal::OwnApplication);
        }
        let decided = self
            .decisions
            .iter()
            .any(|made| made.officer == officer.account)
            || self.earlier_officers.contains(&officer.account);
        if decided {
            Err(Refusal::SameOfficer)
        } else {
            Ok(())
        }
    }

    fn held_by(&self, officer: Officer, now: Timestamp) -> Result<Stage, Refusal> {
        match self.state {
            CaseState::InReview(stage, lease)
                if lease.officer == officer.account && lease.until > now =>
            {
                Ok(stage)
            }
            CaseState::InReview(..) | CaseState::Waiting(_) => Err(Refusal::NotHeld),
            _ => Err(Refusal::State),
        }
    }

    fn submit(&mut self, evidence_digest: [u8; 32]) -> Result<(), Refusal> {
        if !self.state.is_editable() {
            return Err(Refusal::State);
        }
        self.evidence_digest = Some(evidence_digest);
        self.revision += 1;
        self.reset_decisions(false);
        self.state = CaseState::Submitted;
        Ok(())
    }

    /// Decisions end with the evidence they were made on. After an appeal their officers stay away;
    /// after a mended application the same officers may look again.
    fn reset_decisions(&mut self, officers_stay_away: bool) {
        let made = std::mem::take(&mut self.decisions);
        if officers_stay_away {
            self.earlier_officers
                .extend(made.into_iter().map(|made| made.officer));
        }
    }

    fn decide(
        &mut self,
        officer: Officer,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        // Being the one who decided before is the plainer answer, whoever holds the case now.
        self.impartial(officer)?;
        let stage = self.held_by(officer, now)?;
        if self.evidence_digest != Some(decision.evidence_digest) {
            return Err(Refusal::EvidenceChanged);
        }
        let reasoned = match decision.reason {
            None => decision.verdict == Verdict::Approve,
            Some(reason) => reason.fits(decision.verdict),
        };
        if !reasoned {
            return Err(Refusal::Reason);
        }
        self.decisions.push(Recorded {
            officer: officer.account,
            stage,
            decision: decision.clone(),
            at: now,
        });
        self.state = self.outcome(stage, decision.verdict);
        Ok(())
    }

    fn outcome(&self, stage: Stage, verdict: Verdict) -> CaseState {
        let first = self.decisions.first().map(|made| made.decision.verdict);
        match (stage, verdict) {
            (_, Verdict::AskForMore) => CaseState::MoreInformation,
            (Stage::First, _) => CaseState::Waiting(Stage::Second),
            (Stage::Second, verdict) if first != Some(verdict) => CaseState::Waiting(Stage::Third),
            (_, Verdict::Approve) => CaseState::Approved,
            (_, Verdict::Refuse) => CaseState::Rejected,
        }
    }
}

#[cfg(test)]
mod tests;
