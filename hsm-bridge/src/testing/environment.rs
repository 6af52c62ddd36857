//! The one unsafe call of this crate: SoftHSM takes the path of its configuration from the environment and from nowhere else.

use std::path::Path;

/// Names SoftHSM's configuration in this process's environment; called once, before the module is loaded.
#[expect(
    unsafe_code,
    reason = "SoftHSM reads SOFTHSM2_CONF at C_Initialize; there is no other door"
)]
pub(super) fn name_configuration(file: &Path) {
    // SAFETY: runs once, under the `OnceLock` of the token folder, in test programs only, before the first `C_Initialize`. Rust code
    // reads the environment under std's lock; the C code that reads it here is the module that is loaded after this call.
    unsafe { std::env::set_var("SOFTHSM2_CONF", file) };
}
