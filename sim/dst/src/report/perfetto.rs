//! A run in Chrome's trace format, for ui.perfetto.dev: a track for the hub, each client, the network and
//! the steps, and an arrow for each message.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::System;
use crate::backend::Outcome;
use crate::history::{AtClient, AtHub, ClientKind, ClientName, What};

/// All tracks are of one process.
const PROCESS: u32 = 1;
/// What happens takes no time; what takes none cannot be seen, nor have an arrow.
const LASTS_MICROSECONDS: u32 = 1;

/// All events, each followed by its ends of arrows, and a mark across all tracks where something broke. Times are
/// whole microseconds of the run's own clock: a viewer drops an event that lies partly in another one.
pub fn perfetto<S: System>(outcome: &Outcome<S>) -> String {
    let events = &outcome.events;
    let mut arrows = vec![Vec::new(); events.len()];
    for (number, (from, to)) in (1_u64..).zip(S::messages(events)) {
        arrows[from].push(("s", number));
        arrows[to].push(("f", number));
    }
    let broken = outcome.broken_at();
    let mut tracks = BTreeMap::new();
    let mut lines = vec![named("process_name", 0, S::NAME)];
    for (place, event) in events.iter().enumerate() {
        let (track, name) = (track(&event.what), name(&event.what));
        let next = tracks.len() + 1;
        let thread = *tracks.entry(track.clone()).or_insert_with(|| {
            lines.push(named("thread_name", next, &track));
            next
        });
        let time = event.at.as_micros();
        lines.push(json!({
            "ph": "X", "pid": PROCESS, "tid": thread, "ts": time, "dur": LASTS_MICROSECONDS,
            "name": name, "args": { "event": place + 1, "text": event.to_string() },
        }));
        lines.extend(arrows[place].iter().map(|(phase, number)| {
            json!({
                "ph": phase, "bp": "e", "id": number, "pid": PROCESS, "tid": thread, "ts": time,
                "name": "message", "cat": "message",
            })
        }));
        if let Some(violation) = outcome.violation.as_ref().filter(|_| broken == Some(place)) {
            lines.push(json!({
                "ph": "i", "s": "g", "pid": PROCESS, "tid": thread, "ts": time,
                "name": format!("✗ {}", violation.invariant),
                "args": { "event": place + 1, "text": violation.evidence },
            }));
        }
    }
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    format!("{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n{}\n]}}\n", lines.join(",\n"))
}

fn named(what: &str, thread: usize, name: &str) -> Value {
    json!({ "ph": "M", "pid": PROCESS, "tid": thread, "name": what, "args": { "name": name } })
}

fn track<S: System>(what: &What<S>) -> String {
    match what {
        What::HubStarted { .. } | What::HubStopped { .. } | What::Hub(_) => "hub".to_owned(),
        What::Client { client: ClientName { actor, kind, number }, .. } => match kind {
            ClientKind::Client => format!("{actor}#{number}"),
            ClientKind::Raw => format!("{actor}/{number}"),
        },
        What::Net(_) => "network".to_owned(),
        What::Run(_) | What::Step { .. } => "steps".to_owned(),
    }
}

fn name<S: System>(what: &What<S>) -> String {
    match what {
        What::HubStarted { .. } => "the hub starts".to_owned(),
        What::HubStopped { .. } => "the hub stops".to_owned(),
        What::Hub(hub) => hub.kind(),
        What::Client { event, .. } => event.kind(),
        What::Net(event) => event.to_string(),
        What::Run(milestone) => format!("{milestone:?}").to_lowercase(),
        What::Step { step, .. } => step.in_short(),
    }
}
