//! Queries on the database of the provider: persons, cases, accounts, clients, consents.

mod account;
mod account_access;
mod account_credentials;
mod account_enrolment;
mod account_sessions;
mod account_signing;
mod outbox;

pub use account::{Account, AccountIdentifier, AccountKind};
pub use account_access::DataAccess;
pub use account_credentials::{AuthenticatorApp, PasskeyRow, RecoveryCode};
pub use account_enrolment::{Ceremony, Enrolment, Invitation};
pub use account_sessions::{SessionRow, ThrottleRow};
pub use account_signing::{SigningCredential, SigningDocument};
pub use outbox::{ContactCode, OutboxMessage};
