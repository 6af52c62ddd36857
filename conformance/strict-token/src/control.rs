//! The other end of a running token: faults, commands and counters, from any process that may open the control file.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::page::{Mapping, Process};
use crate::{Fault, Function, Plan};

/// A control page held open. Every method acts on all processes that hold the token, from their next call on.
#[derive(Debug)]
pub struct Control(Mapping);

fn read(word: &AtomicU64) -> u64 {
    word.load(Ordering::Acquire)
}

fn bump(word: &AtomicU64) {
    word.fetch_add(1, Ordering::AcqRel);
}

impl Control {
    /// Makes a control file with nothing armed and all counters at zero; a file that exists is refused.
    pub fn create(path: &Path) -> io::Result<Self> {
        Mapping::create(path).map(Self)
    }

    /// Opens the control file of a token.
    pub fn open(path: &Path) -> io::Result<Self> {
        Mapping::open(path).map(Self)
    }

    /// Arms a plan for a function, in place of the one before.
    pub fn arm(&self, function: Function, plan: Plan) {
        self.0.arm(function, plan);
    }

    /// Arms a fault that strikes every call until it is cleared.
    pub fn always(&self, function: Function, fault: Fault) {
        self.arm(function, Plan::always(fault));
    }

    /// Arms a fault that strikes the next call alone.
    pub fn once(&self, function: Function, fault: Fault) {
        self.arm(function, Plan::once(fault));
    }

    /// Lets a function work again; calls that hang in it go on.
    pub fn clear(&self, function: Function) {
        self.0.disarm(function);
    }

    /// Lets every function work again.
    pub fn clear_all(&self) {
        for function in Function::ALL {
            self.clear(function);
        }
    }

    /// How many calls the plan armed last for a function has struck.
    pub fn hits(&self, function: Function) -> u64 {
        self.0.hits(function)
    }

    /// Kills every session that no call is using; the login goes with the last of a process.
    pub fn kill_idle_sessions(&self) {
        bump(&self.0.session_deaths);
    }

    /// Logs every process out.
    pub fn drop_login(&self) {
        bump(&self.0.logouts);
    }

    /// Takes the token out of its slot: its sessions die, and calls answer `CKR_TOKEN_NOT_PRESENT`.
    pub fn remove_token(&self) {
        self.0.absent.store(1, Ordering::Release);
        bump(&self.0.removals);
    }

    /// Puts the token back; sessions from before stay dead.
    pub fn restore_token(&self) {
        self.0.absent.store(0, Ordering::Release);
    }

    /// Stops the token's server: every call of every process fails, `C_Initialize` too.
    pub fn stop_server(&self) {
        self.0.down.store(1, Ordering::Release);
        bump(&self.0.deaths);
    }

    /// Starts the token's server; processes that knew it before stay cut off until `C_Finalize` and `C_Initialize`.
    pub fn start_server(&self) {
        self.0.down.store(0, Ordering::Release);
    }

    /// Lets the link to the token die as of idleness: healed by `C_Finalize` and `C_Initialize` alone.
    pub fn let_link_die(&self) {
        bump(&self.0.deaths);
    }

    /// Forgets the wrong PINs, as a security officer does who sets the PIN anew.
    pub fn unlock_pin(&self) {
        self.0.pin_failures.store(0, Ordering::Release);
    }

    /// Calls of a function; [`Function::Sign`] counts those that gave a buffer, [`Function::SignLength`] the others.
    pub fn calls(&self, function: Function) -> u64 {
        self.0.calls(function)
    }

    /// Signatures the wrapped module made, whatever became of them.
    pub fn signatures_made(&self) -> u64 {
        read(&self.0.signatures_made)
    }

    /// Signatures handed out with `CKR_OK`, spoilt ones included.
    pub fn signatures_released(&self) -> u64 {
        read(&self.0.signatures_released)
    }

    /// Calls of `C_Login`.
    pub fn login_attempts(&self) -> u64 {
        self.calls(Function::Login)
    }

    /// PINs the token refused as wrong.
    pub fn wrong_pins(&self) -> u64 {
        read(&self.0.wrong_pins)
    }

    /// PINs the token refused since the last right one.
    pub fn pin_failures(&self) -> u64 {
        read(&self.0.pin_failures)
    }

    /// Sessions open now, of all processes that live.
    pub fn sessions_open(&self) -> u64 {
        self.0.sum(|process: &Process| &process.sessions)
    }

    /// The most sessions that were open at once.
    pub fn sessions_most(&self) -> u64 {
        read(&self.0.sessions_most)
    }

    /// Calls that hang now, of all processes that live.
    pub fn hanging(&self) -> u64 {
        self.0.sum(|process: &Process| &process.hanging)
    }

    /// Sets all counters to zero; armed faults, locked PINs and open sessions stay as they are.
    pub fn reset_counters(&self) {
        self.0.reset_counters();
    }
}
