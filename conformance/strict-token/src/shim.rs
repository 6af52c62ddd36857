//! The one token of this process, and the path every call takes: counted, struck by a fault, admitted, slowed, forwarded.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cryptoki_sys as sys;

use crate::gate::{Gate, Pass, pass_time};
use crate::knobs::Knobs;
use crate::life::Life;
use crate::page::Mapping;
use crate::plan::mix;
use crate::real::Real;
use crate::settings::Settings;
use crate::{CONFIG_VARIABLE, Fault, Function};

/// How often a hanging call looks whether it may go on.
const HANG_LOOK: Duration = Duration::from_millis(1);

/// The wrapped module with its quirks.
pub(crate) struct Shim {
    pub(crate) real: Real,
    pub(crate) knobs: Knobs,
    pub(crate) seed: u64,
    pub(crate) page: Mapping,
    gate: Gate,
    life: Mutex<Life>,
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Module,
    Slot,
    Session(sys::CK_SESSION_HANDLE),
}

/// The token of this process; made from the settings at the first call, which says on standard error why it cannot be.
pub(crate) fn shim() -> Option<&'static Shim> {
    static SHIM: OnceLock<Option<Shim>> = OnceLock::new();
    SHIM.get_or_init(|| match Shim::new() {
        Ok(shim) => Some(shim),
        Err(why) => {
            eprintln!("strict token: {why}");
            None
        }
    })
    .as_ref()
}

/// Takes a call along the whole path; `work` is told the fault that it has to play itself.
pub(crate) fn around(
    function: Function,
    on: On,
    work: impl FnOnce(&'static Shim, Option<Fault>) -> sys::CK_RV,
) -> sys::CK_RV {
    let Some(shim) = shim() else {
        return sys::CKR_GENERAL_ERROR;
    };
    let fault = shim.page.count(function, shim.seed);
    if fault == Some(Fault::Hang) {
        shim.hang(function);
    }
    let _admitted = match shim.admit(function, on) {
        Ok(admitted) => admitted,
        Err(code) => return code,
    };
    if let Some(Fault::Answer(code)) = fault {
        return code;
    }
    let _pass = match shim.reach(function) {
        Ok(pass) => pass,
        Err(code) => return code,
    };
    let answer = work(shim, fault);
    match fault {
        Some(Fault::AnswerLost(instead)) => instead,
        Some(Fault::HangAfter) => {
            shim.hang(function);
            answer
        }
        _ => answer,
    }
}

impl Shim {
    fn new() -> Result<Self, String> {
        let file = std::env::var_os(CONFIG_VARIABLE)
            .map(PathBuf::from)
            .ok_or_else(|| format!("{CONFIG_VARIABLE} names no settings"))?;
        let settings = Settings::read(&file)?;
        let knobs = settings.resolve()?;
        let page = match &settings.control {
            None => Mapping::private(),
            Some(path) => Mapping::open(path).or_else(|error| {
                if error.kind() != std::io::ErrorKind::NotFound {
                    return Err(error);
                }
                // Another process may make it at the same moment.
                Mapping::create(path).or_else(|_| Mapping::open(path))
            }),
        }
        .map_err(|e| format!("control file: {e}"))?;
        Ok(Self {
            real: Real::load(&settings.module)?,
            gate: Gate::new(knobs.capacity),
            knobs,
            seed: settings.seed,
            page,
            life: Mutex::default(),
        })
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hang(&self, function: Function) {
        let process = self.page.process();
        if let Some(process) = process {
            process.hanging.fetch_add(1, Ordering::AcqRel);
        }
        while self.page.hangs(function) {
            pass_time(HANG_LOOK);
        }
        if let Some(process) = process {
            process.hanging.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Lets a call in, or answers for a token that is gone.
    fn admit(&self, function: Function, on: On) -> Result<Admitted<'_>, sys::CK_RV> {
        let outside = Ok(Admitted(None));
        let mut life = self.life();
        match function {
            Function::Finalize => return outside,
            Function::Initialize if self.page.down.load(Ordering::Acquire) != 0 => {
                return Err(self.knobs.death_code.0);
            }
            _ if !life.initialized => return outside,
            _ => {}
        }
        if matches!(on, On::Session(_)) {
            life.wear(self.knobs.dies_after_calls);
        }
        if life.is_cut_off(&self.page) {
            return Err(self.knobs.death_code.0);
        }
        life.obey(&self.page, &self.real);
        let asks_the_token = match on {
            On::Module => false,
            On::Slot => function != Function::GetSlotInfo,
            On::Session(_) => true,
        };
        if asks_the_token && self.is_absent() {
            return Err(sys::CKR_TOKEN_NOT_PRESENT);
        }
        match on {
            On::Session(handle) if !life.enter(handle, function == Function::CloseSession) => {
                Err(sys::CKR_SESSION_HANDLE_INVALID)
            }
            On::Session(handle) => Ok(Admitted(Some((self, handle)))),
            _ => outside,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.page.absent.load(Ordering::Acquire) != 0
    }

    /// Waits for a place in the device and for its latency.
    fn reach(&self, function: Function) -> Result<Option<Pass<'_>>, sys::CK_RV> {
        let remote = function.reaches_device()
            || (!self.knobs.length_query_is_local
                && matches!(function, Function::SignLength | Function::SignFinalLength));
        if !remote {
            return Ok(None);
        }
        let busy = self.knobs.over_capacity;
        let pass = self.gate.enter(busy.is_none());
        if let (None, Some(code)) = (&pass, busy) {
            return Err(code.0);
        }
        if self.knobs.latency_us > 0 {
            pass_time(Duration::from_micros(self.knobs.latency_us));
        }
        Ok(pass)
    }

    /// Whether the user PIN is locked.
    pub(crate) fn is_pin_locked(&self) -> bool {
        self.knobs
            .pin_tries
            .is_some_and(|tries| self.page.pin_failures.load(Ordering::Acquire) >= tries)
    }

    /// Keeps count of what became of the user PIN.
    pub(crate) fn note_pin(&self, answer: sys::CK_RV) {
        match answer {
            sys::CKR_OK => self.page.pin_failures.store(0, Ordering::Release),
            sys::CKR_PIN_INCORRECT => {
                self.page.pin_failures.fetch_add(1, Ordering::AcqRel);
                self.page.wrong_pins.fetch_add(1, Ordering::AcqRel);
            }
            _ => {}
        }
    }

    /// A slot id as it is shown; the same function turns it back.
    pub(crate) fn slot(&self, id: sys::CK_SLOT_ID) -> sys::CK_SLOT_ID {
        if !self.knobs.permuted_slots {
            return id;
        }
        id ^ (mix(self.seed ^ self.life().births) >> 33)
    }
}

/// A call on a session that was let in; the session is no longer busy when this is dropped.
struct Admitted<'a>(Option<(&'a Shim, sys::CK_SESSION_HANDLE)>);

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some((shim, handle)) = self.0 {
            shim.life().leave(handle, &shim.real);
        }
    }
}
