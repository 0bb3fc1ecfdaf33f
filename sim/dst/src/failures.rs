//! Failures as files: shrunk to what they take, named after the invariant, ready to be replayed
//! anywhere. A seed means another storm as soon as the generator changes; a file means the same.
//!
//! One that [`Echo`](crate::service#all-of-one) has:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::backend::{self, Backend};
//! use dst::failures;
//! use dst::run::Keep;
//!
//! let fails = |scenario: &Scenario<Echo>| {
//!     let played = backend::play(scenario, Backend::Simulated, Keep::Nothing);
//!     played.is_ok_and(|outcome| outcome.violation.is_some())
//! };
//! let mut storms = (0..1_000).map(|seed| Echo::generate(Profile::Stalls, seed));
//! let storm = storms.find(fails).ok_or("all pass")?;
//! let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_progress| false)?;
//! assert_eq!(shrunk.scenario.steps.len(), 4, "a stall, two lines in it, one after it");
//!
//! # let directory = std::env::temp_dir().join(format!("dst-failures-{}", std::process::id()));
//! let file = failures::leave(&directory, &shrunk)?;
//! assert_eq!(failures::scenarios_in(&directory)?, [file.clone()]);
//! assert_eq!(failures::storm_beside::<Echo>(&file)?.as_ref(), Some(&storm));
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::System;
use crate::backend::{self, Backend, Outcome, Skipped};
use crate::hash::stable_hash;
use crate::history::untimed;
use crate::run::Keep;
use crate::scenario::{self, ExpectedFailure, Progress, Scenario};
use crate::verdict::{Invariant, Violation};

/// Where failures are left, from the directory that the simulator is started in.
pub const DIRECTORY: &str = "failures";
/// Where the storms stand that guided campaigns begin with; nobody has written down what their actors see.
pub const CORPUS: &str = "scenarios/corpus";
/// How the file ends that holds the storm of a shrunk failure, beside it.
const STORM: &str = "storm";
/// How many of the last events of each try are kept: the shrinker reads none but the last.
const EVENTS_KEPT: usize = 1;

/// A failure that was shrunk.
#[derive(Debug, Clone)]
pub struct Shrunk<S: System> {
    /// What is left; its title and its reason tell the invariant and what was seen.
    pub scenario: Scenario<S>,
    /// What it was before.
    pub storm: Scenario<S>,
    /// Scenarios played to get there.
    pub tries: usize,
    /// Whether nothing more could go; otherwise time was up.
    pub finished: bool,
    /// How the shrunk scenario fails, with all its events.
    pub outcome: Outcome<S>,
}

/// Why a scenario cannot be shrunk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotShrunk {
    /// The backend cannot play it.
    #[error(transparent)]
    Skipped(#[from] Skipped),
    /// It does not fail.
    #[error("it passes: there is nothing to shrink")]
    Passes,
}

/// Why a file cannot be adopted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdopted {
    /// It is no scenario.
    #[error(transparent)]
    Invalid(#[from] scenario::InvalidScenario),
    /// The simulated backend cannot play it.
    #[error(transparent)]
    Skipped(#[from] Skipped),
    /// It is to be expected to fail, and does not.
    #[error("it passes on the simulated network: there is no failure to expect")]
    Passes,
    /// The path ends without the name of a file.
    #[error("{0} has no name")]
    Nameless(PathBuf),
    /// Another scenario of that name was adopted before.
    #[error("{0} is another scenario: rename the file that you adopt")]
    Taken(PathBuf),
    /// A file cannot be written or removed.
    #[error("{path}: {error}")]
    File {
        /// The file that could not be written or removed.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// What became of the file that was adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was left by a failure, and is there no more.
    Moved,
    /// It is somewhere else, and is there as before.
    Copied,
    /// It is the adopted file.
    Itself,
}

/// A failure that was adopted.
#[derive(Debug)]
pub struct Adopted<S: System> {
    /// Where it stands now.
    pub file: PathBuf,
    /// What became of the file that it came from.
    pub origin: Origin,
    /// What its actors see, for the test to compare; none while it still fails.
    pub snapshot: Option<PathBuf>,
    /// Why it may still fail for now.
    pub reason: Option<String>,
    /// How it still fails.
    pub violation: Option<Violation<S>>,
}

/// Shrinks a scenario that fails, until nothing more can go or `time_is_up` says so. Each try has to
/// break the same invariant.
///
/// # Errors
/// If the scenario passes, or the backend cannot play it.
pub fn shrink<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    time_is_up: &mut dyn FnMut(Progress) -> bool,
) -> Result<Shrunk<S>, NotShrunk> {
    let fails = |scenario: &Scenario<S>| -> Result<Option<(Violation<S>, Duration)>, Skipped> {
        let outcome = backend::play(scenario, backend, Keep::Last(EVENTS_KEPT))?;
        let at = outcome.events.last().map_or(outcome.simulated, |event| event.at);
        Ok(outcome.violation.map(|violation| (violation, at)))
    };
    let (violation, at) = fails(scenario)?.ok_or(NotShrunk::Passes)?;
    let mut same = |candidate: &Scenario<S>| {
        let (found, at) = fails(candidate).ok().flatten()?;
        (found.invariant == violation.invariant).then_some(at)
    };
    let storm = scenario.clone();
    let shrunk = scenario::shrink(scenario, at, &mut same, time_is_up);
    let mut scenario = shrunk.scenario;
    scenario.title = violation.invariant.to_string();
    scenario.races = Some("shrunk from a storm".to_owned());
    let outcome = backend::play(&scenario, backend, Keep::All)?;
    let violation = outcome.violation.as_ref().unwrap_or(&violation);
    scenario.why = format!("{} Seen: {}.", violation.invariant.sentence(), violation.evidence);
    let (tries, finished) = (shrunk.tries, shrunk.finished);
    Ok(Shrunk { scenario, storm, tries, finished, outcome })
}

/// Leaves a shrunk failure in `directory`, and beside it what it was before, if that was longer; equal
/// failures are one file.
///
/// # Errors
/// If the file cannot be written.
pub fn leave<S: System>(directory: &Path, shrunk: &Shrunk<S>) -> std::io::Result<PathBuf> {
    let violation = shrunk.outcome.violation.as_ref();
    let name = violation.map_or("passes".to_owned(), |v| format!("{:?}", v.invariant));
    let steps: Vec<String> = shrunk.scenario.steps.iter().map(ToString::to_string).collect();
    let hash = stable_hash(steps.concat().as_bytes()) as u32;
    let file = directory.join(format!("{name}-{hash:08x}.json"));
    fs::create_dir_all(directory)?;
    fs::write(&file, scenario::write(&shrunk.scenario))?;
    if shrunk.storm.steps.len() > shrunk.scenario.steps.len() {
        fs::write(file.with_extension(STORM), scenario::write(&shrunk.storm))?;
    }
    Ok(file)
}

/// What the failure in the file was before it was shrunk, if that is beside it.
///
/// # Errors
/// If it is no scenario.
pub fn storm_beside<S: System>(
    file: &Path,
) -> Result<Option<Scenario<S>>, scenario::InvalidScenario> {
    let storm = file.with_extension(STORM);
    storm.exists().then(|| scenario::read_file(&storm)).transpose()
}

/// Moves a failure's file from the first directory into the second, with the snapshot of what its actors
/// see; the storm beside it goes, and a file from elsewhere is copied. For a `reason` it is expected to fail from
/// now on as it does.
///
/// # Errors
/// If the file is no scenario, cannot be moved, or would replace another one, or if it is to fail and passes.
pub fn adopt<S: System>(
    file: &Path,
    reason: Option<&str>,
    (left, adopted): (&Path, &Path),
) -> Result<Adopted<S>, NotAdopted> {
    let scenario = scenario::read_file::<S>(file)?;
    let name = file.file_name().ok_or_else(|| NotAdopted::Nameless(file.to_owned()))?;
    let outcome = backend::play(&scenario, Backend::Simulated, Keep::All)?;
    let expect_failure = match (&outcome.violation, reason) {
        (Some(violation), Some(reason)) => {
            let breaks = format!("{:?}", violation.invariant);
            Some(ExpectedFailure { breaks, reason: reason.to_owned() })
        }
        (Some(_), None) => scenario.expect_failure.clone(),
        (None, Some(_)) => return Err(NotAdopted::Passes),
        (None, None) => None,
    };
    let target = adopted.join(name);
    let failed = |error| NotAdopted::File { path: target.clone(), error };
    fs::create_dir_all(adopted).map_err(failed)?;
    let place = |path: &Path| path.canonicalize().ok();
    let origin = if place(&target) == place(file) {
        Origin::Itself
    } else if target.exists() && !scenario::read_file(&target).is_ok_and(|known| known == scenario)
    {
        return Err(NotAdopted::Taken(target));
    } else if place(file).is_some_and(|file| file.parent().map(Path::to_owned) == place(left)) {
        Origin::Moved
    } else {
        Origin::Copied
    };
    let scenario = Scenario { expect_failure, ..scenario };
    fs::write(&target, scenario::write(&scenario)).map_err(failed)?;
    let snapshot = match &outcome.violation {
        Some(_) => None,
        None => {
            let path = target.with_extension("snap");
            let text = snapshot(&scenario, &untimed(&outcome.events));
            fs::write(&path, text)
                .map_err(|error| NotAdopted::File { path: path.clone(), error })?;
            Some(path)
        }
    };
    if origin == Origin::Moved {
        let path = file.to_owned();
        fs::remove_file(file).map_err(|error| NotAdopted::File { path, error })?;
        let storm = file.with_extension(STORM);
        if storm.exists() {
            let gone = fs::remove_file(&storm);
            gone.map_err(|error| NotAdopted::File { path: storm, error })?;
        }
    }
    let reason = scenario.expect_failure.map(|expected| expected.reason);
    Ok(Adopted { file: target, origin, snapshot, reason, violation: outcome.violation })
}

/// As the tests' snapshot library writes it.
fn snapshot<S: System>(scenario: &Scenario<S>, seen: &str) -> String {
    let title = serde_json::to_string(&scenario.title).unwrap_or_default();
    format!("---\nsource: sim/../tests/simulation/scenarios.rs\ndescription: {title}\n---\n{seen}")
}

/// Holds a run against the failure that its scenario expects, if it expects one: on the simulated network it has to
/// fail so, elsewhere nothing else may break. Then the reason why it may.
///
/// # Errors
/// What came of it instead.
pub fn expected<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    outcome: &Outcome<S>,
) -> Option<Result<String, String>> {
    let ExpectedFailure { breaks, reason } = scenario.expect_failure.as_ref()?;
    let broken = outcome.violation.as_ref().map(|violation| format!("{:?}", violation.invariant));
    Some(match broken {
        Some(broken) if broken == *breaks => Ok(reason.clone()),
        Some(broken) => Err(format!("it breaks {broken}, and was expected to break {breaks}")),
        None if backend == Backend::Simulated => {
            Err(format!("it passes, and was expected to break {breaks}: adopt it again"))
        }
        None => Ok(reason.clone()),
    })
}

/// Plays a scenario file whose actors are to see what the snapshot beside it says, if there is one.
///
/// # Errors
/// If the backend cannot play it, with the reason.
pub fn play_file<S: System>(
    file: &Path,
    scenario: &Scenario<S>,
    backend: Backend,
) -> Result<Outcome<S>, Skipped> {
    let snapshot = snapshot_beside(file).filter(|_| !may_differ(scenario, backend));
    backend::play_for(scenario, backend, Keep::All, |outcome| {
        snapshot.as_ref().is_none_or(|snapshot| *snapshot == untimed(&outcome.events))
    })
}

/// Returns whether what is seen may be something else there: races show the same only where time is
/// simulated to the byte.
pub fn may_differ<S: System>(scenario: &Scenario<S>, backend: Backend) -> bool {
    scenario.races.is_some() && backend != Backend::Simulated
}

/// What the snapshot beside a scenario file says, if there is one.
pub fn snapshot_beside(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file.with_extension("snap")).ok()?;
    let (_, seen) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
    Some(seen.to_owned())
}

/// All scenario files in the directory and those below it, in order, but for a corpus below it, and for those of
/// another system: they have a schema of their own.
///
/// # Errors
/// If a directory cannot be read.
pub fn scenarios_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_other = || path.ends_with("corpus") || path.join(scenario::SCHEMA_FILE).exists();
        if path.is_dir() && is_other() {
            continue;
        } else if path.is_dir() {
            files.extend(scenarios_in(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json")
            && !path.ends_with(scenario::SCHEMA_FILE)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
