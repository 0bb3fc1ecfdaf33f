//! The reader of frames under the fuzzer, beside another implementation.

#![no_main]
#![allow(dead_code)] // The other targets' functions.

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::frames(bytes));
