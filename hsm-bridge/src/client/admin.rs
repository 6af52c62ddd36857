//! Handing in an order: one connection, one request, never repeated.

use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::{Connection, Failure};
use super::transport::{Dialer, Transport};
use super::unexpected;
use crate::KeyStoreError;
use crate::admin::{Approval, Order};
use crate::wire::{Reply, Request, Target};

/// Hands an order and the signatures under it to the administrators' door and gives the bridge's report, as JSON.
///
/// An order whose answer was lost gives [`KeyStoreError::OutcomeUnknown`]; it may have been carried out and is not handed in again.
pub fn submit(
    socket: &Path,
    bytes: &[u8],
    approvals: &[Approval],
    limit: Duration,
) -> Result<String, KeyStoreError> {
    let order = Order::parse(bytes).map_err(|e| KeyStoreError::BadRequest(e.to_string()))?;
    let deadline = Instant::now() + limit;
    let at = || format!("hsm-bridge at {}", socket.display());
    let lost = |failure: Failure| match failure {
        Failure::Unreachable(error) => {
            KeyStoreError::TokenUnavailable(format!("{}: {error}", at()))
        }
        Failure::Unsent => KeyStoreError::TokenUnavailable(format!("{}: went away", at())),
        Failure::Unanswered(_) | Failure::Overdue => KeyStoreError::OutcomeUnknown,
        Failure::Deadline => KeyStoreError::Deadline,
        Failure::Refused(error) => error,
    };
    let target = Target::Token(order.token);
    let door = Dialer::new(Transport::Unix(socket.to_owned()));
    let (mut connection, _) = Connection::open(&door, &target, deadline).map_err(lost)?;
    let request = Request::Order {
        order: bytes.to_vec(),
        approvals: approvals
            .iter()
            .map(|it| (it.administrator.clone(), it.signature().to_vec()))
            .collect(),
    };
    match connection.exchange(&request, &[], deadline).map_err(lost)? {
        Reply::Carried(report) => Ok(report),
        Reply::Failed(error) => Err(error),
        _ => Err(unexpected()),
    }
}
