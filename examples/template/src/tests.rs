//! The server under storms, its bug found, and every scenario file on both networks.

use std::path::Path;

use dst::backend::{self, Backend};
use dst::campaign::{self, Plan, Watcher};
use dst::run::Keep;
use dst::runtime::{Listener, Runtime, Tokio};
use dst::{System, failures, report, scenario};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server;
use crate::simulated::{Echo, Invariant, Profile};

#[test]
fn a_sound_server_passes_and_all_comes_up() {
    let plan = Plan::<Echo>::of(Profile::Sound, Backend::Simulated, 0..50);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let told = findings.failures.values().next().map(|one| report::failure(&one.outcome, ""));
    assert_eq!((findings.runs, told), (50, None));
    assert!(findings.missing(&plan).is_empty());
}

#[test]
fn the_bug_is_found_and_made_small() {
    let plan = Plan::<Echo>::of(Profile::Careless, Backend::Simulated, 0..50);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let (seed, failure) = findings.failures.first_key_value().expect("it is found");
    assert_eq!(failure.violation.invariant, Invariant::EveryLineComesBack);
    let storm = Echo::generate(Profile::Careless, *seed);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    // Something that lets two lines come in one read, a third that shows what is missing, and a wait.
    assert!(shrunk.scenario.steps.len() <= 5, "{}", scenario::write(&shrunk.scenario));
}

#[test]
fn every_scenario_file_passes_on_both_networks() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let found = scenarios.join("found");
    let files = [scenarios, found].into_iter().flat_map(std::fs::read_dir).flatten().flatten();
    let files = files.map(|entry| entry.path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let scenario = scenario::read_file::<Echo>(&path).expect("it is a scenario");
        for backend in [Backend::Simulated, Backend::Real] {
            let outcome = backend::play(&scenario, backend, Keep::All).expect("it is played");
            let told = report::verdict(&outcome, "cargo run -- replay FILE");
            let known = failures::expected(&scenario, backend, &outcome).map(|known| known.is_ok());
            let is_right = known.unwrap_or(outcome.violation.is_none());
            assert!(is_right, "{} on {backend}: {told}", path.display());
        }
    }
}

#[test]
fn the_same_server_serves_real_sockets() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("tokio starts").block_on(async {
        let listener = Tokio.listen(([127, 0, 0, 1], 0).into()).await.expect("a port is free");
        let authority = listener.local_address().expect("it is known").to_string();
        Tokio.spawn(server::serve(Tokio, listener, server::Settings::default(), |_| {}));
        let mut stream = Tokio.connect(&authority).await.expect("it listens");
        stream.write_all(b"hello\n").await.expect("it reads");
        let mut echoed = [0; 6];
        stream.read_exact(&mut echoed).await.expect("it answers");
        assert_eq!(&echoed, b"hello\n");
    });
}
