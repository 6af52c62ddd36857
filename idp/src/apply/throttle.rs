//! Slowing down whoever begins applications or tries continuation codes in bulk from one network.

use std::net::IpAddr;

use actix_web::HttpRequest;
use domain::account::throttle::{Throttle, ThrottlePolicy};
use domain::audit::{Actor, action};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use store::StoreError;
use store::idp::ThrottleRow;

use super::vault::event;
use crate::account::AccountError;
use crate::app::App;

/// How long a counter is kept after its last try, at least.
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// Bytes of an IPv6 address that name a network.
const IPV6_NETWORK_BYTES: usize = 8;

/// The network a request comes from: an IPv4 address, or the /64 that whoever holds an IPv6 address holds.
fn network(request: &HttpRequest) -> Vec<u8> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let client = service::ClientAddress::of(request)
        .map(|client| client.0)
        .or(peer);
    match client.map(|client| client.to_canonical()) {
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address
            .octets()
            .into_iter()
            .take(IPV6_NETWORK_BYTES)
            .collect(),
        None => Vec::new(),
    }
}

/// Counts a try of `what` from the request's network, or refuses it.
pub(super) async fn count(
    request: &HttpRequest,
    app: &App,
    what: &'static str,
) -> Result<(), AccountError> {
    const POLICY: ThrottlePolicy = ThrottlePolicy::CLIENT;
    let now = app.sources.now();
    let key: [u8; 32] = Sha256::new()
        .chain_update(what)
        .chain_update([0])
        .chain_update(network(request))
        .finalize()
        .into();
    let object = format!("way:{what}");
    let event = event(
        request,
        app,
        Actor::Anonymous,
        action::IDP_SIGNIN_TRIED,
        object,
    );
    let outcome = app
        .store
        .write(event, move |w| {
            let time =
                |second| Timestamp::from_second(second).map_err(|_| StoreError::Damaged("time"));
            let before = match w.find_throttle(&key)? {
                Some(row) => Throttle {
                    tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
                    last_try: time(row.last_try_at)?,
                    blocked_until: time(row.blocked_until)?,
                },
                None => Throttle::fresh(now),
            };
            let after = match before.count(&POLICY, now) {
                Ok(after) => after,
                Err(held) => {
                    w.note("held", true);
                    return Ok(Err(held));
                }
            };
            let keep = after
                .blocked_until
                .saturating_add(KEEP)
                .unwrap_or(Timestamp::MAX);
            w.put_throttle(&ThrottleRow {
                key: key.to_vec(),
                tries: i64::from(after.tries),
                last_try_at: after.last_try.as_second(),
                blocked_until: after.blocked_until.as_second(),
                expires_at: keep.as_second(),
            })?;
            Ok(Ok(()))
        })
        .await?;
    outcome.map_err(AccountError::from)
}
