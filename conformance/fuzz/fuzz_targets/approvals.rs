//! `hsm_bridge::fuzzing::approvals` on whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hsm_bridge::fuzzing::approvals(bytes));
