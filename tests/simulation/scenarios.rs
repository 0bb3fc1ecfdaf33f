//! Every file in scenarios/ is played and judged.

use std::path::{Path, PathBuf};

use signal_hub_sim::history::Keep;
use signal_hub_sim::scenario::Profile;
use signal_hub_sim::{backend, report, scenario};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let entries = std::fs::read_dir(folder).expect("the project has scenarios");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

#[test]
fn every_scenario_keeps_every_invariant() {
    assert!(!files().is_empty());
    for file in files() {
        let scenario = scenario::read_file(&file).unwrap_or_else(|error| panic!("{error}"));
        assert!(!scenario.title.is_empty() && !scenario.why.is_empty(), "{}", file.display());
        let outcome = backend::play(&scenario, Keep::All);
        assert!(
            outcome.violation.is_none(),
            "{}\n{}",
            file.display(),
            report::failure(&outcome, &format!("cargo sim replay {}", file.display()))
        );
    }
}

#[test]
fn a_seed_and_its_scenario_file_play_the_same() {
    let storm = scenario::generate(Profile::Swarm, 5);
    let text = scenario::write(&storm);
    let read = scenario::read(&text).expect("a generated scenario can be played");
    let transcript = |scenario| report::transcript(&backend::play(scenario, Keep::All).events);
    assert!(transcript(&read) == transcript(&storm));
}
