//! When a failure became likely: played up to several moments and on from there by chance, it breaks more and
//! more often.

use std::time::Duration;

use super::breaks;
use super::redraw::redraw;
use crate::System;
use crate::backend::Backend;
use crate::scenario::{self, Scenario, Step, until};

/// What is replayed how often: on the message backend, and where a run takes ten times as long.
const MOMENTS: [usize; 2] = [6, 3];
const DRAWS: [u64; 2] = [20, 3];
/// By how many per cent a step has to make it likelier that chance alone is no explanation.
const JUMP_MIN: u32 = 30;

/// How likely a scenario was to fail, moment by moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likelihood<S: System> {
    /// Whether it is that of the storm, and not that of what the storm was shrunk to.
    pub is_of_storm: bool,
    /// In their order.
    pub moments: Vec<Moment>,
    /// What made it likely.
    pub jump: Option<Jump<S>>,
}

/// What became of a scenario when all after a moment was drawn anew, several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// How many of the first steps stayed as they were.
    pub kept: usize,
    /// When the last one of them begins.
    pub at: Duration,
    /// How often the rest was drawn.
    pub draws: u32,
    /// How often the same invariant broke.
    pub broken: u32,
}

/// The two moments around the step, or the steps, that made the most of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump<S: System> {
    /// Without them.
    pub before: Moment,
    /// With them.
    pub after: Moment,
    /// The last of them.
    pub step: Step<S>,
}

impl Moment {
    /// The share that broke, in per cent.
    pub const fn percent(self) -> u32 {
        match (self.broken * 100).checked_div(self.draws) {
            Some(percent) => percent,
            None => 0,
        }
    }
}

/// Of the storm if that fails, too, and else of the scenario itself; none where two backends have to play
/// each run.
pub fn of<S: System>(
    scenario: &Scenario<S>,
    storm: Option<&Scenario<S>>,
    backend: Backend,
    invariant: S::Invariant,
) -> Option<Likelihood<S>> {
    let cost = match backend {
        Backend::Message => 0,
        Backend::Simulated => 1,
        Backend::Real | Backend::Both => return None,
    };
    let until_it_fails = |scenario: &Scenario<S>| {
        let failed_at = breaks(scenario, backend, invariant)?;
        let cut = until(scenario, failed_at);
        // What shows in the end alone needs the whole.
        let is_enough = breaks(&cut, backend, invariant).is_some();
        let steps = cut.steps.len() - 1;
        Some((if is_enough { cut } else { scenario.clone() }, steps))
    };
    let of_storm = storm.and_then(until_it_fails);
    let is_of_storm = of_storm.is_some();
    let (replayed, steps) = of_storm.or_else(|| until_it_fails(scenario))?;
    let measure = |kept| measure(&replayed, backend, invariant, kept, DRAWS[cost]);
    let mut kept: Vec<usize> = (0..=MOMENTS[cost]).map(|n| steps * n / MOMENTS[cost]).collect();
    kept.dedup();
    let moments: Vec<Moment> = kept.into_iter().map(&measure).collect();
    let jump = jump(&moments, measure).map(|(before, after)| Jump {
        before,
        after,
        step: replayed.steps[after.kept - 1].clone(),
    });
    Some(Likelihood { is_of_storm, moments, jump })
}

fn measure<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    invariant: S::Invariant,
    kept: usize,
    draws: u64,
) -> Moment {
    // A draw may say what no file may; there are others.
    let drawn = (0..2 * draws).map(|draw| redraw(scenario, kept, draw));
    let mut moment = Moment {
        kept,
        at: scenario.steps[..kept].iter().rev().find_map(Step::begins_at).unwrap_or_default(),
        draws: 0,
        broken: 0,
    };
    let playable = drawn.filter(|scenario| scenario::check(scenario).is_ok());
    for scenario in playable.take(draws as usize) {
        moment.draws += 1;
        moment.broken += u32::from(breaks(&scenario, backend, invariant).is_some());
    }
    moment
}

/// The two moments, as few steps apart as can be, between which it became most likely; none if it never did.
fn jump(moments: &[Moment], measure: impl Fn(usize) -> Moment) -> Option<(Moment, Moment)> {
    let rise = |before: &Moment, after: &Moment| after.percent().saturating_sub(before.percent());
    let pairs = moments.windows(2).map(|pair| (pair[0], pair[1]));
    // The first of equal ones.
    let (mut before, mut after) = pairs.rev().max_by_key(|(before, after)| rise(before, after))?;
    if rise(&before, &after) < JUMP_MIN {
        return None;
    }
    while after.kept - before.kept > 1 {
        let middle = measure(before.kept.midpoint(after.kept));
        let (first, second) = ((before, middle), (middle, after));
        let better =
            if rise(&first.0, &first.1) >= rise(&second.0, &second.1) { first } else { second };
        if rise(&better.0, &better.1) < JUMP_MIN {
            break;
        }
        (before, after) = better;
    }
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(kept: usize, broken: u32) -> Moment {
        Moment { kept, at: Duration::ZERO, draws: 10, broken }
    }

    #[test]
    fn the_jump_is_looked_for_step_by_step() {
        let measure = |kept| moment(kept, if kept > 5 { 9 } else { 1 });
        let moments = [0, 4, 8, 12].map(measure);
        assert_eq!(jump(&moments, measure), Some((moment(5, 1), moment(6, 9))));
        let slowly = |kept| moment(kept, kept as u32 / 5);
        let moments = [0, 20, 40].map(slowly);
        assert_eq!(jump(&moments, slowly), Some((moments[0], moments[1])));
        assert_eq!(jump(&[moment(0, 10), moment(3, 10)], measure), None);
    }
}
