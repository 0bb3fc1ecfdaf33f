//! One scenario on the backends message and simulated, which must agree: on whether it passes and, as far as
//! chance has no part in it, on what its actors see (docs/SIMULATION.md).

use std::collections::BTreeMap;
use std::time::Duration;

use super::deploy::Deploy;
use super::{Backend, Outcome, Skipped, play_once};
use crate::history::{ClientName, Milestone};
use crate::net::{Fault, LinkConfig};
use crate::run::Keep;
use crate::scenario::{Scenario, Step, What, When};
use crate::verdict::{Invariant, Violation};

/// How far apart the steps of an unhurried scenario are, by turns: so far that they hardly meet, or
/// so near that messages queue while a fault lasts.
const GAPS: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(250)];
/// How many steps may be left of one: as many as chance leaves alone.
const STEPS: [usize; 4] = [64, 32, 16, 8];
/// With how many other dice the message backend has to show the same.
const MESSAGE_DICE: u64 = 2;
/// With how many simulated has to once it differs from message: it also draws whose turn it is.
const SIMULATED_DICE: u64 = 16;

/// Plays the scenario on both.
pub(super) fn play<S: Deploy>(scenario: &Scenario<S>, keep: Keep) -> Result<Outcome<S>, Skipped> {
    let on = |backend| play_once(scenario, backend, keep).map(|(outcome, _)| outcome);
    let mut judged = judge(on(Backend::Message)?, on(Backend::Simulated)?);
    if judged.violation.is_some() {
        return Ok(judged);
    }
    let Some((steps, message)) = without_chance(scenario)? else { return Ok(judged) };
    let simulated = see(&unhurried(scenario, steps, 0), Backend::Simulated)?;
    let difference = difference(&message.lanes, &simulated.lanes);
    let unhurried = judge(message.outcome, simulated.outcome);
    if unhurried.violation.is_some() {
        return Ok(unhurried);
    }
    let Some(difference) = difference else {
        judged.compared_steps = steps;
        return Ok(judged);
    };
    if !stays(scenario, steps, Backend::Simulated, SIMULATED_DICE, &simulated.lanes)? {
        return Ok(judged);
    }
    let evidence = format!("of {steps} unhurried steps, {difference}");
    let violation = Some(Violation::new(S::Invariant::SAME_ON_BACKENDS, evidence));
    Ok(Outcome { violation, ..unhurried })
}

/// What is amiss if anything is: with one of the two, or that only one fails.
pub fn judge<S: Deploy>(message: Outcome<S>, simulated: Outcome<S>) -> Outcome<S> {
    let broken =
        |outcome: &Outcome<S>| outcome.violation.as_ref().map(|violation| violation.invariant);
    if broken(&message) == broken(&simulated) {
        return simulated;
    }
    let said = |outcome: &Outcome<S>| match &outcome.violation {
        Some(violation) => format!("breaks {}: {}", violation.invariant, violation.evidence),
        None => "passes".to_owned(),
    };
    let evidence = format!("message {}; simulated {}", said(&message), said(&simulated));
    let failed = if simulated.violation.is_some() { simulated } else { message };
    Outcome { violation: Some(Violation::new(S::Invariant::SAME_ON_BACKENDS, evidence)), ..failed }
}

/// What became of an unhurried scenario, and what its actors saw until they left.
struct Seen<S: Deploy> {
    outcome: Outcome<S>,
    lanes: Lanes,
}

/// What each client said and saw, in lines.
pub type Lanes = BTreeMap<ClientName, String>;

fn see<S: Deploy>(scenario: &Scenario<S>, backend: Backend) -> Result<Seen<S>, Skipped> {
    let (outcome, _) = play_once(scenario, backend, Keep::All)?;
    let lanes = S::untimed_lanes(&outcome.events, Milestone::Leave);
    Ok(Seen { outcome, lanes })
}

/// As many steps as chance leaves alone on message, and what is seen of them there.
fn without_chance<S: Deploy>(scenario: &Scenario<S>) -> Result<Option<(usize, Seen<S>)>, Skipped> {
    let all = scenario.steps.len();
    for steps in STEPS.into_iter().filter(|steps| *steps < 2 * all).map(|steps| steps.min(all)) {
        let seen = see(&unhurried(scenario, steps, 0), Backend::Message)?;
        if stays(scenario, steps, Backend::Message, MESSAGE_DICE, &seen.lanes)? {
            return Ok(Some((steps, seen)));
        }
    }
    Ok(None)
}

/// Whether other dice show the same.
fn stays<S: Deploy>(
    scenario: &Scenario<S>,
    steps: usize,
    backend: Backend,
    dice: u64,
    seen: &Lanes,
) -> Result<bool, Skipped> {
    for dice in 1..=dice {
        if see(&unhurried(scenario, steps, dice), backend)?.lanes != *seen {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first steps, one after the other. Other dice draw other delays, and steps come later.
pub fn unhurried<S: Deploy>(scenario: &Scenario<S>, steps: usize, dice: u64) -> Scenario<S> {
    let mut unhurried = Scenario { seed: scenario.seed ^ dice, ..scenario.clone() };
    unhurried.steps.truncate(steps);
    let kind = (dice % (MESSAGE_DICE + 1)) as usize;
    about(&mut unhurried.network, kind);
    let gap = GAPS[(scenario.seed % 2) as usize];
    let gap = gap + gap / 100 * kind as u32;
    for (number, step) in (1..).zip(&mut unhurried.steps) {
        step.when = When::At(gap * number);
        if let What::Network(Fault::Link { config, .. }) = &mut step.what {
            about(config, kind);
        }
    }
    // What waited for the faults to end is seen before raw connections vanish: in one moment, who runs
    // first decides.
    let heals = [1, 2].map(|more| Step::fault(gap * (steps as u32 + more), Fault::Heal));
    unhurried.steps.extend(heals);
    unhurried
}

/// The message backend knows only about how long a message is, so what bounds bytes must not matter.
fn about(link: &mut LinkConfig, kind: usize) {
    let about = |bytes: u64| bytes.saturating_mul([6, 4, 9][kind]) / 6;
    link.window_bytes = about(link.window_bytes as u64) as usize;
    link.bytes_per_second = link.bytes_per_second.map(about);
}

/// The first line that differs, and who saw it.
pub fn difference(message: &Lanes, simulated: &Lanes) -> Option<String> {
    message.keys().chain(simulated.keys()).find_map(|name| {
        let lines = |lanes: &Lanes| -> Vec<String> {
            let lane = lanes.get(name).map_or("", String::as_str);
            lane.lines().map(|line| line.trim().to_owned()).collect()
        };
        let (message, simulated) = (lines(message), lines(simulated));
        let number = (0..message.len().max(simulated.len()))
            .find(|n| message.get(*n) != simulated.get(*n))?;
        let said = |lines: &[String]| lines.get(number).map_or("nothing", |line| line).to_owned();
        let (message, simulated) = (said(&message), said(&simulated));
        Some(format!(
            "{name} has in line {}: on message [{message}], on simulated [{simulated}]",
            number + 1
        ))
    })
}
