//! `hsm_bridge::fuzzing::administrator` on whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hsm_bridge::fuzzing::administrator(bytes));
