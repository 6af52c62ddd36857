//! Decisions of officers and their reasons.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stage;

/// What an officer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The person is who the evidence says.
    Approve,
    /// The application is refused.
    Refuse,
    /// The applicant must hand in more or better.
    AskForMore,
}

impl Verdict {
    /// The word used in forms, tables and text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::AskForMore => "ask_for_more",
        }
    }

    /// Reads what [`Verdict::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Approve, Self::Refuse, Self::AskForMore]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
    }
}

/// Why an application was refused or sent back; a closed list, because each has a sentence for the applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// A picture cannot be read.
    PictureUnreadable,
    /// A picture shows something else than asked for.
    PictureWrong,
    /// Typed data and document differ.
    DataDiffers,
    /// The face differs from the portrait.
    FaceDiffers,
    /// The document has expired.
    DocumentExpired,
    /// The document shows signs of change or forgery.
    DocumentDoubtful,
    /// Another person uses this document.
    DocumentInUse,
    /// The person already has an account.
    AlreadyRegistered,
}

impl ReasonCode {
    /// Every code, in the order shown.
    pub const ALL: [Self; 8] = [
        Self::PictureUnreadable,
        Self::PictureWrong,
        Self::DataDiffers,
        Self::FaceDiffers,
        Self::DocumentExpired,
        Self::DocumentDoubtful,
        Self::DocumentInUse,
        Self::AlreadyRegistered,
    ];

    /// The word used in forms, tables and text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PictureUnreadable => "picture_unreadable",
            Self::PictureWrong => "picture_wrong",
            Self::DataDiffers => "data_differs",
            Self::FaceDiffers => "face_differs",
            Self::DocumentExpired => "document_expired",
            Self::DocumentDoubtful => "document_doubtful",
            Self::DocumentInUse => "document_in_use",
            Self::AlreadyRegistered => "already_registered",
        }
    }

    /// Reads what [`ReasonCode::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whether the verdict can be given for this reason: what an applicant cannot mend is not asked for.
    pub fn fits(self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Approve => false,
            Verdict::Refuse => true,
            Verdict::AskForMore => !matches!(self, Self::DocumentInUse | Self::AlreadyRegistered),
        }
    }
}

/// A decision as an officer makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// Why; needed unless approving.
    pub reason: Option<ReasonCode>,
    /// SHA-256 over the evidence that the officer saw.
    pub evidence_digest: [u8; 32],
}

/// A decision as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Who decided.
    pub officer: Uuid,
    /// In which look at the case.
    pub stage: Stage,
    /// What was decided, bound to the evidence seen.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
}
