//! The same seed plays the same, to the byte: in another process, beside another run.

use std::process::Command;

use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::Profile;
use signal_hub_sim::{report, scenario};

fn transcript_of_a_process(seed: u64) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_signal-hub-sim"))
        .args(["run", "--trace", "--seed", &seed.to_string()])
        .output()
        .expect("the simulator runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn transcript_here(seed: u64) -> String {
    let scenario = scenario::generate(Profile::Swarm, seed);
    let outcome = backend::play(&scenario, Backend::Simulated, Keep::All);
    report::transcript(&outcome.expect("a storm can be played").events)
}

/// Where two transcripts part, for a message that helps.
fn first_difference(one: &str, other: &str) -> String {
    let lines = one.lines().zip(other.lines()).enumerate();
    let differing = lines.into_iter().find(|(_, (one, other))| one != other);
    match differing {
        Some((number, (one, other))) => format!("line {}:\n{one}\n{other}", number + 1),
        None => "one is longer".to_owned(),
    }
}

#[test]
fn a_seed_plays_the_same_in_two_processes() {
    for seed in 0..4 {
        let (one, other) = (transcript_of_a_process(seed), transcript_of_a_process(seed));
        let [one, other] = [one, other].map(|text| String::from_utf8(text).expect("it is text"));
        assert!(one.lines().count() > 1_000, "a transcript tells everything");
        assert!(one == other, "seed {seed} differs at {}", first_difference(&one, &other));
    }
}

#[test]
fn a_seed_plays_the_same_alone_and_beside_another() {
    let alone: Vec<String> = (0..4).map(transcript_here).collect();
    let beside: Vec<String> = std::thread::scope(|scope| {
        let halves: Vec<_> = [0..2, 2..4]
            .into_iter()
            .map(|half| scope.spawn(move || half.map(transcript_here).collect::<Vec<_>>()))
            .collect();
        halves.into_iter().flat_map(|half| half.join().expect("no run panics")).collect()
    });
    for (seed, (one, other)) in alone.iter().zip(&beside).enumerate() {
        assert!(one == other, "seed {seed} differs at {}", first_difference(one, other));
    }
}

#[test]
fn two_seeds_do_not_play_the_same() {
    assert_ne!(transcript_here(1), transcript_here(2));
}
