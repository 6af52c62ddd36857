//! Queries on the database of the provider: persons, cases, accounts, clients, consents.

mod account;
mod account_access;
mod account_credentials;
mod account_enrolment;
mod account_sessions;
mod account_signing;
mod evidence;
mod identity;
mod kyc;
mod kyc_queue;
mod oidc_clients;
mod oidc_codes;
mod oidc_consents;
mod oidc_document;
mod oidc_requests;
#[cfg(test)]
mod oidc_tests;
mod oidc_tokens;
mod outbox;

pub use account::{Account, AccountIdentifier, AccountKind};
pub use account_access::DataAccess;
pub use account_credentials::{AuthenticatorApp, PasskeyRow, RecoveryCode};
pub use account_enrolment::{Ceremony, Enrolment, Invitation};
pub use account_sessions::{SessionRow, ThrottleRow};
pub use account_signing::{SigningCredential, SigningDocument};
pub use evidence::{CheckItem, DecisionItem, EvidenceItem, NewDecision};
pub use identity::{DocumentHolder, Person};
pub use kyc::KycCase;
pub use kyc_queue::{QueueFilter, QueueItem};
pub use oidc_codes::{CodeRecord, Redemption, TokenFamily};
pub use oidc_consents::UsedService;
pub use oidc_requests::StoredRequest;
pub use oidc_tokens::{AccessTokenRecord, Refresh};
pub use outbox::{ContactCode, OutboxMessage};
