//! What costs nothing and keeps the PIN out of core files and debuggers.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::KeyStoreError;

/// Forbids core dumps and attaching of this process by others of its user.
pub(super) fn process() -> Result<(), KeyStoreError> {
    let wrong =
        |e: rustix::io::Errno| KeyStoreError::Configuration(format!("hardening the process: {e}"));
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .map_err(wrong)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(wrong)
}
