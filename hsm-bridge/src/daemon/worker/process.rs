//! The worker as a process: configured, fed with connections and ended by its supervisor.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Worker;
use crate::KeyStoreError;
use crate::daemon::access::Access;
use crate::daemon::control::{Configuration, Control, Order, Report};
use crate::daemon::harden;
use crate::pkcs11::{Leave, Template, WhenLost};

/// How long the replies that are due may take to be written before a worker without its token ends.
const LAST_WORDS: Duration = Duration::from_millis(20);
/// How long the calls under way may take to come back before a worker without its token ends.
const LAST_CALLS: Duration = Duration::from_millis(100);
/// How often a worker reports.
const HEARTBEAT: Duration = Duration::from_millis(100);

fn wrong(what: &str, error: &dyn std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("{what}: {error}"))
}

/// Runs a worker on the control socket that is its standard input, until the supervisor is gone.
pub fn run() -> Result<(), KeyStoreError> {
    harden::process()?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| wrong("parent's end", &e))?;
    ignore_terminal()?;
    let control = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| wrong("control socket", &e))?;
    let control = Arc::new(Control::from_fd(control));
    let Some((configuration, pin)) = configured(&control)? else {
        return Ok(());
    };
    // Before the confinement, which the site's own template is no part of.
    let template = Template::load(&configuration.token.template);
    let confined = template.and_then(|template| Ok((template, harden::confine(&configuration)?)));
    let (template, confined) = match confined {
        Ok(ready) => ready,
        Err(error) => {
            say(&control, &Report::Failed((&error).into()));
            return Ok(());
        }
    };
    // From here on the module may have been touched.
    say(&control, &Report::Alive);
    let lost: Arc<OnceLock<KeyStoreError>> = Arc::default();
    let pulse = Pulse::start(Arc::clone(&control), Arc::clone(&lost))?;
    let beat = pulse.thread.thread().clone();
    let when_lost = WhenLost::Tell(Arc::new(move |error| {
        if lost.set(error.clone()).is_ok() {
            beat.unpark();
        }
    }));
    let settings = &configuration.token;
    let leave = leave(&control);
    let asked = leave.clone();
    let opened = settings
        .read_pin(pin.map(File::from))
        .and_then(|pin| {
            let access = Access {
                template,
                pin,
                leave,
            };
            Worker::open(&configuration, access, when_lost)
        })
        .and_then(|worker| harden::seal(&configuration, &confined).map(|()| worker));
    match opened {
        Ok(worker) => {
            let worker = Arc::new(worker);
            pulse.watch(Arc::clone(&worker));
            say(&control, &Report::Ready);
            obey(&control, &worker);
            worker.finish();
        }
        Err(error) if asked.is_in_doubt() => {
            tracing::error!(%error, "whether the token counted this login is not known");
            say(
                &control,
                &Report::Failed((&KeyStoreError::OutcomeUnknown).into()),
            );
        }
        Err(error) => say(&control, &Report::Failed((&error).into())),
    }
    pulse.stop();
    Ok(())
}

/// Ctrl-C reaches every process of the terminal; a worker ends when its supervisor does.
fn ignore_terminal() -> Result<(), KeyStoreError> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::default())
            .map_err(|e| wrong("signal handlers", &e))?;
    }
    Ok(())
}

/// What a worker starts with; the descriptor is that of the PIN, where one is offered.
type Start = (Box<Configuration>, Option<OwnedFd>);

fn configured(control: &Control) -> Result<Option<Start>, KeyStoreError> {
    let first = control.receive::<Order>().map_err(|e| {
        wrong(
            "control socket; a worker is started by its supervisor alone",
            &e,
        )
    })?;
    match first {
        Some((Order::Configure(configuration), pin))
            if configuration.token.login.offers_pin() == pin.is_some() =>
        {
            Ok(Some((configuration, pin)))
        }
        None => Ok(None),
        Some(_) => Err(wrong(
            "control socket",
            &"the first order is no configuration",
        )),
    }
}

/// The supervisor notes that the PIN is being offered before it is: whenever this process ends, the attempt is known. Once it was
/// noted, the PIN of this process is either good or never offered again, and later logins need no leave; nobody would read the answer.
fn leave(control: &Arc<Control>) -> Leave {
    let (control, given) = (Arc::clone(control), AtomicBool::new(false));
    Leave::of(move || {
        if given.load(Ordering::Acquire) {
            return Ok(());
        }
        let lost = |e: &dyn std::fmt::Display| {
            KeyStoreError::TokenUnavailable(format!("leave to offer the PIN: {e}"))
        };
        control
            .send(&Report::Offering, None)
            .map_err(|e| lost(&e))?;
        match control.receive::<Order>().map_err(|e| lost(&e))? {
            Some((Order::Offer, _)) => {
                given.store(true, Ordering::Release);
                Ok(())
            }
            _ => Err(lost(&"not given")),
        }
    })
}

fn obey(control: &Control, worker: &Worker) {
    loop {
        match control.receive::<Order>() {
            Ok(Some((Order::Serve { caller }, Some(stream)))) => {
                worker.serve(UnixStream::from(stream), caller);
            }
            Ok(Some((Order::Administer, Some(stream)))) => {
                worker.administer(UnixStream::from(stream));
            }
            Ok(Some((Order::Drain, _))) => worker.drain(),
            Ok(None) => return,
            Ok(Some(_)) => tracing::error!("an order that makes no sense here"),
            Err(error) => {
                tracing::error!(%error, "reading an order");
                return;
            }
        }
    }
}

/// A report that does not arrive needs no other: the supervisor is gone, and so will be this process.
fn say(control: &Control, report: &Report) {
    if let Err(error) = control.send(report, None) {
        tracing::debug!(%error, "reporting");
    }
}

/// Ends this process, once the replies to those who saw the loss are out, without the exit handlers of a library that lost its token.
fn end(control: &Control, worker: Option<&Worker>, error: &KeyStoreError) {
    tracing::error!(%error, "the token is lost; this worker ends");
    say(control, &Report::Ending(error.into()));
    if let Some(worker) = worker {
        worker.close(LAST_CALLS);
    }
    std::thread::park_timeout(LAST_WORDS);
    if let Some(worker) = worker {
        worker.give_up();
    }
    say(control, &Report::Failed(error.into()));
    if let Err(error) = kill_process(getpid(), Signal::KILL) {
        tracing::error!(%error, "ending");
    }
}

/// The thread that reports, from before the token is opened until the end.
struct Pulse {
    stop: Arc<AtomicBool>,
    worker: Arc<Mutex<Option<Arc<Worker>>>>,
    thread: JoinHandle<()>,
}

impl Pulse {
    fn start(
        control: Arc<Control>,
        lost: Arc<OnceLock<KeyStoreError>>,
    ) -> Result<Self, KeyStoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let worker: Arc<Mutex<Option<Arc<Worker>>>> = Arc::default();
        let (stopped, watched) = (Arc::clone(&stop), Arc::clone(&worker));
        let thread = std::thread::Builder::new()
            .name("pulse".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let watched = watched
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone();
                    if let Some(error) = lost.get() {
                        end(&control, watched.as_deref(), error);
                    }
                    let overdue = watched.and_then(|worker| {
                        let overdue = worker.overdue(Instant::now());
                        if overdue.is_some() {
                            worker.give_up();
                        }
                        overdue
                    });
                    say(
                        &control,
                        &overdue.map_or(Report::Alive, |operation| Report::Overdue {
                            operation: operation.to_owned(),
                        }),
                    );
                    std::thread::park_timeout(HEARTBEAT);
                }
            })
            .map_err(|e| wrong("thread", &e))?;
        Ok(Self {
            stop,
            worker,
            thread,
        })
    }

    fn watch(&self, worker: Arc<Worker>) {
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the reporting thread ended with a panic");
        }
    }
}
