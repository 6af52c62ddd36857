//! Signatures a second through the bridge beside the bare driver, in one run on one SoftHSM token.
//!
//! Driver and daemon run in processes of their own, as they would; where one verifies what it gives out, so does the other. What is
//! compared takes turns in several rounds, and the ratio is the median of the rounds' ratios.

mod driver;
mod figures;
mod many;
mod place;
mod recovery;
mod remote;
mod sealed;
mod server;
mod stopped;
mod token;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
pub(super) use driver::{DriverArguments, run_driver};
use figures::Figures;
use hsm_bridge::{KeyLabel, KeyStore, KeyStoreError, Signer};
pub(super) use many::{FillArguments, run_fill};
use place::Place;
use serde::Serialize;

/// Label of the token and of the key that the bench makes.
const TOKEN: &str = "bench";
/// Label of the token that takes over.
const STANDBY: &str = "bench-standby";
/// The key whose signatures are verified before they are given out, the one whose are not, and one whose record is on disk first.
const KEY: &str = "bench/p256/g1";
const FAST_KEY: &str = "bench/fast/p256";
const DURABLE_KEY: &str = "bench/durable/p256";
/// Signatures in one batch.
const BATCH: usize = 32;
/// How often what is compared takes turns.
const ROUNDS: u32 = 5;
/// What is never gone below in one turn, since the first calls of each are slower.
const SHORTEST_TURN: Duration = Duration::from_millis(200);
/// What is signed: as long as a small TBSCertificate.
const MESSAGE: [u8; 512] = [0x5a; 512];
/// Calls whose times make the median of a hop.
const HOPS: usize = 20_000;

/// What `bench` needs to know.
#[derive(Args)]
pub(super) struct Arguments {
    /// Print the figures as JSON rows instead of a table.
    #[arg(long)]
    json: bool,
    /// Seconds per figure, over all rounds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Measure this part alone; may be given several times.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Path of the PKCS#11 module; `embedded` for the token that is linked in.
    #[arg(long, default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    module: PathBuf,
    /// An empty folder for the token; made under the system's folder for temporary files when not given, and removed after.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Signatures by the token, a hop, and both over mutual TLS.
    Sign,
    /// Signatures by sealed keys.
    Sealed,
    /// How long callers wait when a worker is killed.
    Recovery,
    /// A token with ten thousand keys.
    Keys,
    /// What others notice of a token that stops.
    Stopped,
}

/// One line of the table. The ratio is above 1 where the bridge is ahead, whichever direction is the better one.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    baseline_name: Option<&'static str>,
    baseline: Option<f64>,
    ratio: Option<f64>,
    note: String,
}

fn failed(what: &str, error: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("bench: {what}: {error}"))
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let temporary = std::env::temp_dir().join(format!("hsm-bridge-bench-{}", std::process::id()));
    let folder = arguments
        .folder
        .clone()
        .unwrap_or_else(|| temporary.clone());
    let rows = measure(arguments, &folder);
    if arguments.folder.is_none()
        && let Err(error) = fs::remove_dir_all(&temporary)
    {
        tracing::warn!(%error, "the bench's folder stays behind");
    }
    print(&rows?, arguments.json)
}

fn measure(arguments: &Arguments, folder: &Path) -> Result<Vec<Row>, KeyStoreError> {
    let place = Place::prepare(arguments, folder)?;
    let period = Duration::from_secs(arguments.seconds);
    let turn = (period / ROUNDS).max(SHORTEST_TURN);
    let wanted = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    let mut rows = Vec::new();
    if wanted(Part::Sign) {
        rows.extend(token::measure(&place, turn)?);
    }
    if wanted(Part::Sealed) {
        rows.extend(sealed::measure(&place, turn)?);
    }
    if wanted(Part::Recovery) {
        rows.extend(recovery::measure(&place)?);
        rows.extend(server::measure(&place)?);
    }
    if wanted(Part::Stopped) {
        rows.push(stopped::measure(&place, period)?);
    }
    // The last, since SoftHSM reads every token of its folder when it is loaded.
    if wanted(Part::Keys) {
        rows.extend(many::measure(&place, turn)?);
    }
    Ok(rows)
}

/// A row of figures of which more is better.
fn row(
    name: &'static str,
    figures: &Figures,
    baseline: Option<(&'static str, &Figures)>,
    note: String,
) -> Row {
    Row {
        name,
        value: figures.median(),
        unit: "1/s",
        baseline_name: baseline.map(|(name, _)| name),
        baseline: baseline.map(|(_, baseline)| baseline.median()),
        ratio: baseline.map(|(_, baseline)| figures.ratio_to(baseline)),
        note,
    }
}

/// A row of times, of which less is better.
fn time_row(
    name: &'static str,
    unit: &'static str,
    times: &Figures,
    baseline: Option<(&'static str, &Figures)>,
    note: String,
) -> Row {
    Row {
        unit,
        ratio: baseline.map(|(_, baseline)| baseline.ratio_to(times)),
        ..row(name, times, baseline, note)
    }
}

fn print(rows: &[Row], json: bool) -> Result<(), KeyStoreError> {
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(rows).map_err(|e| failed("output", e))?
        );
        return Ok(());
    }
    for row in rows {
        let beside = match (row.baseline_name, row.baseline, row.ratio) {
            (Some(name), Some(baseline), Some(ratio)) => {
                format!("{name} {baseline:.0}, ratio {ratio:.2}")
            }
            _ => String::new(),
        };
        println!(
            "{:28} {:>10.1} {:4} {beside} ({})",
            row.name, row.value, row.unit, row.note
        );
    }
    Ok(())
}

fn signer(store: &dyn KeyStore, key: &str) -> Result<Box<dyn Signer>, KeyStoreError> {
    let label = KeyLabel::parse(key).map_err(|e| failed("label", e))?;
    let id = store
        .find(&label)?
        .ok_or_else(|| KeyStoreError::UnknownKey(key.to_owned()))?;
    store.signer(id, None)
}

/// Signatures a second over all signers, a thread each, in batches of so many.
fn rate(signers: &[Box<dyn Signer>], period: Duration, batch: usize) -> Result<f64, KeyStoreError> {
    for signer in signers {
        signer.sign(&MESSAGE)?;
    }
    let messages = vec![&MESSAGE[..]; batch];
    let began = Instant::now();
    let counted = together(signers, |signer| {
        count(signer.as_ref(), &messages, began, period)
    })?;
    Ok(f64::from(counted) / began.elapsed().as_secs_f64())
}

/// What all of them have counted, each in a thread of its own.
fn together<T: Sync>(
    each: &[T],
    count: impl Fn(&T) -> Result<u32, KeyStoreError> + Sync,
) -> Result<u32, KeyStoreError> {
    let count = &count;
    std::thread::scope(|scope| {
        let threads: Vec<_> = each
            .iter()
            .map(|one| scope.spawn(move || count(one)))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(counted) => counted,
                Err(_) => Err(failed("thread", "panicked")),
            })
            .sum()
    })
}

fn count(
    signer: &dyn Signer,
    messages: &[&[u8]],
    began: Instant,
    period: Duration,
) -> Result<u32, KeyStoreError> {
    let mut count = 0;
    while began.elapsed() < period {
        match messages {
            [message] => {
                signer.sign(message)?;
                count += 1;
            }
            messages => {
                for signature in signer.sign_batch(messages) {
                    signature?;
                    count += 1;
                }
            }
        }
    }
    Ok(count)
}
