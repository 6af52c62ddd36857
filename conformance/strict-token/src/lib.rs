//! A strict PKCS#11 token for tests: it wraps a real module, forwards every function of PKCS#11 2.40, and plays vendors and faults.
//!
//! As a shared library it is loaded like any module; the environment variable [`CONFIG_VARIABLE`] names its [`Settings`]. As a Rust
//! library it gives test programs the other end: [`Control`] arms faults and reads counters while the module runs, also from another
//! process, through one memory-mapped file; [`module_file`] finds the shared library that cargo built.
//!
//! Invariant: a call that meets no knob and no fault answers what the wrapped module answers, and all randomness comes from the seed.

pub mod ckr;
mod control;
mod exports;
mod function;
mod gate;
mod knobs;
mod life;
mod locate;
mod memory;
mod names;
mod page;
mod plan;
mod real;
mod settings;
mod shim;

pub use control::Control;
pub use function::Function;
pub use locate::module_file;
pub use plan::{Fault, Plan};
pub use settings::{Profile, Settings};

/// The environment variable that names the file of [`Settings`].
pub const CONFIG_VARIABLE: &str = "STRICT_TOKEN_CONFIG";
