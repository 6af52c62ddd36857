//! The `hsm-bridge` program.

fn main() {}
