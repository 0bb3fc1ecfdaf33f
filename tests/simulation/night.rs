//! Nights: every profile is swept as far as the time goes, and a ledger says what was.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use dst::report::Sweep;
use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::report::Results;
use signal_hub_sim::scenario::Profile;

use super::program::{folder, simulator, text};
use super::{found, outcome, plan};

fn profiles() -> Vec<String> {
    Profile::value_variants().iter().map(|profile| format!("{profile:?}").to_lowercase()).collect()
}

#[test]
fn the_shards_of_a_night_sweep_every_profile_and_are_judged_together() {
    let folder = folder("night");
    for number in ["1", "2"] {
        let shard = format!("{number}/2");
        let run = ["run", "--backend", "message", "--night", "3", "--shard", &shard];
        let how = ["--budget", "4s", "--ledger", "night/ledger", "--format", "json"];
        let mut run = simulator(&[&run[..], &how].concat());
        let output = run.current_dir(&folder).output().expect("the simulator runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        fs::write(folder.join(number), output.stdout).expect("the build folder can be written");
    }
    let ledger = fs::read_to_string(folder.join("night/ledger")).expect("it was written");
    let sweeps: Vec<Sweep> =
        ledger.lines().map(|line| serde_json::from_str(line).expect("a sweep")).collect();
    let swept: Vec<&str> = sweeps.iter().map(|sweep| sweep.profile.as_str()).collect();
    assert_eq!(swept, [profiles(), profiles()].concat());
    for sweep in &sweeps {
        assert_eq!((sweep.night, &sweep.seeds), (3, &(3_000_000..4_000_000)));
        assert!(
            sweep.swept > 0 && sweep.broken.is_empty() && !sweep.commit.is_empty(),
            "{sweep:?}"
        );
        assert!(sweep.situations["accepted hub:connect"] <= sweep.swept, "{sweep:?}");
    }
    let shards: BTreeSet<_> = sweeps.iter().map(|sweep| sweep.shard.as_deref()).collect();
    assert_eq!(shards, BTreeSet::from([Some("1/2"), Some("2/2")]));

    let mut merge = simulator(&["merge", "2", "1", "--junit", "junit.xml"]);
    let output = merge.current_dir(&folder).output().expect("the simulator runs");
    let (told, junit) = (text(&output.stdout), fs::read_to_string(folder.join("junit.xml")));
    let junit = junit.expect("it was written");
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    for (place, profile) in profiles().iter().enumerate() {
        let both = sweeps[place].swept + sweeps[place + profiles().len()].swept;
        assert!(
            told.contains(&format!("profile  {profile}\nruns     {both} passed, 0 failed\n")),
            "{told}"
        );
        assert!(junit.contains(&format!("<testsuite name=\"{profile} on message: invariants\"")));
    }
}

#[test]
fn ctrl_c_ends_a_night_with_what_was_swept() {
    let folder = folder("interrupted_night");
    let run = ["run", "--backend", "message", "--night", "3", "--budget", "30s"];
    let mut running = simulator(&[&run[..], &["--ledger", "ledger"]].concat())
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the simulator runs");
    let swept = || fs::read_to_string(folder.join("ledger")).unwrap_or_default().lines().count();
    // In the second profile, so that it must not count twice.
    while swept() == 0 {
        assert!(running.try_wait().expect("it is a child").is_none(), "it ended before");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pressed = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(pressed.expect("there are signals").success());
    let output = running.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stdout).contains("\nENDED    by Ctrl-C"), "{}", text(&output.stdout));
    assert!((2..profiles().len()).contains(&swept()), "{} profiles", swept());
}

#[test]
fn a_ledger_counts_what_broke() {
    let plan = plan("0..10");
    let play = |seed| outcome(seed, |_| true, [None, Some(Invariant::I14)][seed as usize % 2]);
    let sweep = Sweep::of(&Results::of(&found(&plan, &play), &plan), 0, "abc");
    let line = sweep.line();
    let whole = r#"{"commit":"abc","night":0,"profile":"swarm","backend":"message","seeds":{"start":0,"end":10},"shard":null,"swept":10,"broken":{"I14":5},"situations":{"#;
    assert!(line.starts_with(whole) && line.ends_with("}}\n"), "{line}");
}

#[test]
fn a_night_needs_an_end_and_seeds_that_there_are() {
    let refused: [(&[&str], &str); 3] = [
        (&["--night", "1"], "not provided:\n  --budget <TIME>"),
        (&["--night", "1", "--budget", "1s", "--seeds", "1..2"], "cannot be used with '--seeds"),
        (&["--night", "99999999999999", "--budget", "1s"], "error: --night is too far away"),
    ];
    for (arguments, why) in refused {
        let output = simulator(&[&["run"], arguments].concat()).output().expect("it runs");
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(why), "{arguments:?}: {told}");
    }
}
