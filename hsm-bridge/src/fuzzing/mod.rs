//! What must hold of any bytes whatever that a peer, a file or a caller hands in: the oracles of the fuzz targets.
//!
//! Each takes bytes, gives them to one parser, and asserts what is true of everything that the parser lets pass; what it refuses is no
//! finding. The targets in `conformance/fuzz` are nothing but these, and the tests here run them over the seeds of those targets.

mod framing;
mod orders;
mod text;
mod to_be_signed;

pub use framing::{reply, request, stream};
pub use orders::{administrator, approvals, evidence, order};
pub use text::{audit_line, policy};
pub use to_be_signed::{certificate, list};

#[cfg(test)]
mod tests;
