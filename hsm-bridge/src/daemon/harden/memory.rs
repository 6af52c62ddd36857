//! Memory that never reaches the swap device: PINs, keys that a software token opens, and what a vendor's library makes of them.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use super::wrong;
use crate::KeyStoreError;

/// Raises the limit of locked memory as far as this process may; a worker inherits it through its change of user.
pub(super) fn raise_limit() {
    let without = Rlimit {
        current: None,
        maximum: None,
    };
    if setrlimit(Resource::Memlock, without).is_ok() {
        return;
    }
    let maximum = getrlimit(Resource::Memlock).maximum;
    let highest = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Memlock, highest) {
        tracing::debug!(%error, "raising the limit of locked memory");
    }
}

/// How it is with the memory of this process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Locked {
    /// All of it is locked, under a limit that allows for any amount.
    All,
    /// All of it is locked, as long as the process keeps `CAP_IPC_LOCK`.
    ByCapability,
    /// None of it is, for this reason.
    Nothing(String),
}

/// Locks all memory of this process, present and future, page by page as it is first used.
///
/// Under a finite `RLIMIT_MEMLOCK`, and without the capability that stands above it, nothing is locked: a process that has used its
/// limit up is refused every further allocation (`mlockall(2)`), and would end in the middle of its work. That is an error where
/// locked memory is `required`.
pub(super) fn lock(required: bool) -> Result<Locked, KeyStoreError> {
    let held = capabilities(None).map_err(|e| wrong("capabilities", &e))?;
    let locked = match getrlimit(Resource::Memlock).current {
        None => Ok(Locked::All),
        Some(_) if held.effective.contains(CapabilitySet::IPC_LOCK) => Ok(Locked::ByCapability),
        Some(limit) => Err(format!(
            "RLIMIT_MEMLOCK is {limit} bytes and must be unlimited"
        )),
    };
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let refusal = match locked.map(|locked| (locked, mlockall(flags))) {
        Ok((locked, Ok(()))) => return Ok(locked),
        Ok((_, Err(error))) => error.to_string(),
        Err(refusal) => refusal,
    };
    if required {
        return Err(wrong("locking memory", &refusal));
    }
    Ok(Locked::Nothing(refusal))
}
