//! Storms aimed at what chance alone does not bring about: strangers on steady links, which say things
//! when the hub's own next deadline is due, fill what has a bound, and show what is not theirs.

mod bounds;
mod claims;
mod deadlines;
mod ids;
mod moments;
mod queues;

use std::time::Duration;

pub use self::deadlines::{Due, aim};

use super::dice::Dice;
use crate::scenario::Scenario;

type Storm = fn(&mut Dice, &mut Scenario);

/// Of the streams of a seed, that of the first.
const FIRST: u64 = 1_100;

/// Each has the stream of its place, so that it disturbs no other: new ones go to the end.
const STORMS: [Storm; 17] = [
    ids::of_two_actors,
    ids::over_reconnects,
    queues::overdue,
    queues::filled,
    queues::recovering,
    moments::of_sessions,
    moments::of_addresses,
    moments::one_millisecond,
    bounds::greedy,
    bounds::many_topics,
    bounds::full_of_addresses,
    bounds::full_of_sessions,
    bounds::full_of_outcomes,
    claims::of_what_is_not_theirs,
    claims::one_by_one,
    claims::at_shutdown,
    queues::in_batches,
];

/// Each of them in one storm of eight.
pub fn plan(seed: u64, lasts: Duration, scenario: &mut Scenario) {
    for (stream, storm) in (FIRST..).zip(STORMS) {
        let mut dice = Dice::new(seed, stream, lasts);
        if dice.one_in(8) {
            storm(&mut dice, scenario);
        }
    }
}
