//! What a process of the daemon gives up: its core file, its debuggers, new privileges, and in a worker everything else it never needs.
//!
//! A worker is confined in two steps. [`confine`] runs before its first thread and before the module is loaded, since locked memory,
//! capabilities and Landlock of older kernels belong to a thread and its children. [`seal`] runs when the token is open and reaches
//! every thread, those of the vendor's library as well.

mod calls;
mod files;
mod folders;
mod gate;
mod memory;
mod privileges;
#[cfg(test)]
mod tests;

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};
use rustix::thread::{CapabilitySet, set_no_new_privs};

pub(super) use folders::{hand_over, hand_over_private};
pub(super) use gate::gate;
use memory::Locked;

use super::config::Switch;
use super::control::Configuration;
use crate::KeyStoreError;

/// Permission bits of group and world, which no file of the daemon has; sockets get their mode after they are made.
const OTHERS: u32 = 0o077;

fn wrong(what: &str, error: &dyn std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("hardening the process: {what}: {error}"))
}

/// Forbids core dumps, attaching by others of the same user, new privileges, and files that others may read.
///
/// `core(5)`, `prctl(2)`. Runs before the first thread: new privileges are given up by the thread that asks and by its children.
pub(super) fn process() -> Result<(), KeyStoreError> {
    // A kernel that dumps to a program does not ask for the limit; what it would be given is nothing.
    if let Err(error) = std::fs::write("/proc/self/coredump_filter", "0") {
        tracing::debug!(%error, "the kernel has no filter for core dumps");
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|e| wrong("core files", &e))?;
    memory::raise_limit();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| wrong("dumpable", &e))?;
    set_no_new_privs(true).map_err(|e| wrong("new privileges", &e))?;
    umask(Mode::from_raw_mode(OTHERS));
    Ok(())
}

/// What stays in force for as long as it is kept.
pub(super) struct Confined {
    locked: Locked,
    files: files::Restricted,
}

/// Takes from a worker, before it has another thread: swap, supplementary groups, capabilities, files and TCP ports.
///
/// What could not be taken is said by [`seal`]: a token that does not open has one thing to say, and it is not this.
pub(super) fn confine(configuration: &Configuration) -> Result<Confined, KeyStoreError> {
    let token = &configuration.token;
    let locked = memory::lock(configuration.require_locked_memory)?;
    let keep = match locked {
        Locked::ByCapability => CapabilitySet::IPC_LOCK,
        Locked::All | Locked::Nothing(_) => CapabilitySet::empty(),
    };
    privileges::drop(token.uid.is_some() || token.gid.is_some(), keep)?;
    let files = files::restrict(configuration)?;
    Ok(Confined { locked, files })
}

/// Takes from every thread of a worker whose token is open the system calls that it never needs, and says what is in force.
pub(super) fn seal(
    configuration: &Configuration,
    confined: &Confined,
) -> Result<(), KeyStoreError> {
    let token = &configuration.token;
    if token.seccomp == Switch::On {
        calls::refuse(token.network)?;
    } else {
        tracing::warn!(token = token.name, "seccomp is off for this token");
    }
    if let Locked::Nothing(reason) = &confined.locked {
        tracing::warn!(
            token = token.name,
            reason,
            "memory is not locked: secrets may reach the swap device"
        );
    }
    if !confined.files.in_force {
        tracing::warn!(
            token = token.name,
            level = confined.files.level,
            "Landlock is not in force"
        );
    }
    tracing::info!(
        token = token.name,
        memory = match confined.locked {
            Locked::All => "locked",
            Locked::ByCapability => "locked by a capability that is kept for it",
            Locked::Nothing(_) => "not locked",
        },
        landlock = confined.files.level,
        files = if confined.files.paths {
            "restricted"
        } else {
            "not restricted: no paths are set for this token"
        },
        network = token.network,
        seccomp = ?token.seccomp,
        "confined"
    );
    Ok(())
}
