//! Every file in scenarios/ passes over real sockets, in real time.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use signal_hub_sim::backend::Backend;
use signal_hub_sim::history::untimed;
use signal_hub_sim::{failures, report, scenario};

/// Runs mostly wait, so there may be more of them than cores.
const AT_ONCE: usize = 16;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    failures::scenarios_in(&folder).expect("the project has scenarios")
}

/// What is wrong with the run of this file, if anything is.
fn failure(file: &Path) -> Option<String> {
    let scenario = scenario::read_file(file).unwrap_or_else(|error| panic!("{error}"));
    let name = file.display();
    let outcome = match failures::play_file(file, &scenario, Backend::Real) {
        Ok(outcome) => outcome,
        Err(skipped) => return Some(format!("{name} is {skipped}")),
    };
    if let Some(tries) = report::earlier_tries(&outcome.standstills) {
        eprintln!("{name}: {tries}");
    }
    if outcome.violation.is_some() {
        let replay = format!("cargo sim replay {name} --backend real");
        return Some(format!("{name}\n{}", report::failure(&outcome, &replay)));
    }
    let Some(expected) = failures::snapshot_beside(file) else {
        return Some(format!("{name} has no snapshot"));
    };
    let seen = untimed(&outcome.events);
    let differs = seen != expected && !failures::may_differ(&scenario, Backend::Real);
    differs.then(|| format!("{name} shows on real sockets:\n{seen}\nand not:\n{expected}"))
}

#[test]
fn every_scenario_passes_on_real_sockets() {
    let left = Mutex::new(files());
    assert!(!left.lock().unwrap().is_empty());
    let failures = Mutex::new(Vec::new());
    let next = || left.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(file) = next() {
                    let failed = failure(&file);
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
