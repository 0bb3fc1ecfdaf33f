//! The nearest scenario that passes: among all with one thing less, that whose run is the same for longest.

use std::time::Duration;

use crate::System;
use crate::backend::{self, Backend, Outcome};
use crate::history::{Event, What};
use crate::run::Keep;
use crate::scenario::{self, Scenario};

/// How many scenarios are tried, on the message backend and elsewhere, and how many events they may have together.
const TRIES_MAX: [usize; 2] = [400, 60];
const EVENTS_MAX: u64 = 1_000_000;

/// A scenario that passes, and how its run differs.
#[derive(Debug, Clone)]
pub struct Nearest<S: System> {
    /// What passes.
    pub scenario: Scenario<S>,
    /// What both runs tell last before they differ.
    pub both: Option<Line>,
    /// What the run that breaks tells next, if anything.
    pub breaks: Option<Line>,
    /// What the one that passes tells next, if anything.
    pub passes: Option<Line>,
}

/// What an event tells, without random values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it happens.
    pub at: Duration,
    /// In its words.
    pub told: Vec<String>,
}

/// How near a scenario is: first by how long its run is the same, then by what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Near {
    same: usize,
    steps: usize,
}

struct Candidate<S: System> {
    near: Near,
    scenario: Scenario<S>,
    lines: Vec<Line>,
}

/// Tries what the shrinker would, from the scenario as it is.
pub fn of<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    outcome: &Outcome<S>,
) -> Option<Nearest<S>> {
    let tries_max = TRIES_MAX[usize::from(backend != Backend::Message)];
    let broken = lines(&outcome.events);
    let failed_at = outcome.events.last().map_or(outcome.simulated, |event| event.at);
    let mut nearest: Option<Candidate<S>> = None;
    let played = std::cell::Cell::new(0);
    let mut try_one = |candidate: &Scenario<S>| {
        let other = backend::play(candidate, backend, Keep::All).ok()?;
        played.set(played.get() + other.event_count);
        if other.violation.is_none() {
            let lines = lines(&other.events);
            let near = Near { same: same(&broken, &lines), steps: candidate.steps.len() };
            // One that only ends too early shows nothing.
            let is_over_before = near.same == lines.len() && other.simulated <= failed_at;
            if !is_over_before && nearest.as_ref().is_none_or(|known| known.near < near) {
                nearest = Some(Candidate { near, scenario: candidate.clone(), lines });
            }
        }
        // As if it had not failed the same way: the next one is made of the scenario itself again.
        None
    };
    scenario::shrink(scenario, failed_at, &mut try_one, &mut |progress| {
        progress.tries >= tries_max || played.get() >= EVENTS_MAX
    });
    let Candidate { near: Near { same, .. }, scenario, lines } = nearest?;
    Some(Nearest {
        scenario,
        both: same.checked_sub(1).map(|last| broken[last].clone()),
        breaks: broken.get(same).cloned(),
        passes: lines.get(same).cloned(),
    })
}

/// What hub and clients did and saw: steps, faults and bytes are the scenario's and the network's.
fn lines<S: System>(events: &[Event<S>]) -> Vec<Line> {
    let told = events.iter().zip(S::told(events));
    let of_them = |event: &Event<S>| matches!(event.what, What::Hub(_) | What::Client { .. });
    told.filter(|(event, told)| of_them(event) && !told.is_empty())
        .map(|(event, told)| Line { at: event.at, told })
        .collect()
}

fn same(one: &[Line], other: &[Line]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one.told == other.told).count()
}
