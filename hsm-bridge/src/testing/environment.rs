//! The one unsafe call of this module: software tokens take the path of their configuration from the environment and from nowhere else.

use std::path::Path;

/// Names the modules' configurations in this process's environment; called once, before a module is loaded.
#[expect(
    unsafe_code,
    reason = "SoftHSM and kryoptic read these variables at C_Initialize; there is no other door"
)]
pub(super) fn name_configuration(variables: &[(&str, &Path)]) {
    for (name, file) in variables {
        // SAFETY: runs once, under the `OnceLock` of the token folder, in test programs only, before the first `C_Initialize`. Rust
        // code reads the environment under std's lock; the C code that reads it here is the module that is loaded after this call.
        unsafe { std::env::set_var(name, file) };
    }
}
