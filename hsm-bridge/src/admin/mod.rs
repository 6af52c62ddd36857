//! Administrative work on a token's keys, ordered in writing and agreed to by several persons.
//!
//! An [`Order`] is a small file that says one thing in one way: what to do, in which token, who asks for it and until when. Persons sign
//! its bytes with keys of their own, wherever and whenever they like; the bridge sees orders and signatures, never a person's key. The
//! worker that holds the token does the work, once, when the author and two others have signed.
//!
//! Invariant: nothing in an order is believed before [`Administrators::judge`] has found every signature it needs under the order's
//! bytes; an order whose number was spent is never done again, whatever happened to the first attempt.

mod administrators;
mod approval;
mod error;
mod field;
mod operation;
mod order;
mod sign;
mod used;
mod wrap;

#[cfg(test)]
mod tests;

pub use administrators::{Administrator, Administrators, Agreed, Judgement, MIN_ADMINISTRATORS};
pub use approval::{Approval, Approvals};
pub use error::{OrderError, Refusal};
pub use field::{Moment, OrderId};
pub use operation::{ImportedKey, Loss, Oaep, Operation};
pub use order::{MAX_ORDER_BYTES, MAX_VALIDITY, Order};
pub use sign::sign;
pub(crate) use used::UsedOrders;
pub use wrap::wrap;

/// How many persons other than the author must sign an order.
pub const APPROVERS: usize = 2;

/// The longest name of a person or a token.
const MAX_NAME: usize = 64;

/// Whether a word can name a person or a token in orders, files and records.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
