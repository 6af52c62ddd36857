//! Signatures a second through the bridge beside the bare driver, in one run on one SoftHSM token.
//!
//! Driver and daemon run in processes of their own, as they would; where one verifies what it gives out, so does the other.

mod many;
mod place;
mod recovery;
mod remote;
mod sealed;
mod stopped;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use hsm_bridge::daemon::read_pin;
use hsm_bridge::pkcs11::{Token, TokenConfig, TokenOptions};
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, Signer};
pub(super) use many::{FillArguments, run_fill};
use place::Place;
use serde::{Deserialize, Serialize};

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
/// Threads that wait for records on disk together.
const DURABLE_CALLERS: usize = 16;
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
    /// Seconds per figure.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Path of the PKCS#11 module; `embedded` for the token that is linked in.
    #[arg(long, default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    module: PathBuf,
    /// An empty folder for the token; made under the system's folder for temporary files when not given, and removed after.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What the child process that measures the bare driver needs to know.
#[derive(Args)]
pub(super) struct DriverArguments {
    #[arg(long)]
    module: PathBuf,
    #[arg(long)]
    pin_file: PathBuf,
    #[arg(long)]
    seconds: u64,
}

#[derive(Serialize, Deserialize)]
struct DriverFigures {
    one: f64,
    two: f64,
    two_verified: f64,
    two_copy: f64,
}

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
    let driver = place.driver(arguments.seconds)?;
    let seconds = Duration::from_secs(arguments.seconds);
    let daemon = place.serve(false)?;
    let plain = rate(&daemon.signers(FAST_KEY, 2)?, seconds, 1)?;
    let verified = rate(&daemon.signers(KEY, 2)?, seconds, 1)?;
    let durable = rate(&daemon.signers(DURABLE_KEY, DURABLE_CALLERS)?, seconds, 1)?;
    let hop = daemon.hop()?;
    let remote = remote::measure(&place, seconds, &remote::Socket { hop, rate: plain })?;
    drop(daemon);
    let daemon = place.serve(true)?;
    let copy = rate(&daemon.signers(FAST_KEY, 2)?, seconds, BATCH)?;
    drop(daemon);
    let bare = "bare driver";
    let two = "two connections, two threads in the bare driver; neither verifies";
    let mut rows = vec![
        row(
            "hsm.sign.p256.bridge",
            plain,
            Some((bare, driver.two)),
            format!("{two}; bare driver on one thread {:.0}/s", driver.one),
        ),
        row(
            "hsm.sign.p256.bridge_verified",
            verified,
            Some(("bare driver, verifying", driver.two_verified)),
            "the same, each signature verified before it is given out".to_owned(),
        ),
        row(
            "hsm.sign.p256.bridge_durable",
            durable,
            Some((bare, driver.two)),
            format!(
                "{DURABLE_CALLERS} connections; verified, intent and record in the audit log, the record on disk before the answer"
            ),
        ),
        row(
            "hsm.sign.p256.bridge_copy",
            copy,
            Some(("bare driver with a session copy", driver.two_copy)),
            format!("{two}; in batches of {BATCH}"),
        ),
        Row {
            unit: "us",
            ..row(
                "hsm.hop.p50",
                hop,
                None,
                "a health call: socket, policy-free, one call to the token".to_owned(),
            )
        },
    ];
    rows.extend(remote);
    rows.extend(sealed::measure(&place, seconds)?);
    rows.extend(recovery::measure(&place)?);
    // The last, since SoftHSM reads every token of its folder when it is loaded.
    rows.extend(many::measure(&place, seconds)?);
    rows.push(stopped::measure(&place, seconds)?);
    Ok(rows)
}

fn row(name: &'static str, value: f64, baseline: Option<(&'static str, f64)>, note: String) -> Row {
    Row {
        name,
        value,
        unit: "1/s",
        baseline_name: baseline.map(|(name, _)| name),
        baseline: baseline.map(|(_, value)| value),
        ratio: baseline.map(|(_, baseline)| value / baseline),
        note,
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

/// Makes the keys and measures the driver without daemon and socket.
pub(super) fn run_driver(arguments: &DriverArguments) -> Result<(), KeyStoreError> {
    let config = TokenConfig {
        module: arguments.module.clone(),
        label: TOKEN.to_owned(),
        pin: read_pin(&arguments.pin_file)?,
    };
    let period = Duration::from_secs(arguments.seconds);
    let verifying = Token::open(&config)?;
    for key in [KEY, FAST_KEY, DURABLE_KEY] {
        let label = KeyLabel::parse(key).map_err(|e| failed("label", e))?;
        verifying.generate(&label, KeyAlgorithm::P256)?;
    }
    let open = |session_copy| {
        Token::open_with(
            &config,
            TokenOptions {
                session_copy,
                verify: false,
                ..TokenOptions::default()
            },
        )
    };
    let (bare, copying) = (open(false)?, open(true)?);
    let on = |token: &Token, threads: usize| {
        let signers = (0..threads)
            .map(|_| signer(token, KEY))
            .collect::<Result<Vec<_>, _>>()?;
        rate(&signers, period, 1)
    };
    let figures = DriverFigures {
        one: on(&bare, 1)?,
        two: on(&bare, 2)?,
        two_verified: on(&verifying, 2)?,
        two_copy: on(&copying, 2)?,
    };
    println!(
        "{}",
        serde_json::to_string(&figures).map_err(|e| failed("output", e))?
    );
    Ok(())
}
