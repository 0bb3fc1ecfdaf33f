//! Every file in scenarios/ is played on every backend and judged; what its actors see is the
//! snapshot beside it.

use std::path::{Path, PathBuf};

use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::history::{Keep, untimed};
use signal_hub_sim::scenario::{Profile, Scenario};
use signal_hub_sim::{report, scenario};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn transcript(file: &Path, scenario: &Scenario, backend: Backend) -> Option<String> {
    let outcome = backend::play(scenario, backend, Keep::All).ok()?;
    let replay = format!("cargo sim replay {} --backend {backend:?}", file.display());
    assert!(outcome.violation.is_none(), "{}", report::failure(&outcome, &replay));
    Some(untimed(&outcome.events))
}

/// A scenario with races shows the same only where time is simulated to the byte.
fn check(file: &Path) {
    let scenario = scenario::read_file(file).unwrap_or_else(|error| panic!("{error}"));
    assert!(!scenario.title.is_empty() && !scenario.why.is_empty(), "{}", file.display());
    let backends = [Backend::Simulated, Backend::Core];
    for backend in backends {
        let Some(seen) = transcript(file, &scenario, backend) else { continue };
        if backend == Backend::Simulated || scenario.races.is_none() {
            let name = file.file_stem().expect("a file has a name").to_string_lossy();
            insta::with_settings!({
                snapshot_path => file.parent().expect("a file is in a folder"),
                prepend_module_to_snapshot => false,
                snapshot_suffix => "",
                omit_expression => true,
                description => scenario.title.clone(),
            }, {
                insta::assert_snapshot!(name.as_ref(), seen, &format!("{backend:?}"));
            });
        }
    }
}

#[test]
fn every_scenario_shows_the_same_on_every_backend_and_keeps_every_invariant() {
    insta::glob!(folder(), "**/*.json", |file| {
        if !file.ends_with("scenario.schema.json") {
            check(file);
        }
    });
}

#[test]
fn a_seed_and_its_scenario_file_play_the_same() {
    let storm = scenario::generate(Profile::Swarm, 5);
    let text = scenario::write(&storm);
    let read = scenario::read(&text).expect("a generated scenario can be played");
    let transcript = |scenario: &Scenario| {
        let outcome = backend::play(scenario, Backend::Simulated, Keep::All);
        report::transcript(&outcome.expect("a storm can be played").events)
    };
    assert!(transcript(&read) == transcript(&storm));
}
