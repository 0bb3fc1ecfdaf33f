use std::path::Path;

use dst::System;
use dst::backend::{self, Backend};
use dst::campaign::{self, Plan, Watcher};
use dst::failures;
use dst::history::untimed;
use dst::run::Keep;

use dst::scenario;
use dst::seeds::Seeds;

use super::*;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/nodes")
}

#[test]
fn storms_of_several_nodes_break_nothing() {
    let asked = |name: &str| std::env::var(name).ok();
    let Seeds(seeds) = Seeds::from_environment(asked, 0..500).expect("seeds");
    let plan = Plan::<Nodes>::of(Profile::Cluster, Backend::Message, seeds.clone());
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let broken = findings.failures.iter().map(|(seed, failure)| (seed, &failure.violation));
    assert_eq!(broken.collect::<Vec<_>>(), []);
    if seeds.end - seeds.start >= 500 {
        let missing =
            findings.sightings.missing(&Nodes::required(Profile::Cluster, Backend::Message));
        assert_eq!(missing, [], "in {:#?}", findings.sightings);
    }
}

#[test]
fn storms_on_the_servers_break_nothing() {
    let plan = Plan::<Nodes>::of(Profile::Cluster, Backend::Simulated, 0..60);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let broken = findings.failures.iter().map(|(seed, failure)| (seed, &failure.violation));
    assert_eq!(broken.collect::<Vec<_>>(), []);
}

#[test]
fn every_scenario_shows_what_it_did_and_keeps_every_invariant() {
    let files = failures::scenarios_in(&folder()).expect("there are scenarios of several hubs");
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let played: Scenario = scenario::read_file(&file).unwrap_or_else(|error| panic!("{error}"));
        assert!(!played.title.is_empty() && !played.why.is_empty(), "{}", file.display());
        for backend in [Backend::Simulated, Backend::Message] {
            let outcome = backend::play(&played, backend, Keep::All).expect("it is played");
            assert_eq!(outcome.violation, None, "{} on {backend}", file.display());
            if failures::may_differ(&played, backend) {
                continue;
            }
            let name = file.file_stem().expect("a file has a name").to_string_lossy();
            insta::with_settings!({
                snapshot_path => file.parent().expect("a file is in a folder"),
                prepend_module_to_snapshot => false,
                snapshot_suffix => "",
                omit_expression => true,
                description => played.title.clone(),
            }, {
                insta::assert_snapshot!(name.as_ref(), untimed(&outcome.events), &backend.to_string());
            });
        }
    }
}

#[test]
fn the_published_schema_is_that_of_the_format() {
    let file = folder().join(scenario::SCHEMA_FILE);
    if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        std::fs::write(&file, scenario::schema::<Nodes>()).expect("it can be written");
    }
    let published = std::fs::read_to_string(&file).expect("it is published");
    assert!(published == scenario::schema::<Nodes>(), "SIGNAL_HUB_UPDATE=1 writes it anew");
}

#[test]
fn what_cannot_be_played_is_told_with_its_line() {
    let file = |actors: &str, step: &str| {
        let text = format!(
            "{{\n\"version\": 1,\n\"hubs\": 2,\n\"actors\": {actors},\n\"steps\": [\n{{ \"at\": \"0s\", {step} }}\n]\n}}"
        );
        scenario::read::<Nodes>(&text).expect_err("it is wrong").to_string()
    };
    let two = r#"["a0", "a1"]"#;
    insta::assert_snapshot!(
        [
            file(two, r#""who": "a0", "do": "connect", "hub": "n2""#),
            file(two, r#""who": "a0", "do": "register", "connection": 3"#),
            file(two, r#""who": "a0", "do": "send", "to": "a2""#),
            file(two, r#""who": "a0", "do": "end_watch""#),
            file(two, r#""who": "n0", "do": "register""#),
            file(two, r#""who": "engine", "do": "lose_answer""#),
            file(two, r#""who": "n5", "do": "end_watch""#),
            file(two, r#""who": "hub", "do": "shutdown""#),
            file(
                two,
                r#""who": "network", "do": "stall", "from": "a0", "to": "hub", "lasts": "1s""#
            ),
            file(two, r#""who": "a0", "do": "sees", "type": "n""#),
            file(r#"["alice"]"#, r#""who": "alice", "do": "register""#),
        ]
        .join("\n")
    );
}

#[test]
fn a_storm_is_the_same_every_time_and_as_a_file() {
    let storm = Nodes::generate(Profile::Cluster, 7);
    let read = scenario::read::<Nodes>(&scenario::write(&storm)).expect("what is written");
    assert_eq!(read, storm);
    for backend in [Backend::Message, Backend::Simulated] {
        let play = || backend::play(&read, backend, Keep::All).expect("it is played");
        let [one, other] = [play(), play()];
        assert_eq!(one.violation, None);
        assert_eq!(Nodes::transcript(&one.events), Nodes::transcript(&other.events));
    }
}
