//! Identity proofing: the application, the checks computed from it, and the life of a case.
//!
//! A case moves only through [`Case::apply`]; what an event may do is decided by the state it meets.

mod application;
mod case;
mod checks;
mod decision;

pub use application::{Application, Entity, Step, today_in_cambodia};
pub use case::{Case, CaseState, Event, Lease, Officer, Refusal, Stage};
pub use checks::{Finding, Surroundings, automatic};
pub use decision::{Decision, ReasonCode, Recorded, Verdict};
