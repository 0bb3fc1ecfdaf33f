//! One scenario on the backends message and simulated, which must agree: on whether it passes and, as far as
//! chance has no part in it, on what its actors see (docs/SIMULATION.md).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Backend, Outcome, Skipped, play_once};
use crate::history::{ClientName, Milestone, untimed_lanes};
use crate::invariants::{Invariant, Violation};
use crate::net::{Fault, LinkConfig};
use crate::run::Keep;
use crate::scenario::{Scenario, Step, What, When};

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
pub(super) fn play(scenario: &Scenario, keep: Keep) -> Result<Outcome, Skipped> {
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
    let violation = Some(Violation::new(Invariant::SameOnBackends, evidence));
    Ok(Outcome { violation, ..unhurried })
}

/// What is amiss if anything is: with one of the two, or that only one fails.
fn judge(message: Outcome, simulated: Outcome) -> Outcome {
    let broken =
        |outcome: &Outcome| outcome.violation.as_ref().map(|violation| violation.invariant);
    if broken(&message) == broken(&simulated) {
        return simulated;
    }
    let said = |outcome: &Outcome| match &outcome.violation {
        Some(violation) => format!("breaks {}: {}", violation.invariant, violation.evidence),
        None => "passes".to_owned(),
    };
    let evidence = format!("message {}; simulated {}", said(&message), said(&simulated));
    let failed = if simulated.violation.is_some() { simulated } else { message };
    Outcome { violation: Some(Violation::new(Invariant::SameOnBackends, evidence)), ..failed }
}

/// What became of an unhurried scenario, and what its actors saw until they left.
struct Seen {
    outcome: Outcome,
    lanes: Lanes,
}

type Lanes = BTreeMap<ClientName, String>;

fn see(scenario: &Scenario, backend: Backend) -> Result<Seen, Skipped> {
    let (outcome, _) = play_once(scenario, backend, Keep::All)?;
    let lanes = untimed_lanes(&outcome.events, Milestone::Leave);
    Ok(Seen { outcome, lanes })
}

/// As many steps as chance leaves alone on message, and what is seen of them there.
fn without_chance(scenario: &Scenario) -> Result<Option<(usize, Seen)>, Skipped> {
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
fn stays(
    scenario: &Scenario,
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
fn unhurried(scenario: &Scenario, steps: usize, dice: u64) -> Scenario {
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
    link.window_bytes = link.window_bytes.saturating_mul([6, 4, 9][kind]) / 6;
    let rate = link.bytes_per_second;
    link.bytes_per_second = rate.map(|rate| rate.saturating_mul([10, 9, 11][kind]) / 10);
}

/// The first line that differs, and who saw it.
fn difference(message: &Lanes, simulated: &Lanes) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ClientKind;

    fn outcome(broken: Option<Invariant>) -> Outcome {
        let played = play_once(&Scenario::default(), Backend::Message, Keep::Nothing);
        let (outcome, _) = played.expect("the message backend plays everything");
        Outcome {
            violation: broken.map(|broken| Violation::new(broken, "so it is said")),
            ..outcome
        }
    }

    fn judged(message: Option<Invariant>, simulated: Option<Invariant>) -> Option<String> {
        let violation = judge(outcome(message), outcome(simulated)).violation?;
        Some(format!("{:?}: {}", violation.invariant, violation.evidence))
    }

    #[test]
    fn that_only_one_backend_fails_is_a_difference() {
        let (i4, i9) = (Some(Invariant::I4), Some(Invariant::I9));
        assert_eq!(judged(None, None), None);
        assert_eq!(judged(i4, i4).as_deref(), Some("I4: so it is said"));
        assert_eq!(
            judged(i4, None).as_deref(),
            Some(
                "SameOnBackends: message breaks I4 stale events are inert: so it is said; simulated passes"
            )
        );
        assert_eq!(
            judged(i9, i4).as_deref(),
            Some(
                "SameOnBackends: message breaks I9 no resurrection: so it is said; \
                 simulated breaks I4 stale events are inert: so it is said"
            )
        );
    }

    #[test]
    fn the_first_line_that_differs_is_told() {
        let name = |number| ClientName { actor: "alice".into(), kind: ClientKind::Client, number };
        let lanes = |text: &str| BTreeMap::from([(name(1), text.to_owned())]);
        assert_eq!(difference(&lanes("  a\n  b\n"), &lanes("  a\n  b\n")), None);
        assert_eq!(
            difference(&lanes("  a\n  b\n"), &lanes("  a\n  c\n  b\n")).as_deref(),
            Some("alice#1 has in line 2: on message [b], on simulated [c]")
        );
        let both = BTreeMap::from([(name(1), "  a\n".to_owned()), (name(2), "  b\n".to_owned())]);
        assert_eq!(
            difference(&lanes("  a\n"), &both).as_deref(),
            Some("alice#2 has in line 1: on message [nothing], on simulated [b]")
        );
    }

    #[test]
    fn an_unhurried_scenario_has_room_between_its_steps_and_its_end() {
        let when = |seed, dice| {
            let storm = crate::scenario::generate(crate::scenario::Profile::Calm, seed);
            let steps = unhurried(&storm, 3, dice).steps;
            steps.into_iter().map(|step| step.when).collect::<Vec<_>>()
        };
        let at = |milliseconds: u64| When::At(Duration::from_millis(milliseconds));
        assert_eq!(when(2, 0), [1_000, 2_000, 3_000, 4_000, 5_000].map(at));
        assert_eq!(when(2, 2), [1_020, 2_040, 3_060, 4_080, 5_100].map(at));
        assert_eq!(when(3, 0), [250, 500, 750, 1_000, 1_250].map(at));
    }
}
