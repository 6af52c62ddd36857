//! Keeping the published lists current: the shard of a fresh revocation at once, all of them in rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pki::serial::SerialNumber;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ca_client::CaClient;
use crate::lists::{Lists, Place};
use crate::status::Change;

/// How often a list is asked for while a fresh revocation is missing in it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a revocation is waited for before the rounds have to do.
const MAX_LOOKS: u32 = 120;

/// Revocations that their list does not name yet, and how often it was looked.
type Missing = BTreeMap<(Place, SerialNumber), u32>;

/// Runs for ever.
pub(crate) async fn run(
    lists: Arc<Lists>,
    client: CaClient,
    mut revoked: watch::Receiver<Vec<Change>>,
    news: watch::Sender<Vec<Change>>,
    every: Duration,
) {
    let mut missing = Missing::new();
    let mut round = Instant::now();
    loop {
        if Instant::now() >= round {
            lists
                .refresh_all(&client, lists.online().into_iter().collect())
                .await;
            round = Instant::now() + every;
        }
        news.send_if_modified(|waiting| {
            take(&lists, std::mem::take(waiting), &mut missing);
            // Taking is no news to those who wait for them.
            false
        });
        if missing.is_empty() {
            tokio::select! {
                _ = revoked.changed() => {}
                () = tokio::time::sleep_until(round) => {}
            }
            continue;
        }
        let places: BTreeSet<Place> = missing.keys().map(|(place, _)| *place).collect();
        lists.refresh_all(&client, places).await;
        missing.retain(|(place, serial), looks| {
            *looks += 1;
            !lists.names(*place, serial) && *looks < MAX_LOOKS
        });
        if !missing.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn take(lists: &Lists, changes: Vec<Change>, missing: &mut Missing) {
    for change in changes {
        if let Some(place) = lists.place_of(change.issuer, &change.serial) {
            missing.insert((place, change.serial), 0);
        }
    }
}
