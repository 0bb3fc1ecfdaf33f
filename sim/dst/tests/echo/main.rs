//! A hub that nobody here wrote: what it takes to put it under test is in this folder.

mod deploy;
mod system;

use std::path::Path;

use dst::backend::{self, Backend};
use dst::campaign::{self, Plan, Watcher};
use dst::run::Keep;
use dst::scenario::Step;
use dst::{System, explain, failures, report, scenario};

use system::{Echo, Invariant, Profile};

#[test]
fn a_sound_server_passes_a_campaign_in_which_all_comes_up() {
    let plan = Plan::<Echo>::of(Profile::Sound, Backend::Simulated, 0..20);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    assert_eq!((findings.runs, findings.failures.len()), (20, 0));
    assert!(findings.missing(&plan).is_empty());
}

#[test]
fn a_bug_is_found_shrunk_to_what_it_takes_and_told() {
    let plan = Plan::<Echo>::of(Profile::Forgetful, Backend::Simulated, 0..1);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let failure = findings.failures.get(&0).expect("it fails");
    assert_eq!(failure.violation.invariant, Invariant::EveryLineComesBack);
    let storm = Echo::generate(Profile::Forgetful, 0);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    let steps: Vec<String> = shrunk.scenario.steps.iter().map(Step::in_short).collect();
    // The last one waits until the answer is there.
    assert_eq!(steps, ["alice: say text line 3", "alice: say text line 4", "network: heal"]);
    let story = report::failure(&shrunk.outcome, "echo-sim replay FILE");
    assert!(story.contains("alice#1 heard line 4, not Some(\"line 3\")"), "{story}");
    assert!(story.ends_with("alice#1   hears line 4\n"), "{story}");
    let page = Echo::page(&shrunk.scenario, "echo-sim replay FILE", &shrunk.outcome, None);
    assert!(page.contains("alice#1   says line 3") && page.ends_with("</pre>\n"), "{page}");
    assert_eq!(
        scenario::read::<Echo>(&scenario::write(&shrunk.scenario)).expect("a file"),
        shrunk.scenario
    );
}

#[test]
fn a_failure_is_explained_by_when_what_and_why() {
    let storm = Echo::generate(Profile::Forgetful, 0);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    let explain = || {
        let (scenario, storm) = (&shrunk.scenario, Some(&shrunk.storm));
        let explained = explain::explain(scenario, storm, &[Backend::Simulated]);
        let explained = explained.expect("simulated plays it").expect("it fails");
        report::explanation(scenario, &explained)
    };
    let text = explain();
    assert_eq!(text, explain());
    assert_eq!(text, include_str!("explained.txt"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explained");
    let file = failures::leave(&folder, &shrunk).expect("the build folder can be written");
    assert_eq!(failures::storm_beside(&file).expect("a scenario"), Some(storm));
}

#[test]
fn the_same_server_is_played_on_real_sockets() {
    let scenario = Echo::generate(Profile::Forgetful, 1);
    let outcome = backend::play(&scenario, Backend::Real, Keep::All).expect("real plays it");
    let violation = outcome.violation.expect("the bug is there, too");
    assert_eq!(violation.invariant, Invariant::EveryLineComesBack);
    let skipped = backend::play(&scenario, Backend::Message, Keep::All).map(|_| ());
    assert_eq!(skipped.expect_err("nobody wrote one").reason, "echo has no model by messages");
}
