//! The matrix: for each function a worker calls and each way to fail, what callers, log, PIN and daemon make of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hsm_bridge::KeyStoreError;
use strict_token::{Fault, Function, Plan, ckr};

use crate::ledger::Ledger;
use crate::scene::{DEADLINE, GRACE, PATIENCE, Scene};
use crate::work::{Stopwatch, Work};

/// Daemons that share the cells; they wait more than they work.
const LANES: usize = 4;
/// How long both counts of signatures may take to agree: a call whose caller has left may still be under way.
const SETTLING: Duration = Duration::from_secs(5);
/// How often a cell is tried whose function was not called.
const TRIES: u32 = 3;
/// How a daemon ends whose only token refuses its PIN.
const EXIT_PIN: i32 = 77;

/// What every function answers instead of its work.
const CODES: [u64; 9] = [
    ckr::DEVICE_ERROR,
    ckr::DEVICE_REMOVED,
    ckr::TOKEN_NOT_PRESENT,
    ckr::SESSION_HANDLE_INVALID,
    ckr::SESSION_COUNT,
    ckr::USER_NOT_LOGGED_IN,
    ckr::PIN_LOCKED,
    ckr::HOST_MEMORY,
    ckr::GENERAL_ERROR,
];

/// What the function that signs does beside.
const SIGNING: [Fault; 10] = [
    Fault::HangAfter,
    Fault::FlippedBit,
    Fault::OtherMessage,
    Fault::Short,
    Fault::Zeros,
    Fault::AnswerLost(ckr::DEVICE_ERROR),
    Fault::AnswerLost(ckr::DEVICE_REMOVED),
    Fault::AnswerLost(ckr::TOKEN_NOT_PRESENT),
    Fault::AnswerLost(ckr::GENERAL_ERROR),
    Fault::AnswerLost(ckr::SESSION_CLOSED),
];

/// When a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// By this request, on sessions that have just died.
    Asked(Work),
    /// By a worker that opens its token.
    Opening,
    /// By a worker that ends in order.
    Ending,
}

/// A function, when it is called, and how it fails.
#[derive(Clone, Copy)]
struct Cell {
    function: Function,
    when: When,
    fault: Fault,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = |code| ckr::name(code).unwrap_or("?");
        write!(f, "{} ", self.function.name())?;
        match self.fault {
            Fault::Answer(answer) => write!(f, "x CKR_{}", code(answer)),
            Fault::AnswerLost(answer) => write!(f, "x its answer lost as CKR_{}", code(answer)),
            other => write!(f, "x {other:?}"),
        }?;
        write!(f, " ({:?})", self.when)
    }
}

#[test]
fn every_call_of_a_worker_times_every_fault() {
    let mut scout = Scene::build();
    let cells = cells(&mut scout);
    let (next, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let lane = |scene: &mut Scene| {
        let mut failures = Vec::new();
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let number = made.fetch_add(1, Ordering::Relaxed);
            let began = Instant::now();
            let ran = run(scene, *cell, u32::try_from(number).unwrap());
            println!("{:>6} ms  {cell}", began.elapsed().as_millis());
            if let Err(why) = ran {
                failures.push(format!("{cell}: {why}"));
                scene.control.clear_all();
                scene.kill();
                scene.write_pin_anew();
                scene.start();
                // One that has not begun to listen for signals would be ended by the next.
                drop(scene.patient());
            }
        }
        scene.stop();
        failures
    };
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..LANES)
            .map(|_| scope.spawn(|| lane(&mut Scene::build())))
            .collect();
        failures.extend(lane(&mut scout));
        for other in others {
            failures.extend(other.join().unwrap());
        }
    });
    println!("{} cells", cells.len());
    assert!(
        failures.is_empty(),
        "{} of {} cells:\n{}",
        failures.len(),
        cells.len(),
        failures.join("\n")
    );
}

/// Finds out by watching which functions are called, and when.
fn cells(scene: &mut Scene) -> Vec<Cell> {
    let called = |scene: &Scene| {
        let all = Function::ALL.into_iter();
        all.filter(|function| scene.control.calls(*function) > 0)
            .collect::<Vec<_>>()
    };
    let client = scene.patient().unwrap();
    let mut found: Vec<(Function, When)> = Vec::new();
    let mut add = |functions: Vec<Function>, when| {
        for function in functions {
            if !found.iter().any(|(known, _)| *known == function) {
                found.push((function, when));
            }
        }
    };
    for (work, number) in Work::ALL.into_iter().zip(1_000..) {
        let ready = work.prepare(&client, number).unwrap();
        scene.control.kill_idle_sessions();
        scene.control.reset_counters();
        ready.ask(&client, &mut Stopwatch::default()).unwrap();
        add(called(scene), When::Asked(work));
    }
    scene.control.reset_counters();
    scene.stop();
    add(called(scene), When::Ending);
    scene.control.reset_counters();
    scene.start();
    drop(scene.patient().unwrap());
    add(called(scene), When::Opening);
    for function in [
        Function::Initialize,
        Function::Login,
        Function::Sign,
        Function::GenerateKeyPair,
    ] {
        assert!(found.iter().any(|(known, _)| *known == function));
    }
    // The same without an intent in the log beforehand, ahead of the replies, of a digest alone, and for the log's own last checkpoint.
    for work in [Work::SignPlain, Work::SignAhead, Work::SignDigest] {
        found.push((Function::Sign, When::Asked(work)));
    }
    found.push((Function::Sign, When::Ending));
    let all = found.into_iter().flat_map(|(function, when)| {
        let codes = CODES.into_iter().map(Fault::Answer);
        let of_signing = SIGNING
            .into_iter()
            .filter(move |_| function == Function::Sign);
        let of_login = Some(Fault::Answer(ckr::PIN_INCORRECT));
        codes
            .chain([Fault::Hang])
            .chain(of_signing)
            .chain(of_login.filter(|_| function == Function::Login))
            .map(move |fault| Cell {
                function,
                when,
                fault,
            })
    });
    all.collect()
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Plays one cell on a daemon that is sound, and leaves one that is.
fn run(scene: &mut Scene, cell: Cell, number: u32) -> Result<(), String> {
    scene.rest();
    let patient = scene.patient()?;
    let work = match cell.when {
        When::Asked(work) => work,
        When::Opening | When::Ending => Work::Sign,
    };
    let told = |what: &str, error: KeyStoreError| format!("{what}: {error}");
    let mut ready = work
        .prepare(&patient, number)
        .map_err(|e| told("preparing", e))?;
    let before = Ledger::read(scene);
    let (logins, wrong_pins) = (scene.control.login_attempts(), scene.control.wrong_pins());
    let mut watch = Stopwatch::default();
    let mut tries = 0;
    let answer = loop {
        strike(scene, cell);
        let answer = watch
            .time(|| scene.caller())
            .and_then(|client| ready.ask(&client, &mut watch));
        tries += 1;
        // What is not sent twice may have come to the worker of the cell before, which was about to end.
        if scene.control.hits(cell.function) > 0 || tries == TRIES {
            break answer;
        }
        ready = ready.again();
    };
    check(watch.0 <= DEADLINE + GRACE, || {
        format!("answered after {:?}: {answer:?}", watch.0)
    })?;
    check(scene.control.hits(cell.function) > 0, || {
        format!("never met; {answer:?}")
    })?;
    let logins = scene.control.login_attempts() - logins;
    // Only the end of its process ends a call that hangs.
    let began = Instant::now();
    while scene.control.hanging() > 0 {
        check(began.elapsed() < PATIENCE, || "hangs for ever".to_owned())?;
        std::thread::yield_now();
    }
    scene.control.clear_all();
    if pin_fault(cell) {
        check(logins == 1, || format!("{logins} logins"))?;
        stays_shut(scene, cell, &answer)?;
    } else {
        mends(scene, cell)?;
    }
    check(scene.control.wrong_pins() == wrong_pins, || {
        "a wrong PIN was offered".to_owned()
    })?;
    accounts(scene, cell, &before)
}

/// Arms the fault, and sees to it that the function is called.
fn strike(scene: &mut Scene, cell: Cell) {
    if matches!(cell.when, When::Asked(_)) {
        scene.control.kill_idle_sessions();
    }
    let plan = match cell.fault {
        // The worker that is started in place of the one that hangs shall not.
        Fault::Hang | Fault::HangAfter => Plan::once(cell.fault),
        fault => Plan::always(fault),
    };
    scene.control.arm(cell.function, plan);
    match cell.when {
        When::Asked(_) => return,
        When::Opening => scene.kill_worker(),
        When::Ending => {
            scene.stop();
            scene.start();
        }
    }
    scene.await_hits(cell.function, 1);
}

/// Whether the token refuses the PIN itself.
fn pin_fault(cell: Cell) -> bool {
    let refusals = [ckr::PIN_LOCKED, ckr::PIN_INCORRECT].map(Fault::Answer);
    cell.function == Function::Login && refusals.contains(&cell.fault)
}

/// No fault is armed any more, and the daemon signs without an operator's help.
fn mends(scene: &mut Scene, cell: Cell) -> Result<(), String> {
    let client = scene.patient()?;
    let ready = Work::Sign.unprepared();
    match ready.ask(&client, &mut Stopwatch::default()) {
        // What opening a token says of a locked PIN is believed.
        Err(KeyStoreError::PinLocked) if cell.fault == Fault::Answer(ckr::PIN_LOCKED) => {
            scene.write_pin_anew();
            signs_at_last(scene)
        }
        other => other.map_err(|e| format!("afterwards: {e}")),
    }
}

/// The PIN is offered no more, whatever is asked or started again, until an operator acts.
fn stays_shut(
    scene: &mut Scene,
    cell: Cell,
    answer: &Result<(), KeyStoreError>,
) -> Result<(), String> {
    let shut = |answer: &Result<(), KeyStoreError>| {
        let refused = matches!(
            answer,
            Err(KeyStoreError::PinLocked | KeyStoreError::PinRefused)
        );
        check(refused, || format!("not shut: {answer:?}"))
    };
    shut(answer)?;
    let logins = scene.control.login_attempts();
    for _ in 0..2 {
        let client = scene.caller();
        let ready = Work::Sign.unprepared();
        shut(&client.and_then(|client| ready.ask(&client, &mut Stopwatch::default())))?;
    }
    // Once the act comes while the daemon runs, once while it does not.
    let restart = cell.fault == Fault::Answer(ckr::PIN_LOCKED);
    if restart {
        scene.stop();
        let ended = scene.house.serve().0.wait().unwrap().code();
        check(ended == Some(EXIT_PIN), || format!("started: {ended:?}"))?;
    }
    let offered = scene.control.login_attempts() - logins;
    check(offered == 0, || format!("offered {offered} times more"))?;
    scene.write_pin_anew();
    scene.start();
    signs_at_last(scene)
}

/// The operator's act is noticed by itself.
fn signs_at_last(scene: &Scene) -> Result<(), String> {
    let began = Instant::now();
    let sign = || {
        let client = scene.patient()?;
        let signed = Work::Sign
            .unprepared()
            .ask(&client, &mut Stopwatch::default());
        signed.map_err(|e| e.to_string())
    };
    while let Err(error) = sign() {
        check(began.elapsed() < PATIENCE, || {
            format!("after the PIN file was written anew: {error}")
        })?;
        std::thread::yield_now();
    }
    Ok(())
}

/// No signature was made of which the log knows nothing.
fn accounts(scene: &Scene, cell: Cell, before: &Ledger) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let found = Ledger::read(scene).since(before);
        let (certain, possible) = (found.certain(), found.possible());
        let agrees = match cell.fault {
            // The token did not sign, and the log must not say that it did.
            Fault::Answer(_) => found.made == certain,
            Fault::AnswerLost(_) => found.made == certain + possible,
            _ => (certain..=certain + possible).contains(&found.made),
        };
        if agrees {
            return Ok(());
        }
        check(began.elapsed() < SETTLING, || format!("{found:?}"))?;
    }
}
