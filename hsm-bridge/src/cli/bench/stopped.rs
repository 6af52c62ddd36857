//! What the users of one token notice when another token stops answering: SIGSTOP of the process that holds it, again and again as the
//! supervisor replaces it, with callers who wait for it all the while.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, Signer};
use rustix::process::{Signal, kill_process};

use super::figures::in_turn;
use super::place::{Place, Serving};
use super::recovery::worker;
use super::{MESSAGE, ROUNDS, Row, failed, signer, time_row};

/// A key of the token that is stopped, and one of the token beside it.
const STOPPED: &str = "bench/stopped";
const OTHER: &str = "other/p256";
/// Callers who wait for the stopped token, and how long each does.
const CALLERS: usize = 4;
const DEADLINE: Duration = Duration::from_millis(500);
/// How long the token may take to come back: the pause after many falls is long.
const RECOVERY: Duration = Duration::from_mins(1);
/// How often it is looked for a worker that is to be stopped as well.
const LOOK: Duration = Duration::from_millis(20);

/// How those fared who waited for the stopped token.
#[derive(Default)]
struct Waiting {
    answers: AtomicU64,
    /// The latest answer, in microseconds after its deadline.
    latest: AtomicU64,
}

pub(super) fn measure(place: &Place, period: Duration) -> Result<Row, KeyStoreError> {
    let daemon = place.serve(false)?;
    let client = daemon.client()?;
    for key in [STOPPED, OTHER] {
        let label = KeyLabel::parse(key).map_err(|e| failed("label", e))?;
        client.generate(&label, KeyAlgorithm::P256)?;
    }
    let other = signer(&client, OTHER)?;
    let waiting = Waiting::default();
    let callers = (0..CALLERS)
        .map(|_| signer(&daemon.client_with(DEADLINE)?, STOPPED))
        .collect::<Result<Vec<_>, _>>()?;
    let [undisturbed, disturbed] = in_turn(
        ROUNDS,
        [
            &|| {
                recovered(&callers)?;
                p99(other.as_ref(), period)
            },
            &|| {
                let over = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    let stopping = scope.spawn(|| keep_stopped(&daemon, &over));
                    for caller in &callers {
                        scope.spawn(|| wait_for(caller.as_ref(), &waiting, &over));
                    }
                    let measured = p99(other.as_ref(), period);
                    over.store(true, Ordering::Relaxed);
                    let stopped = stopping.join();
                    let stopped = stopped.unwrap_or_else(|_| Err(failed("thread", "panicked")));
                    stopped.and(measured)
                })
            },
        ],
    )?;
    Ok(time_row(
        "hsm.stopped.others_p99",
        "us",
        &disturbed,
        Some(("undisturbed", &undisturbed)),
        format!(
            "p99 of a verified signature of one token while the process of another is stopped; {CALLERS} callers of that one had {} answers, the latest {:.1} ms after its deadline of {} ms",
            waiting.answers.load(Ordering::Relaxed),
            Duration::from_micros(waiting.latest.load(Ordering::Relaxed)).as_secs_f64() * 1e3,
            DEADLINE.as_millis()
        ),
    ))
}

/// Waits until the token that was stopped signs again.
fn recovered(callers: &[Box<dyn Signer>]) -> Result<(), KeyStoreError> {
    let began = Instant::now();
    for caller in callers {
        while let Err(error) = caller.sign(&MESSAGE) {
            if began.elapsed() > RECOVERY {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// The time of a call that one in a hundred exceeds, in microseconds.
fn p99(signer: &dyn Signer, period: Duration) -> Result<f64, KeyStoreError> {
    signer.sign(&MESSAGE)?;
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < period {
        let called = Instant::now();
        signer.sign(&MESSAGE)?;
        times.push(called.elapsed());
    }
    times.sort_unstable();
    let place = times.len() * 99 / 100;
    Ok(times
        .get(place)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6))
}

/// Stops every worker of the first token, as often as the supervisor starts one.
fn keep_stopped(daemon: &Serving, over: &AtomicBool) -> Result<(), KeyStoreError> {
    while !over.load(Ordering::Relaxed) {
        if let Some(number) = worker(daemon, "first")? {
            match kill_process(number, Signal::STOP) {
                // It was just replaced.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(failed("worker", error)),
            }
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(())
}

/// Calls until it is over; what counts is when an answer comes, not which.
fn wait_for(caller: &dyn Signer, waiting: &Waiting, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let _answer = caller.sign(&MESSAGE);
        let late = began.elapsed().saturating_sub(DEADLINE).as_micros();
        waiting.answers.fetch_add(1, Ordering::Relaxed);
        let late = u64::try_from(late).unwrap_or(u64::MAX);
        waiting.latest.fetch_max(late, Ordering::Relaxed);
    }
}
