//! Every file in scenarios/ is played on every backend and judged; what its actors see is the
//! snapshot beside it.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use dst::scenario::is_storm;
use serde_json::Value;
use signal_hub::hub::Config;
use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::history::untimed;
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{Profile, Scenario};
use signal_hub_sim::{failures, report, scenario};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// No file is skipped.
fn transcript(file: &Path, scenario: &Scenario, backend: Backend) -> String {
    let outcome = backend::play(scenario, backend, Keep::All)
        .unwrap_or_else(|skipped| panic!("{} on {backend} is {skipped}", file.display()));
    let replay = format!("cargo sim replay {} --backend {backend:?}", file.display());
    assert!(outcome.violation.is_none(), "{}", report::failure(&outcome, &replay));
    untimed(&outcome.events)
}

/// One that passes, or fails otherwise, is no longer known.
fn fails_as_expected(file: &Path, scenario: &Scenario) {
    for backend in [Backend::Simulated, Backend::Message] {
        let outcome = backend::play(scenario, backend, Keep::All).expect("it can be played");
        let known = failures::expected(scenario, backend, &outcome).expect("it expects a failure");
        let reason = known.unwrap_or_else(|instead| panic!("{}: {instead}", file.display()));
        println!("{} may fail on {backend}: {reason}", file.display());
    }
}

/// A scenario with races shows the same only where time is simulated to the byte.
fn check(file: &Path) {
    let scenario = read(file);
    assert!(!scenario.title.is_empty() && !scenario.why.is_empty(), "{}", file.display());
    if scenario.expect_failure.is_some() {
        return fails_as_expected(file, &scenario);
    }
    for backend in [Backend::Simulated, Backend::Message] {
        let seen = transcript(file, &scenario, backend);
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
    let files = failures::scenarios_in(&folder()).expect("the project has scenarios");
    // Each panic has said its own by then.
    let differ = files.iter().filter(|file| catch_unwind(|| check(file)).is_err());
    assert_eq!(differ.collect::<Vec<_>>(), [""; 0]);
}

/// No more than `cargo sim distill` leaves.
#[test]
fn the_corpus_is_small_and_full_of_storms() {
    let files = corpus();
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).expect("a file").len()).sum();
    assert!((1..=200).contains(&files.len()) && bytes <= 1 << 20, "{}: {bytes}", files.len());
    let others = files.iter().filter(|file| !is_storm(&read(file)));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_corpus_keeps_every_invariant_by_messages() {
    assert_eq!(failing(Backend::Message), [""; 0]);
}

#[test]
fn the_corpus_keeps_every_invariant_on_the_simulated_network() {
    assert_eq!(failing(Backend::Simulated), [""; 0]);
}

fn corpus() -> Vec<PathBuf> {
    failures::scenarios_in(&folder().join("corpus")).expect("the project has a corpus")
}

fn read(file: &Path) -> Scenario {
    scenario::read_file(file).unwrap_or_else(|error| panic!("{error}"))
}

/// Those of the corpus that break something there, or cannot be played; each panic has said its own.
fn failing(backend: Backend) -> Vec<String> {
    let fails = |file: &PathBuf| catch_unwind(|| transcript(file, &read(file), backend)).is_err();
    corpus().into_iter().filter(fails).map(|file| file.display().to_string()).collect()
}

/// This file stays as it is: whoever kept one of this version can play it for ever.
#[test]
fn a_file_of_version_1_is_played_whatever_step_it_has() {
    let text = include_str!("formats/version_1.json");
    let scenario = scenario::read(text).unwrap_or_else(|error| panic!("{error}"));
    let known = text.lines().filter_map(|line| line.split_once("\"do\": \"")?.1.split('"').next());
    let known: BTreeSet<&str> = known.collect();
    let words = words();
    assert!(known.is_subset(&words.iter().map(String::as_str).collect()), "a step is gone");
    for word in words.iter().filter(|word| !known.contains(word.as_str())) {
        assert!(
            LATER.contains(&word.as_str()),
            "{word} is no step of version_1.json, nor one that came later"
        );
    }
    for backend in [Backend::Simulated, Backend::Message] {
        let outcome = backend::play(&scenario, backend, Keep::All).expect("it can be played");
        assert!(outcome.violation.is_none(), "{}", report::failure(&outcome, "version_1.json"));
    }
}

/// Steps that came after 2026-11-25, each with a file of its own that shows it.
const LATER: [&str; 3] = ["disk_fails", "disk_full", "recover"];

/// What a step can do.
fn words() -> BTreeSet<String> {
    let schema = serde_json::from_str(&scenario::schema()).expect("the schema is JSON");
    let mut words = BTreeSet::new();
    collect_words(&schema, &mut words);
    words
}

fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    if let Some(word) = schema.pointer("/properties/do/const").and_then(Value::as_str) {
        words.insert(word.to_owned());
    }
    match schema {
        Value::Object(fields) => fields.values().for_each(|field| collect_words(field, words)),
        Value::Array(items) => items.iter().for_each(|item| collect_words(item, words)),
        _ => {}
    }
}

/// What no storm does: it expects nothing in particular, and its hub comes back.
const IN_NO_STORM: [&str; 5] = ["closed_with", "refused", "sees", "sees_no", "shutdown"];

#[test]
fn every_other_kind_of_step_comes_up_in_storms() {
    let steps = (0..200).flat_map(|seed| scenario::generate(Profile::Swarm, seed).steps);
    let mut missing = words();
    for step in steps {
        let step = serde_json::to_value(&step).expect("a step is JSON");
        missing.remove(step["do"].as_str().expect("a step does something"));
    }
    assert!(missing.iter().eq(IN_NO_STORM), "{missing:?}");
}

#[test]
fn programs_write_every_setting_of_the_hub() {
    let text = scenario::write(&Scenario::default());
    for (setting, _) in serde_json::to_value(Config::default()).unwrap().as_object().unwrap() {
        assert!(text.contains(&format!("\"{setting}\": ")), "{setting} is left to a default");
    }
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
