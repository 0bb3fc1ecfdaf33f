//! What fails becomes a file: as short as it can be, ready to be played again anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use signal_hub_sim::failures;
use signal_hub_sim::hash::stable_hash;
use signal_hub_sim::scenario::{self, Progress, Scenario};

use crate::comparison::{Failure, judge};

/// How many scenarios are played to make one shorter.
const TRIES_MAX: usize = 3_000;
/// How the names of these files begin.
const PREFIX: &str = "model-";

/// The directory of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All scenario files, and those that earlier runs left and nobody has adopted yet.
pub fn files() -> Vec<PathBuf> {
    let mut files =
        failures::scenarios_in(&root().join("scenarios")).expect("the project has scenarios");
    // There is no such directory as long as nothing has failed.
    let left = failures::scenarios_in(&root().join(failures::DIRECTORY)).unwrap_or_default();
    files.extend(left.into_iter().filter(|file| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
    }));
    files
}

/// Shortens a scenario that fails, leaves it as a file, and tells all that there is to know.
pub fn leave(scenario: &Scenario, failure: &Failure) -> String {
    let shrunk = shrink(scenario, failure);
    let failure = judge(&shrunk).ok().and_then(|verdict| verdict.failure);
    let why = failure.map_or_else(String::new, |failure| failure.to_string());
    let shrunk = Scenario {
        title: "The hub does what its model does not".to_owned(),
        why: why.lines().next().unwrap_or_default().to_owned(),
        races: Some("shrunk from a generated scenario".to_owned()),
        ..shrunk
    };
    let steps: Vec<String> = shrunk.steps.iter().map(ToString::to_string).collect();
    let hash = stable_hash(steps.concat().as_bytes()) as u32;
    let name = format!("{}/{PREFIX}{hash:08x}.json", failures::DIRECTORY);
    let file = root().join(&name);
    let directory = file.parent().expect("it has one");
    let written =
        fs::create_dir_all(directory).and_then(|()| fs::write(&file, scenario::write(&shrunk)));
    let left = match written {
        Ok(()) => name,
        Err(error) => format!("{name} (not written: {error})"),
    };
    format!(
        "{why}\nscenario {left}\nreplay   cargo sim replay {left} --backend message\n\
         compare  cargo test --test properties every_scenario_file\n\
         adopt    cargo sim adopt {left}"
    )
}

fn shrink(scenario: &Scenario, failure: &Failure) -> Scenario {
    let mut fails = |candidate: &Scenario| {
        let found = judge(candidate).ok()?.failure?;
        found.is_like(failure).then(|| found.at())
    };
    let mut time_is_up = |progress: Progress| progress.tries >= TRIES_MAX;
    scenario::shrink(scenario, failure.at(), &mut fails, &mut time_is_up).scenario
}
