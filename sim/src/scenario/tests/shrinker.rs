//! Shrinking: what has no part in a failure goes.

use std::time::Duration;

use super::super::*;

/// Fails where bob subscribes and the hub then restarts: at that time.
fn restart_after_subscribe(scenario: &Scenario) -> Option<Duration> {
    let mut subscribed = false;
    for step in &scenario.steps {
        let text = step.to_string();
        subscribed |= text.contains("\"bob\"") && text.contains("\"subscribe\"");
        if subscribed && text.contains("\"restart\"") {
            return match step.when {
                When::At(at) => Some(at),
                When::After(_) | When::Then => None,
            };
        }
    }
    None
}

#[test]
fn what_has_no_part_in_the_failure_goes() {
    let scenario = generate(Profile::Restart, 3);
    let failed_at = restart_after_subscribe(&scenario).expect("such steps are there");
    let fails = &mut |candidate: &Scenario| restart_after_subscribe(candidate);
    let shrunk = shrink(&scenario, failed_at, fails, &mut |_| false);
    assert!(shrunk.finished);
    assert_eq!(shrunk.scenario.steps.len(), 2, "{}", write(&shrunk.scenario));
    assert_eq!(shrunk.scenario.actors.len(), 1);
    assert_eq!(shrunk.scenario.hub, Scenario::default().hub);
    assert_eq!(shrunk.scenario.ending, Ending::Stop);
}

#[test]
fn it_stops_when_its_time_is_up() {
    let scenario = generate(Profile::Restart, 3);
    let fails = &mut |_: &Scenario| Some(Duration::ZERO);
    let shrunk = shrink(&scenario, Duration::MAX, fails, &mut |progress| progress.tries == 5);
    assert!(!shrunk.finished);
    assert_eq!(shrunk.tries, 5);
}

#[test]
fn what_is_left_can_be_read_again_and_no_setting_goes_round_in_circles() {
    let text = r#"{ "version": 1, "title": "", "seed": 0, "actors": ["alice"], "steps": [
        { "who": "network", "do": "link", "from": "hub", "to": "alice", "config": { "segment_bytes_max": 9 } }
    ] }"#;
    let scenario = read(text).expect("a scenario");
    let fails = &mut |candidate: &Scenario| {
        let last = candidate.steps.last()?.to_string();
        last.contains("\"link\"").then_some(Duration::ZERO)
    };
    let shrunk = shrink(&scenario, Duration::ZERO, fails, &mut |progress| progress.tries == 100);
    assert!(shrunk.finished && shrunk.tries < 100, "{} tries", shrunk.tries);
    assert_eq!(read(&write(&shrunk.scenario)).ok(), Some(shrunk.scenario));
}

#[test]
fn what_a_step_waits_for_inside_is_shortened_too() {
    let text = r#"{ "version": 1, "title": "", "seed": 0, "actors": ["alice"], "steps": [
        { "who": "alice", "do": "reconnect", "hub_sees": { "after": "3s 440ms" } }
    ] }"#;
    let scenario = read(text).expect("a scenario");
    // Only a second or more breaks anything.
    let fails = &mut |candidate: &Scenario| {
        let last = candidate.steps.last()?.to_string();
        let long = ["\"3s 440ms\"", "\"1s\""].iter().any(|after| last.contains(after));
        long.then_some(Duration::ZERO)
    };
    let shrunk = shrink(&scenario, Duration::ZERO, fails, &mut |progress| progress.tries == 100);
    assert!(
        shrunk.finished && write(&shrunk.scenario).contains(r#""hub_sees": { "after": "1s" }"#)
    );
}
