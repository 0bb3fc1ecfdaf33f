//! Another future for a scenario: its first steps as they are, the rest and the network's timing drawn anew.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::System;
use crate::net::{Dice, LinkConfig};
use crate::scenario::{Scenario, Step, What, When};

/// How much the time of each message is drawn from, where a scenario says less.
const JITTER_MIN: Duration = Duration::from_millis(5);

/// The scenario from after its first `kept` steps on with other times and another order. What one client, the
/// network or the hub does stays in its own order, since one step often needs those before it; the last
/// time stays, so that the whole takes as long.
pub fn redraw<S: System>(scenario: &Scenario<S>, kept: usize, draw: u64) -> Scenario<S> {
    let mut dice = Dice::split(draw, "what comes after the steps that are kept");
    let (begin, rest) = scenario.steps.split_at(kept.min(scenario.steps.len()));
    let from = begin.iter().rev().find_map(Step::begins_at).unwrap_or_default();
    let mut times = times(from, rest, &mut dice).into_iter();
    let redrawn = shuffled(rest, &mut dice).into_iter().zip(rest).map(|(what, step)| {
        let when = match step.when {
            When::At(at) => When::At(times.next().unwrap_or(at)),
            When::After(_) | When::Then => step.when,
        };
        Step { when, what }
    });
    let steps = begin.iter().cloned().chain(redrawn).collect();
    let network =
        LinkConfig { jitter: scenario.network.jitter.max(JITTER_MIN), ..scenario.network.clone() };
    Scenario { seed: dice.up_to(u64::MAX - 1), network, steps, ..scenario.clone() }
}

/// As many times as the steps say, in their order: the last one, and before it any.
fn times<S: System>(from: Duration, steps: &[Step<S>], dice: &mut Dice) -> Vec<Duration> {
    let said: Vec<Duration> = steps.iter().filter_map(Step::begins_at).collect();
    let Some((last, others)) = said.split_last() else { return Vec::new() };
    let room = u64::try_from(last.saturating_sub(from).as_micros()).unwrap_or(u64::MAX);
    let mut drawn: Vec<Duration> =
        others.iter().map(|_| from + Duration::from_micros(dice.up_to(room))).collect();
    drawn.sort_unstable();
    drawn.push(*last);
    drawn
}

/// What the steps do, in another order.
fn shuffled<S: System>(steps: &[Step<S>], dice: &mut Dice) -> Vec<What<S>> {
    let mut lanes: BTreeMap<String, VecDeque<&What<S>>> = BTreeMap::new();
    for Step { what, .. } in steps {
        let lane = match what {
            What::Act { who, .. } => who.to_string(),
            What::Hub(_) => "/hub".to_owned(),
            What::Network(_) => "/network".to_owned(),
        };
        lanes.entry(lane).or_default().push_back(what);
    }
    let mut order = Vec::new();
    for left in (1..=steps.len()).rev() {
        let mut chosen = dice.up_to(left as u64 - 1) as usize;
        for lane in lanes.values_mut() {
            if chosen < lane.len() {
                order.extend(lane.pop_front().cloned());
                break;
            }
            chosen -= lane.len();
        }
    }
    order
}
