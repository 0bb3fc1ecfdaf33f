//! The codec under the fuzzer.

#![no_main]
#![allow(dead_code)] // The other target's functions.

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::codec(bytes));
