//! What a message costs the hub from its bytes to the bytes of what it leads to: instructions,
//! allocations and allocated bytes, counted by valgrind and compared with `figures.json`, which
//! `SIGNAL_HUB_UPDATE=1` writes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{env, fs};

use serde::{Deserialize, Serialize};

mod play;

/// Rounds of the shorter of two runs; the longer one has twice as many. Their difference is free of
/// whatever happens once.
const ROUNDS: u64 = 200;
/// How far a figure may be from the committed one, in percent: another machine's C library and
/// processor change a few instructions.
const TOLERANCE: u64 = 5;

/// The cost of one round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Cost {
    instructions: u64,
    allocations: u64,
    allocated_bytes: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [play, name, rounds] = arguments.as_slice()
        && play == "play"
    {
        play::play(name, rounds.parse().expect("a number of rounds"));
        return ExitCode::SUCCESS;
    }
    let figures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/costs/figures.json");
    let committed: BTreeMap<String, Cost> = fs::read(&figures)
        .map(|text| serde_json::from_slice(&text).expect("figures.json holds costs"))
        .unwrap_or_default();
    let counted: BTreeMap<String, Cost> =
        play::NAMES.iter().map(|name| ((*name).to_owned(), cost(name))).collect();
    let agrees = compare(&committed, &counted);
    if env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&counted).expect("costs are JSON");
        fs::write(&figures, text + "\n").expect("the folder can be written to");
        return ExitCode::SUCCESS;
    }
    if agrees {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "a figure is {TOLERANCE} % or more away from the committed one; if it is meant to be:\n\
         SIGNAL_HUB_UPDATE=1 cargo costs"
    );
    ExitCode::FAILURE
}

/// Prints both sides. Returns whether they are the same messages at about the same costs.
fn compare(committed: &BTreeMap<String, Cost>, counted: &BTreeMap<String, Cost>) -> bool {
    println!(
        "{:<36}{:>22}{:>18}{:>20}",
        "per round, and committed", "instructions", "allocations", "allocated bytes"
    );
    let mut agrees = committed.keys().eq(counted.keys());
    for (name, cost) in counted {
        let before = committed.get(name).copied().unwrap_or_default();
        let is_close = |now: u64, before: u64| now.abs_diff(before) * 100 <= before * TOLERANCE;
        let close = is_close(cost.instructions, before.instructions)
            && is_close(cost.allocations, before.allocations)
            && is_close(cost.allocated_bytes, before.allocated_bytes);
        agrees &= close;
        println!(
            "{name:<36}{:>12} {:>9}{:>9} {:>8}{:>11} {:>8}{}",
            cost.instructions,
            before.instructions,
            cost.allocations,
            before.allocations,
            cost.allocated_bytes,
            before.allocated_bytes,
            if close { "" } else { "  !" },
        );
    }
    agrees
}

fn cost(name: &str) -> Cost {
    let cachegrind = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
    let [instructions] = per_round(name, &cachegrind, |said| [number_after(said, "I   refs:")]);
    let memcheck = ["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    let [allocations, allocated_bytes] = per_round(name, &memcheck, |said| {
        let usage = said.split_once("total heap usage:").map_or("", |(_, usage)| usage);
        [number_after(usage, ""), number_after(usage, "frees,")]
    });
    Cost { instructions, allocations, allocated_bytes }
}

/// What the rounds of the longer run add, for one of them.
fn per_round<const N: usize>(
    name: &str,
    tool: &[&str],
    read: impl Fn(&str) -> [u64; N],
) -> [u64; N] {
    let [short, long] = [ROUNDS, 2 * ROUNDS].map(|rounds| {
        let this = env::current_exe().expect("a program knows its path");
        let output = Command::new("valgrind")
            .args(tool)
            .arg(this)
            .args(["play", name, &rounds.to_string()])
            .output()
            .expect("valgrind is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        read(&said)
    });
    std::array::from_fn(|at| (long[at] - short[at]) / ROUNDS)
}

/// The number that follows `label`, whose thousands have commas.
fn number_after(text: &str, label: &str) -> u64 {
    let (_, rest) = text.split_once(label).unwrap_or_else(|| panic!("no {label} in {text}"));
    let digits = rest.trim_start().split(' ').next().unwrap_or_default().trim();
    let digits = digits.lines().next().unwrap_or_default().replace(',', "");
    digits.parse().unwrap_or_else(|_| panic!("no number after {label}: {rest}"))
}
