//! Pages of runs, left in the build folder for tests/browser: one that passed, one that failed, one
//! with many events.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dst::explain::Explanation;
use signal_hub::hub::{Input, Output, Record};
use signal_hub::protocol::{ClientFrame, Json, Verb};
use signal_hub_sim::backend::{self, Backend, Outcome};
use signal_hub_sim::history::{ClientEvent, ClientKind, Event, What};
use signal_hub_sim::invariants::{Judge, Violation};
use signal_hub_sim::report;
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{self, Profile, Scenario, Step, When};

/// What a page must show as text and never obey.
const HOSTILE: &str = "</script><img src=x onerror=\"document.title='owned'\"><!--<script>";

fn write(name: &str, page: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&folder).expect("the build folder can be written");
    std::fs::write(folder.join(name), page).expect("the build folder can be written");
}

fn data_of(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once(r#"id="data">"#).expect("a page has data");
    let (data, _) = rest.split_once("</script>").expect("the data ends");
    serde_json::from_str(data).expect("the data is JSON")
}

/// The events at which something arrives.
fn arrivals(data: &serde_json::Value) -> impl Iterator<Item = u64> {
    let arrows = data["arrows"].as_array().expect("arrows").iter();
    arrows.filter_map(|arrow| arrow["to"].as_u64())
}

/// The run up to the first takeover that would have forgotten the topics of the address, as the
/// judge sees it.
fn takeover_that_forgets(scenario: &Scenario, outcome: Outcome) -> Option<Outcome> {
    let mut judge = Judge::new(&scenario.hub);
    let mut events: Vec<Event> = Vec::new();
    for mut event in outcome.events.iter().cloned() {
        forget_topics(&mut event);
        let verdict = judge.observe(&event);
        events.push(event);
        if let Err(violation) = verdict {
            let event_count = events.len() as u64;
            let violation = Some(violation);
            return Some(Outcome { violation, events, event_count, ..outcome });
        }
    }
    None
}

fn play(scenario: &Scenario) -> Outcome {
    backend::play(scenario, Backend::Simulated, Keep::All).expect("a storm can be played")
}

fn forget_topics(event: &mut Event) {
    let What::Hub(hub) = &mut event.what else { return };
    let is_takeover = |output: &Output| {
        matches!(output, Output::Audit(Record::DuplicateConnectionDetected { .. }))
    };
    if hub.outputs.iter().any(is_takeover) {
        hub.touched.addresses.values_mut().flatten().for_each(|row| row.topics.clear());
    }
}

fn a_failure() -> (Scenario, Outcome) {
    let play = |seed| {
        let scenario = scenario::generate(Profile::Storm, seed);
        let outcome = takeover_that_forgets(&scenario, play(&scenario))?;
        let is_long = outcome.events.len() > 1_000;
        (is_long && by_a_second_client(&outcome.events)).then_some((scenario, outcome))
    };
    (0..50).find_map(play).expect("some storm has a takeover of an address with topics")
}

/// Returns whether the register request at the end comes from a client that began after another one.
fn by_a_second_client(events: &[Event]) -> bool {
    let Some(What::Hub(last)) = events.last().map(|event| &event.what) else { return false };
    let Input::Frame(_, Ok(ClientFrame::Request(taking))) = &last.input else { return false };
    events.iter().any(|event| match &event.what {
        What::Client { client, event: ClientEvent::Sent(frame) } => {
            let is_it = matches!(frame, ClientFrame::Request(said) if said.id == taking.id);
            is_it && client.kind == ClientKind::Client && client.number > 1
        }
        _ => false,
    })
}

/// Has the last message of a client carry the hostile text.
fn say_something_hostile(events: &mut [Event]) {
    let sends = events.iter_mut().rev().find_map(|event| match &mut event.what {
        What::Client { event: ClientEvent::Sent(frame), .. } => match frame {
            ClientFrame::Request(request) => match &mut Arc::make_mut(request).verb {
                Ok(Verb::Send(send)) => Some(&mut send.data),
                Ok(_) | Err(_) => None,
            },
            ClientFrame::Ping => None,
        },
        _ => None,
    });
    *sends.expect("a storm has messages") = Json::from(serde_json::json!(HOSTILE));
}

#[test]
fn a_page_of_a_run_that_passed_tells_every_event() {
    let scenario = scenario::generate(Profile::Storm, 7);
    let outcome = play(&scenario);
    let page = report::html(&scenario, "cargo sim run --seed 7 --trace", &outcome, None);
    let data = data_of(&page);
    assert_eq!(data["events"].as_array().map(Vec::len), Some(outcome.events.len()));
    assert!(data["violation"].is_null());
    let came_before = |(event, number): (&serde_json::Value, u64)| {
        let causes = event["causes"].as_array().expect("causes").iter();
        causes.filter_map(serde_json::Value::as_u64).all(|cause| cause < number)
    };
    assert!(data["events"].as_array().expect("events").iter().zip(0..).all(came_before));
    let arrived: BTreeSet<u64> = arrivals(&data).collect();
    let events = data["events"].as_array().expect("events").iter().zip(0_u64..);
    for (event, number) in events.filter(|(event, _)| event["kind"] == "hub") {
        let comes_with_a_frame = !event["types"][0].as_str().is_some_and(|t| t.starts_with('('));
        let is_told = arrived.contains(&number) || event["envelope"].is_string();
        assert!(is_told || !comes_with_a_frame, "{event}");
    }
    write("passed.html", &page);
}

#[test]
fn a_page_of_a_failure_names_the_invariant_and_survives_hostile_data() {
    let (scenario, mut outcome) = a_failure();
    let plain = report::html(
        &scenario,
        &report::replay_command(Profile::Storm, Backend::Simulated, outcome.seed),
        &outcome,
        None,
    );
    let data = data_of(&plain);
    assert_eq!(data["violation"]["invariant"], "I14 subscriptions survive reconnection");
    assert_eq!(data["violation"]["event"], outcome.events.len() - 1);
    // What leaves the hub at the very end has no time to arrive.
    let last = data["arrows"].as_array().and_then(|arrows| arrows.last()).expect("an arrow");
    assert_eq!((&last["to"], &last["lost"]), (&serde_json::Value::Null, &false.into()));
    write("failed.html", &plain);

    say_something_hostile(&mut outcome.events);
    let violation = outcome.violation.clone().expect("it failed");
    let evidence = format!("{} {HOSTILE}", violation.evidence);
    outcome.violation = Some(Violation::new(violation.invariant, evidence));
    let scenario = Scenario { title: format!("A title {HOSTILE}"), ..scenario };
    let page = report::html(&scenario, "cargo sim replay </script>", &outcome, Some(HOSTILE));
    assert_eq!(page.matches("</script>").count(), plain.matches("</script>").count());
    let said = data_of(&page);
    let events = said["events"].as_array().expect("events").iter();
    let hostile = events.filter_map(|event| event["envelope"].as_str()).filter(|frame| {
        let envelope: serde_json::Value = serde_json::from_str(frame).expect("a frame");
        envelope["payload"]["data"] == HOSTILE
    });
    assert_eq!(hostile.count(), 1);
    write("hostile.html", &page);
}

/// Bob waits for what nobody sends, while others go on.
fn a_wait_in_vain() -> (Scenario, Outcome) {
    let text = r#"{
  "version": 1,
  "title": "Bob waits for news that nobody sends",
  "actors": ["alice", "bob"],
  "steps": [
    { "who": "bob", "do": "subscribe", "topic": "chess" },
    { "who": "bob", "do": "sees", "type": "note", "within": "20s" }
  ]
}"#;
    let scenario = scenario::read(text).expect("a scenario");
    let outcome = play(&scenario);
    (scenario, outcome)
}

#[test]
fn a_wait_in_vain_is_told_from_where_it_began() {
    let (scenario, outcome) = a_wait_in_vain();
    let other = backend::play(&scenario, Backend::Message, Keep::All).expect("it can be played");
    let why = Explanation::of(&scenario, None, Backend::Simulated, outcome.clone());
    let why = report::explanation(&scenario, &why);
    let page = report::html(&scenario, "cargo sim replay waits.json", &outcome, Some(&why));
    write("waits.html", &page);
    let data = data_of(&page);
    let (events, broken) = (data["events"].as_array().expect("events"), &data["violation"]);
    let began = broken["event"].as_u64().expect("an event") as usize;
    assert!(began + 1 < events.len(), "others go on");
    let simple = report::html(&scenario, "cargo sim replay other.json", &other, None);
    write("pair.html", &report::html_of_two(&page, &simple));
    assert!(events[began]["text"].as_str().is_some_and(|text| text.contains("note")));
    assert_eq!(broken["wait"]["from"], events[began]["at"]);
    let lasts = broken["wait"]["until"].as_u64().zip(events[began]["at"].as_u64());
    assert_eq!(lasts.map(|(until, from)| until - from), Some(20_000_000));

    let text = report::failure(&outcome, "cargo sim replay waits.json");
    let marked: Vec<&str> = text.lines().filter(|line| line.starts_with('✗')).collect();
    assert_eq!(marked.len(), 1, "{text}");
    assert!(marked[0].contains("● bob: sees type note within 20s"), "{text}");
    assert!(text.contains("\nwhen     waited in vain for 20s from "), "{text}");
    assert!(text.contains("\npage     cargo sim show waits.json\n"), "{text}");
}

#[test]
fn the_story_of_a_failure_is_a_picture_that_fits_a_screen() {
    let (_, outcome) = a_failure();
    let text = report::failure(&outcome, "cargo sim");
    let (_, story) = text.split_once("story ").expect("a failure has its story");
    let lines: Vec<&str> = story.lines().collect();
    assert!((8..=42).contains(&lines.len()), "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 140), "{text}");
    for drawn in ["▶", "◀", "│", "hub:register", "hub:subscribe", "#2", " goes from s"] {
        assert!(story.contains(drawn), "{drawn} is missing:\n{text}");
    }
    let broken = lines.iter().filter(|line| line.starts_with('✗'));
    assert_eq!(broken.count(), 1, "{text}");
    let below = lines.iter().skip_while(|line| !line.starts_with('✗'));
    let changed = below.map(|line| line.trim()).filter(|line| line.starts_with("@("));
    let [changed] = changed.collect::<Vec<_>>()[..] else { panic!("one row changes:\n{text}") };
    assert!(changed.contains(": owner s") && changed.ends_with("} -> {}"), "{changed}");
    write("failed.txt", &text);
}

#[test]
fn a_page_can_hold_twenty_thousand_events() {
    let storm = scenario::generate(Profile::Storm, 3);
    let times = 9;
    let again = |round: u64| {
        let later = move |when| match when {
            When::At(at) => When::At(at + Duration::from_secs(60 * round)),
            When::After(_) | When::Then => when,
        };
        storm.steps.iter().cloned().map(move |step| Step { when: later(step.when), ..step })
    };
    let steps: Vec<Step> = (0..times).flat_map(again).collect();
    let long = Scenario { title: "A long storm".to_owned(), steps, ..storm.clone() };
    let outcome = play(&long);
    assert!(outcome.violation.is_none(), "{}", report::failure(&outcome, "cargo sim"));
    assert!(outcome.events.len() > 20_000, "{} events", outcome.events.len());
    write("long.html", &report::html(&long, "cargo sim replay long.json", &outcome, None));
}
