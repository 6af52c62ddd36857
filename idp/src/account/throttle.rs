//! Counting tries, in the database, so that every node counts together.
//!
//! A try is counted before it is judged; see `domain::account::throttle` for the rules.

use actix_web::HttpRequest;
use domain::account::throttle::{Held, Throttle, ThrottlePolicy};
use domain::audit::{Actor, AuditEvent, action};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use store::idp::ThrottleRow;
use store::{StoreError, Writer};

use super::{AccountError, clients};
use crate::app::App;

/// How long a counter is kept after its last try, at least.
const KEEP: SignedDuration = SignedDuration::from_hours(24);

/// One counter: what is counted and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    key: [u8; 32],
    policy: ThrottlePolicy,
}

/// The counters of a try with a password, a recovery code or an invitation code.
///
/// `what` separates the ways in; `target` is the keyed hash of the account or code that is tried.
pub(super) fn counters(request: &HttpRequest, what: &str, target: &[u8; 32]) -> Vec<Counter> {
    let network = clients::network(request);
    vec![
        Counter {
            key: key(&[what, "account-and-client", &network], target),
            policy: ThrottlePolicy::ACCOUNT_AND_CLIENT,
        },
        Counter {
            key: key(&[what, "account"], target),
            policy: ThrottlePolicy::ACCOUNT,
        },
        client(request, what),
    ]
}

/// The counter of everything one network tries.
pub(super) fn client(request: &HttpRequest, what: &str) -> Counter {
    let network = clients::network(request);
    Counter {
        key: key(&[what, "client", &network], &[0; 32]),
        policy: ThrottlePolicy::CLIENT,
    }
}

fn key(parts: &[&str], target: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(target);
    hash.finalize().into()
}

/// Counts a try under every counter, or refuses it without counting.
pub(super) async fn count(
    app: &App,
    counters: Vec<Counter>,
    what: &'static str,
) -> Result<(), AccountError> {
    let now = app.sources.now();
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        Actor::Anonymous,
        action::IDP_SIGNIN_TRIED,
        format!("way:{what}"),
    );
    let outcome = app
        .store
        .write(event, move |w| {
            let mut next = Vec::with_capacity(counters.len());
            for counter in &counters {
                let before = load(w, counter, now)?;
                match before.count(&counter.policy, now) {
                    Ok(after) => next.push(row(counter, after)),
                    Err(held) => {
                        w.note("held", true);
                        return Ok(Err(held));
                    }
                }
            }
            for row in &next {
                w.put_throttle(row)?;
            }
            Ok(Ok(()))
        })
        .await?;
    outcome.map_err(|held: Held| {
        metrics::counter!("romduol_idp_held_tries_total", "way" => what).increment(1);
        AccountError::from(held)
    })
}

/// Forgets the counters of an account after a success; the client's own goes on, or guessing would be free for
/// whoever has one account.
pub(super) fn clear(w: &mut Writer<'_>, counters: &[Counter]) -> Result<(), StoreError> {
    for counter in counters
        .iter()
        .filter(|counter| counter.policy != ThrottlePolicy::CLIENT)
    {
        w.clear_throttle(&counter.key)?;
    }
    Ok(())
}

/// Opens a way again that was closed after too many tries, for the account with this keyed hash.
pub(super) fn reopen(w: &mut Writer<'_>, what: &str, target: &[u8; 32]) -> Result<(), StoreError> {
    w.clear_throttle(&key(&[what, "account"], target))
}

fn load(w: &mut Writer<'_>, counter: &Counter, now: Timestamp) -> Result<Throttle, StoreError> {
    let Some(row) = w.find_throttle(&counter.key)? else {
        return Ok(Throttle::fresh(now));
    };
    let time = |second| Timestamp::from_second(second).map_err(|_| StoreError::Damaged("time"));
    Ok(Throttle {
        tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
        last_try: time(row.last_try_at)?,
        blocked_until: time(row.blocked_until)?,
    })
}

fn row(counter: &Counter, throttle: Throttle) -> ThrottleRow {
    let keep = counter.policy.forget_after.max(KEEP);
    // A counter at its ceiling is never removed by time: only recovery opens that way again.
    let closed = counter
        .policy
        .ceiling
        .is_some_and(|ceiling| throttle.tries >= ceiling);
    let expires = throttle
        .blocked_until
        .saturating_add(keep)
        .unwrap_or(Timestamp::MAX);
    ThrottleRow {
        key: counter.key.to_vec(),
        tries: i64::from(throttle.tries),
        last_try_at: throttle.last_try.as_second(),
        blocked_until: throttle.blocked_until.as_second(),
        expires_at: if closed {
            i64::MAX
        } else {
            expires.as_second()
        },
    }
}
