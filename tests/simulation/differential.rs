//! Message and simulated agree: on verdicts, and on what actors see where chance decides nothing.

use std::process::Command;

use serde_json::Value;
use signal_hub_sim::backend::Backend;
use signal_hub_sim::campaign::{self, Plan, Watcher};
use signal_hub_sim::report;
use signal_hub_sim::scenario::Profile;

#[test]
fn message_and_simulated_agree_on_every_seed() {
    let (mut seeds, mut compared) = (0, 0);
    for (profile, count) in [
        (Profile::Swarm, 12),
        (Profile::Storm, 4),
        (Profile::Calm, 4),
        (Profile::Flaky, 4),
        (Profile::Takeover, 4),
        (Profile::Halfopen, 4),
        (Profile::Restart, 4),
        (Profile::Crowd, 1),
        (Profile::Principals, 4),
        (Profile::Store, 4),
    ] {
        let plan = Plan::of(profile, Backend::Both, 0..count);
        let findings = campaign::run(&plan, &Watcher::SILENT);
        let failures = findings.failures.iter().map(|(seed, failure)| {
            let replay = report::replay_command(profile, Backend::Both, *seed);
            report::failure(&failure.outcome, &replay)
        });
        assert_eq!(failures.collect::<String>(), "", "{profile:?}");
        assert_eq!(findings.runs, count);
        seeds += count;
        compared += findings.compared;
    }
    assert!(
        4 * compared >= 3 * seeds,
        "of {seeds} seeds only {compared} were compared to the word"
    );
}

#[test]
fn the_program_says_how_much_was_compared() {
    let output = Command::new(env!("CARGO_BIN_EXE_signal-hub-sim"))
        .args(["run", "--backend", "message,simulated", "--profile", "calm"])
        .args(["--seeds", "0..2", "--format", "json"])
        .output()
        .expect("the simulator runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!((&told["backend"], &told["runs"]), (&"message,simulated".into(), &2.into()));
    assert!(told["comparedSteps"].as_u64() >= Some(8), "{told}");
}
