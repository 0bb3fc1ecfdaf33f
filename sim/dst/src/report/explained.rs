//! A failure explained, as programs read it: all that [`explanation`](super::explanation) says, and nothing cut off.

use std::time::Duration;

use serde_json::{Value, json};

use super::explanation::changes;
use crate::System;
use crate::backend::Outcome;
use crate::campaign::broken_by;
use crate::explain::{Explanation, Jump, Likelihood, Line, Moment, Nearest};
use crate::scenario::{self, Scenario};

/// The version of the format; fields that are added do not change it.
const VERSION: u32 = 1;

/// The explanation of a scenario, in one line.
pub fn explained<S: System>(scenario: &Scenario<S>, explanation: &Explanation<S>) -> String {
    let Explanation { backend, outcome, likelihood, nearest } = explanation;
    let Some(violation) = &outcome.violation else { return String::new() };
    let by = broken_by(outcome).unwrap_or_default();
    let bugs = S::known_bugs(violation.invariant, &by);
    let explained = json!({
        "version": VERSION,
        "backend": backend.to_string(),
        "invariant": format!("{:?}", violation.invariant),
        "name": violation.invariant.to_string(),
        "evidence": violation.evidence,
        "when": likelihood.as_ref().map(when),
        "what": nearest.as_ref().map(|nearest| what(scenario, nearest)),
        "why": why(outcome),
        "like": { "brokenBy": by, "bugs": bugs },
    });
    format!("{explained}\n")
}

/// That a scenario passes on these backends.
pub fn unexplained(backends: &[String]) -> String {
    format!("{}\n", json!({ "version": VERSION, "passedOn": backends }))
}

fn when<S: System>(likelihood: &Likelihood<S>) -> Value {
    let moment = |moment: &Moment| {
        json!({
            "seconds": seconds(moment.at), "steps": moment.kept,
            "draws": moment.draws, "broken": moment.broken,
        })
    };
    let jump = |Jump { before, after, step }: &Jump<S>| json!({ "before": moment(before), "after": moment(after), "step": step.in_short() });
    json!({
        "ofStorm": likelihood.is_of_storm,
        "moments": likelihood.moments.iter().map(moment).collect::<Vec<_>>(),
        "jump": likelihood.jump.as_ref().map(jump),
    })
}

fn what<S: System>(scenario: &Scenario<S>, nearest: &Nearest<S>) -> Value {
    let line = |line: &Option<Line>| {
        line.as_ref().map(|line| json!({ "seconds": seconds(line.at), "told": line.told }))
    };
    let passes: Value = serde_json::from_str(&scenario::write(&nearest.scenario))
        .expect("what is written as a scenario is JSON");
    json!({
        "changes": changes(scenario, &nearest.scenario), "scenario": passes,
        "both": line(&nearest.both), "breaks": line(&nearest.breaks), "passes": line(&nearest.passes),
    })
}

/// What led there, the event that broke it last.
fn why<S: System>(outcome: &Outcome<S>) -> Vec<Value> {
    let told = S::told(&outcome.events);
    let event = |place: usize| {
        let event = &outcome.events[place];
        json!({
            "event": place + 1, "seconds": seconds(event.at),
            "text": event.what.to_string(), "told": told[place],
        })
    };
    S::past(outcome).into_iter().map(event).collect()
}

fn seconds(at: Duration) -> f64 {
    at.as_secs_f64()
}
