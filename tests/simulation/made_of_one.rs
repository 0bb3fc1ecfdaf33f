//! What the program makes of one scenario: why it fails, a test, a trace.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::program::{SCENARIO, folder, simulator, text};

const WRONG: &str = r#"{
  "version": 1,
  "actors": ["alice", { "name": "bob", "kind": "raw" }],
  "steps": [
    { "who": "bob/1", "do": "connect" },
    { "who": "bob/1", "do": "register" },
    { "who": "alice", "do": "subscribe", "topic": "chess" },
    { "at": "1s", "who": "alice", "do": "tell", "to": "bob" },
    { "who": "bob/1", "do": "sees_no", "type": "note", "for": "1s" }
  ]
}"#;

/// What `explain` says of a scenario, and how it ends.
fn explain(folder: &Path, scenario: &str) -> (String, Option<i32>) {
    fs::write(folder.join("file.json"), scenario).expect("the build folder can be written");
    let mut command = simulator(&["explain", "file.json"]);
    let output = command.current_dir(folder).output().expect("the simulator runs");
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

#[test]
fn a_failure_is_explained_the_same_every_time() {
    let folder = folder("explained");
    let explained = explain(&folder, WRONG);
    assert_eq!(explained, explain(&folder, WRONG));
    assert_eq!(explained, (include_str!("explained.txt").to_owned(), Some(2)));
    let passes = WRONG.replace("sees_no", "sees").replace(r#", "for": "1s""#, "");
    let waits = passes.replace(r#""type": "note""#, r#""type": "hub:pause""#);
    let waited = include_str!("explained_wait.txt").to_owned();
    assert_eq!(explain(&folder, &waits), (waited, Some(2)));
    let nothing =
        "passed on message and simulated and message,simulated: there is nothing to explain\n";
    assert_eq!(explain(&folder, &passes), (nothing.to_owned(), Some(0)));
    let (told, code) = explain(&folder, &WRONG.replace("subscribe", "subscibe"));
    assert!(told.starts_with("error: file.json:7: step 3: "), "{told}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_failure_is_explained_to_programs() {
    let folder = folder("explained_json");
    let explained = |scenario: &str| -> (Value, Option<i32>) {
        fs::write(folder.join("file.json"), scenario).expect("the build folder can be written");
        let mut command = simulator(&["explain", "file.json", "--format", "json"]);
        let output = command.current_dir(&folder).output().expect("the simulator runs");
        (serde_json::from_slice(&output.stdout).expect("it is JSON"), output.status.code())
    };
    let (why, code) = explained(WRONG);
    assert_eq!(
        (&why["invariant"], &why["backend"], code),
        (&json!("Expected"), &json!("message"), Some(2))
    );
    let jump = &why["when"]["jump"];
    assert_eq!(
        (&jump["after"]["broken"], &jump["step"]),
        (&json!(20), &json!("alice: tell to bob"))
    );
    assert_eq!(why["what"]["changes"], json!(["without step 4, alice: tell to bob"]));
    assert_eq!(why["what"]["scenario"]["steps"].as_array().map(Vec::len), Some(4));
    let led = why["why"].as_array().expect("something led there");
    let last = led.last().expect("the event that broke it");
    assert_eq!(last["told"], json!([r#"bob/1 gets {"step":4} from @(alice) to @(bob)"#]));
    assert_eq!(why["like"], json!({ "brokenBy": "the run as a whole", "bugs": [] }));
    let passes = WRONG.replace("sees_no", "sees").replace(r#", "for": "1s""#, "");
    let backends = json!(["message", "simulated", "message,simulated"]);
    assert_eq!(explained(&passes), (json!({ "version": 1, "passedOn": backends }), Some(0)));
}

#[test]
fn a_scenario_becomes_a_test_that_is_ready_to_paste() {
    let file = "scenarios/a_goodbye_forgets_at_once.json";
    let mut command = simulator(&["test", file]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = command.current_dir(folder).output().expect("the simulator runs");
    let (printed, here) = (text(&output.stdout), include_str!("pasted.rs"));
    assert_eq!(printed, here);
}

/// The run of a scenario for a viewer of traces, and how it ends.
fn traced(folder: &Path) -> (Value, Option<i32>) {
    let arguments = ["replay", "a.json", "--trace-format", "perfetto"];
    let output = simulator(&arguments).current_dir(folder).output().expect("the simulator runs");
    (serde_json::from_slice(&output.stdout).expect("it is JSON"), output.status.code())
}

#[test]
fn a_run_becomes_a_trace_with_an_arrow_for_each_message() {
    let folder = folder("perfetto");
    let scenario = SCENARIO.replace("heartbeat", "metrics");
    fs::write(folder.join("a.json"), scenario).expect("it can be written");
    let (trace, _) = traced(&folder);
    let events = trace["traceEvents"].as_array().expect("it has events");
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
    let mut named: Vec<&str> = of("M").iter().filter_map(|m| m["args"]["name"].as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, ["alice#1", "hub", "network", "signal-hub", "steps"]);
    let (starts, ends) = (of("s"), of("f"));
    assert_eq!(starts.len(), ends.len());
    let arrow = |event: &Value| (event["id"].clone(), event["name"].clone());
    assert!(!starts.is_empty() && starts.iter().zip(&ends).all(|(a, b)| arrow(a) == arrow(b)));
    // An arrow begins and ends in something that happens.
    let at = |event: &Value| [event["tid"].to_string(), event["ts"].to_string()];
    let happens: BTreeSet<_> = of("X").into_iter().map(at).collect();
    assert!(starts.iter().chain(&ends).all(|end| happens.contains(&at(end))));
    // A viewer drops what lies partly in another event.
    assert!(of("X").iter().all(|event| event["ts"].is_u64() && event["dur"] == 1));
    assert_eq!(of("i").len(), 0, "nothing broke");
}

#[test]
fn a_trace_marks_where_something_broke() {
    let folder = folder("perfetto_broken");
    fs::write(folder.join("a.json"), WRONG).expect("it can be written");
    let (trace, code) = traced(&folder);
    let events = trace["traceEvents"].as_array().expect("it has events");
    let marks: Vec<_> = events.iter().filter(|event| event["ph"] == "i").collect();
    let [mark] = marks[..] else { panic!("there is one: {marks:?}") };
    assert_eq!(
        (&mark["name"], &mark["s"]),
        (&json!("✗ Expected as the scenario says"), &json!("g"))
    );
    assert!(mark["args"]["text"].as_str().is_some_and(|text| text.contains("bob/1")), "{mark}");
    assert_eq!(code, Some(2));
}
