//! What a worker could do beyond its user: supplementary groups and capabilities.

use rustix::process::getgroups;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_thread_groups,
};

use super::wrong;
use crate::KeyStoreError;

/// Gives up every capability but those to `keep`, and the supplementary groups where the worker has a user or group of its own.
///
/// Called while the process has one thread. The capabilities of a supervisor that may change users without being user 0 outlive the
/// change, `capabilities(7)`.
pub(super) fn drop(groups_too: bool, keep: CapabilitySet) -> Result<(), KeyStoreError> {
    if groups_too && !getgroups().map_err(|e| wrong("groups", &e))?.is_empty() {
        set_thread_groups(&[]).map_err(|e| wrong("supplementary groups", &e))?;
    }
    clear_ambient_capability_set().map_err(|e| wrong("ambient capabilities", &e))?;
    let left = CapabilitySets {
        effective: keep,
        permitted: keep,
        inheritable: CapabilitySet::empty(),
    };
    // A unit that grants no capability may refuse the call as well.
    if capabilities(None).map_err(|e| wrong("capabilities", &e))? == left {
        return Ok(());
    }
    set_capabilities(None, left).map_err(|e| wrong("capabilities", &e))
}
