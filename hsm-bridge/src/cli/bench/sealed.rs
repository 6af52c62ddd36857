//! Sealed keys beside the library that signs with them.

use std::time::{Duration, Instant};

use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Private;
use openssl::sha::sha256;

use super::figures::in_turn;
use super::place::Place;
use super::{BATCH, MESSAGE, ROUNDS, Row, failed, rate, row, together};

/// The key whose signatures are not verified, like those of the library beside.
const KEY: &str = "bench/sealed/p256";
/// Connections through the bridge, and threads in the library.
const THREADS: usize = 2;

pub(super) fn measure(place: &Place, turn: Duration) -> Result<Vec<Row>, KeyStoreError> {
    let daemon = place.serve(false)?;
    let label = KeyLabel::parse(KEY).map_err(|e| failed("label", e))?;
    daemon.client()?.generate(&label, KeyAlgorithm::P256)?;
    let signers = daemon.signers(KEY, THREADS)?;
    let [raw, single, batch] = in_turn(
        ROUNDS,
        [&|| library(turn), &|| rate(&signers, turn, 1), &|| {
            rate(&signers, turn, BATCH)
        }],
    )?;
    let beside = Some(("raw library", &raw));
    let both = "two connections, two threads in the library with a parsed key; neither verifies";
    Ok(vec![
        row(
            "hsm.sign.p256.sealed",
            &single,
            beside,
            format!("{both}; one call at a time on each"),
        ),
        row(
            "hsm.sign.p256.sealed_batch",
            &batch,
            beside,
            format!("{both}; in batches of {BATCH}"),
        ),
    ])
}

/// Signatures a second of OpenSSL by itself: digest, ECDSA, DER.
fn library(period: Duration) -> Result<f64, KeyStoreError> {
    let wrong = |e: ErrorStack| failed("library", e);
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).map_err(wrong)?;
    let key = EcKey::generate(&group).map_err(wrong)?;
    let began = Instant::now();
    let counted = together(&[(); THREADS], |()| {
        signed(&key, began, period).map_err(wrong)
    })?;
    Ok(f64::from(counted) / began.elapsed().as_secs_f64())
}

fn signed(key: &EcKey<Private>, began: Instant, period: Duration) -> Result<u32, ErrorStack> {
    let mut count = 0;
    while began.elapsed() < period {
        let signature = EcdsaSig::sign(&sha256(&MESSAGE), key)?.to_der()?;
        std::hint::black_box(signature);
        count += 1;
    }
    Ok(count)
}
