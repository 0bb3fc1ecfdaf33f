//! A hub that nobody here wrote: what it takes to put it under test is in examples/template.

mod mute;
mod pasted;
mod patient;
#[path = "../../../../examples/template/src/server.rs"]
mod server;
#[path = "../../../../examples/template/src/simulated.rs"]
mod simulated;

use std::path::Path;

use dst::backend::{self, Backend};
use dst::campaign::{self, Plan, Watcher};
use dst::history::Milestone;
use dst::run::Keep;
use dst::scenario::{Actor, Ending, Scenario, Step};
use dst::{System, commands, explain, failures, report, scenario};

use mute::Mute;
use patient::Patient;
use simulated::{Echo, Invariant, Profile};

const COMMAND: &str = "echo-sim";

/// What was told is what the file says, which `SIGNAL_HUB_UPDATE=1` writes.
fn assert_kept(told: &str, file: &str) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/echo").join(file);
    if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        std::fs::write(&kept, told).expect("the sources can be written");
    }
    assert_eq!(told, std::fs::read_to_string(kept).expect("it is there"), "{file}");
}

#[test]
fn a_sound_server_passes_a_campaign_in_which_all_comes_up() {
    let plan = Plan::<Echo>::of(Profile::Sound, Backend::Simulated, 0..20);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    assert_eq!((findings.runs, findings.failures.len()), (20, 0));
    assert!(findings.missing(&plan).is_empty());
}

#[test]
fn a_bug_is_found_shrunk_to_what_it_takes_and_told() {
    let plan = Plan::<Echo>::of(Profile::Careless, Backend::Simulated, 0..1);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let failure = findings.failures.get(&0).expect("it fails");
    assert_eq!(failure.violation.invariant, Invariant::EveryLineComesBack);
    let storm = Echo::generate(Profile::Careless, 0);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    let steps: Vec<String> = shrunk.scenario.steps.iter().map(Step::in_short).collect();
    // Two lines come in one read, a third shows what is missing, and the last step waits for it.
    assert_eq!(
        steps,
        [
            "network: stall from bob lasts 3s 731ms to hub",
            "bob: say text line 9",
            "bob: say text line 7",
            "bob: say text line 15",
            "network: heal"
        ]
    );
    let story = report::failure(&shrunk.outcome, "echo-sim replay FILE");
    assert_kept(&story, "story.txt");
    let page = Echo::page(&shrunk.scenario, "echo-sim replay FILE", &shrunk.outcome, None);
    assert!(page.contains("bob#1     says line 7"), "{page}");
    let drawn = ["class=\"arrow\"", "class=\"all\"", "class=\"broken\""];
    assert_eq!(drawn.map(|class| page.matches(class).count()), [4, 1, 1], "{page}");
    assert_eq!(
        scenario::read::<Echo>(&scenario::write(&shrunk.scenario)).expect("a file"),
        shrunk.scenario
    );
}

#[test]
fn a_failure_is_explained_by_when_what_and_why() {
    let storm = Echo::generate(Profile::Careless, 0);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    let explain = || {
        let (scenario, storm) = (&shrunk.scenario, Some(&shrunk.storm));
        let explained = explain::explain(scenario, storm, &[Backend::Simulated]);
        let explained = explained.expect("simulated plays it").expect("it fails");
        report::explanation(scenario, &explained)
    };
    let text = explain();
    assert_eq!(text, explain());
    assert_kept(&text, "explained.txt");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explained");
    let file = failures::leave(&folder, &shrunk).expect("the build folder can be written");
    assert_eq!(failures::storm_beside(&file).expect("a scenario"), Some(storm));
}

#[test]
fn the_same_server_is_played_on_real_sockets() {
    let text = r#"{
      "version": 1,
      "hub": { "first_line_only": true },
      "actors": ["alice"],
      "steps": [
        { "who": "alice", "do": "say", "text": "0" },
        { "who": "alice", "do": "sees", "type": "0" },
        { "who": "network", "do": "stall", "from": "alice", "to": "hub", "lasts": "500ms" },
        { "who": "alice", "do": "say", "text": "1" },
        { "who": "alice", "do": "say", "text": "2" },
        { "who": "alice", "do": "sees", "type": "1" },
        { "who": "alice", "do": "say", "text": "3" },
        { "who": "alice", "do": "sees", "type": "3" }
      ]
    }"#;
    let scenario = scenario::read::<Echo>(text).expect("it is a scenario");
    for backend in [Backend::Simulated, Backend::Real] {
        let outcome = backend::play(&scenario, backend, Keep::All).expect("it is played");
        let violation = outcome.violation.expect("the bug is there");
        assert_eq!(violation.invariant, Invariant::EveryLineComesBack, "{backend}");
    }
    let skipped = backend::play(&scenario, Backend::Message, Keep::All).map(|_| ());
    assert_eq!(skipped.expect_err("nobody wrote one").reason, "echo has no model by messages");
}

#[test]
fn whoever_leaves_is_gone_and_another_client_comes() {
    let text = r#"{
      "version": 1,
      "actors": ["alice"],
      "steps": [
        { "who": "alice", "do": "say", "text": "bye" },
        { "who": "alice", "do": "sees", "type": "bye" },
        { "who": "alice", "do": "leave", "pause": "1s" },
        { "who": "alice", "do": "say", "text": "back" },
        { "who": "alice", "do": "sees", "type": "back" }
      ]
    }"#;
    let scenario = scenario::read::<Echo>(text).expect("it is a scenario");
    let outcome = backend::play(&scenario, Backend::Simulated, Keep::All).expect("it is played");
    assert!(outcome.violation.is_none(), "{}", report::verdict(&outcome, ""));
    let lanes = Echo::untimed_lanes(&outcome.events, Milestone::Heal);
    let lanes: String = lanes.iter().map(|(name, lane)| format!("{name}\n{lane}")).collect();
    assert_eq!(
        lanes,
        "alice#1\n  connects\n  says bye\n  hears bye\n  loses its connection\n\
         alice#2\n  connects\n  says back\n  hears back\n"
    );
}

#[test]
fn a_message_is_an_arrow_to_the_server_and_one_back() {
    let scenario = Echo::generate(Profile::Sound, 0);
    let outcome = backend::play(&scenario, Backend::Simulated, Keep::All).expect("it is played");
    let told = |place: usize| outcome.events[place].what.to_string();
    let messages = Echo::messages(&outcome.events);
    let arrows = messages[..2].iter().map(|(from, to)| (told(*from), told(*to)));
    let arrows: Vec<_> = arrows.collect();
    let [said, got, heard] =
        ["bob#1     says line 29", "hub       got line 29", "bob#1     hears line 29"]
            .map(str::to_owned);
    assert_eq!(arrows, [(said, got.clone()), (got, heard)]);
}

#[test]
fn a_service_has_no_raw_connections() {
    let text = r#"{ "version": 1, "actors": [{ "name": "alice", "kind": "raw" }], "steps": [] }"#;
    let refused = scenario::read::<Echo>(text).expect_err("nobody would play it").to_string();
    assert!(refused.contains("`actors`: alice: echo has no raw connections"), "{refused}");
    let text = r#"{ "version": 1, "actors": ["alice"], "steps": [
        { "who": "alice/1", "do": "say", "text": "hello" }
    ] }"#;
    let refused = scenario::read::<Echo>(text).expect_err("nobody would do it").to_string();
    assert!(refused.contains("alice/1: echo has no raw connections"), "{refused}");
}

#[test]
fn a_client_has_the_worlds_time_and_keeps_what_it_knows_from_one_connection_to_the_next() {
    let text = r#"{ "version": 1, "actors": ["alice"], "steps": [
        { "at": "2500ms", "who": "network", "do": "heal" }
    ], "ending": "stop" }"#;
    let scenario = scenario::read::<Patient>(text).expect("it is a scenario");
    for backend in [Backend::Simulated, Backend::Real] {
        let outcome = backend::play(&scenario, backend, Keep::All).expect("it is played");
        assert!(outcome.violation.is_none(), "{}", report::verdict(&outcome, ""));
        let lanes = Patient::untimed_lanes(&outcome.events, Milestone::Heal);
        let lane: String = lanes.into_values().collect();
        let connection =
            |number| format!("  connects\n  gives up {number}\n  loses its connection\n");
        assert_eq!(lane, connection(1) + &connection(2) + "  connects\n", "{backend}");
    }
}

#[test]
fn a_command_names_a_profile_as_the_command_line_has_it() {
    let replay = report::replay_command::<Patient>(Default::default(), Backend::Simulated, 7);
    assert_eq!(replay, "patient run --profile all-silent --seed 7 --trace");
}

#[test]
fn a_scenario_becomes_a_test_that_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../../examples/template/scenarios/a_line_comes_back.json");
    let text = commands::rust_test::<Echo>(&file).expect("it is a scenario");
    // How the file is called depends on where this is built.
    let text = text.replace(&file.display().to_string(), "FILE");
    assert_kept(&text, "pasted.rs");
}

#[test]
fn nobody_waits_for_probes_that_nobody_sends() {
    let actors = vec![Actor::client("alice")];
    let scenario = Scenario::<Mute> { actors, ending: Ending::Calm, ..Scenario::default() };
    let outcome = backend::play(&scenario, Backend::Simulated, Keep::All).expect("it is played");
    assert!(outcome.violation.is_none(), "{}", report::verdict(&outcome, ""));
}

#[test]
fn an_action_cannot_have_a_word_of_the_engine() {
    let said = "the action `pause` is a word of the engine's own: give it another name";
    let read = scenario::read::<Mute>(r#"{ "version": 1, "actors": [], "steps": [] }"#);
    assert_eq!(read.expect_err("it is refused").to_string(), format!("1: {said}"));
    let done = commands::Commands::<Mute>::Schema { markdown: false }.run();
    assert_eq!(done.expect_err("it is refused").to_string(), said);
}
