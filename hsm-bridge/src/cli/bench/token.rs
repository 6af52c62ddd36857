//! Signatures by the token, and what a call costs by itself; on this host and through the gate.

use std::time::Duration;

use hsm_bridge::KeyStoreError;

use super::driver::{Driver, Manner};
use super::figures::in_turn;
use super::place::Place;
use super::{BATCH, DURABLE_KEY, FAST_KEY, KEY, ROUNDS, Row, rate, remote, row, time_row};

/// Threads that wait for records on disk together, a connection each.
const DURABLE_CALLERS: usize = 16;
/// Threads that share two connections.
const SHARING: usize = 32;

pub(super) fn measure(place: &Place, turn: Duration) -> Result<Vec<Row>, KeyStoreError> {
    let driver = Driver::start(place)?;
    let mut rows = uncopied(place, &driver, turn)?;
    rows.push(copied(place, &driver, turn)?);
    Ok(rows)
}

fn uncopied(place: &Place, driver: &Driver, turn: Duration) -> Result<Vec<Row>, KeyStoreError> {
    let daemon = place.serve(false)?;
    let gate = remote::open(place)?;
    let two = daemon.signers(FAST_KEY, 2)?;
    let sharing = daemon.sharing(FAST_KEY, 2, SHARING)?;
    let verified = daemon.signers(KEY, 2)?;
    let durable = daemon.signers(DURABLE_KEY, DURABLE_CALLERS)?;
    let remote = gate.signers(FAST_KEY, 2)?;
    let [
        one_bare,
        bare,
        bare_verified,
        single,
        batch,
        sharing,
        verified,
        durable,
        remote,
        hop,
        remote_hop,
    ] = in_turn(
        ROUNDS,
        [
            &|| driver.rate(Manner::One, turn),
            &|| driver.rate(Manner::Two, turn),
            &|| driver.rate(Manner::Verified, turn),
            &|| rate(&two, turn, 1),
            &|| rate(&two, turn, BATCH),
            &|| rate(&sharing, turn, 1),
            &|| rate(&verified, turn, 1),
            &|| rate(&durable, turn, 1),
            &|| rate(&remote, turn, 1),
            &|| daemon.hop(),
            &|| gate.hop(),
        ],
    )?;
    let beside = Some(("bare driver", &bare));
    let two = "two connections, two threads in the bare driver; neither verifies";
    let socket = "over the Unix socket";
    Ok(vec![
        row(
            "hsm.sign.p256.bridge",
            &single,
            beside,
            format!(
                "{two}; one call at a time on each; bare driver on one thread {:.0}/s",
                one_bare.median()
            ),
        ),
        row(
            "hsm.sign.p256.bridge_batch",
            &batch,
            beside,
            format!("{two}; in batches of {BATCH}"),
        ),
        row(
            "hsm.sign.p256.bridge_sharing",
            &sharing,
            beside,
            format!("{two}; {SHARING} threads, one call at a time each, share the two"),
        ),
        row(
            "hsm.sign.p256.bridge_verified",
            &verified,
            Some(("bare driver, verifying", &bare_verified)),
            "two connections, one call at a time on each; each signature is verified before it is given out".to_owned(),
        ),
        row(
            "hsm.sign.p256.bridge_durable",
            &durable,
            beside,
            format!(
                "{DURABLE_CALLERS} connections; verified, intent and record in the audit log, the record on disk before the answer"
            ),
        ),
        row(
            "hsm.sign.p256.bridge_tls",
            &remote,
            Some((socket, &single)),
            "two connections through the gate over mutual TLS on this host; none verified".to_owned(),
        ),
        time_row(
            "hsm.hop.p50",
            "us",
            &hop,
            None,
            "a health call: socket, policy-free, one call to the token".to_owned(),
        ),
        time_row(
            "hsm.hop_tls.p50",
            "us",
            &remote_hop,
            Some((socket, &hop)),
            "a health call through the gate".to_owned(),
        ),
    ])
}

fn copied(place: &Place, driver: &Driver, turn: Duration) -> Result<Row, KeyStoreError> {
    let daemon = place.serve(true)?;
    let two = daemon.signers(FAST_KEY, 2)?;
    let [bare, batch] = in_turn(
        ROUNDS,
        [&|| driver.rate(Manner::Copy, turn), &|| {
            rate(&two, turn, BATCH)
        }],
    )?;
    Ok(row(
        "hsm.sign.p256.bridge_copy",
        &batch,
        Some(("bare driver with a session copy", &bare)),
        format!(
            "two connections, two threads in the bare driver; neither verifies; in batches of {BATCH}"
        ),
    ))
}
