//! What a failure needs is found in little time, though each candidate that does not fail takes all of its own.

use std::cell::Cell;
use std::time::Duration;

use dst::System as _;

use super::*;
use crate::scenario::Profile;

/// How long an actor's client needs until it fails.
const LATE: Duration = Duration::from_secs(15);

fn storm() -> Scenario {
    AnyHub::generate_lasting(Profile::Swarm, 1, Duration::from_secs(12))
}

/// When carol's client starts and the story goes on until that shows.
fn fails(story: &Scenario) -> Option<Duration> {
    let starts = |step: &&Step<AnyHub>| step.in_short() == "carol: start";
    let late = story.steps.iter().find(starts)?.begins_at()? + LATE;
    (late <= last_at(story)).then_some(late)
}

/// How long the stories take that are played, at once as far as there is room.
fn takes(stories: &[Scenario], failed: &[Option<Duration>]) -> Duration {
    let each = stories.iter().zip(failed).map(|(story, failed)| failed.unwrap_or(last_at(story)));
    each.collect::<Vec<_>>().chunks(AT_ONCE).filter_map(|batch| batch.iter().max()).sum()
}

/// The steps of the smallest that fails, where each story is played that `shows` its failure this time.
fn small(shows: impl Fn(usize) -> bool, time: Duration) -> Vec<String> {
    let (took, played) = (Cell::new(Duration::ZERO), Cell::new(0));
    let fails_now = |story: &Scenario| {
        played.set(played.get() + 1);
        fails(story).filter(|_| shows(played.get()))
    };
    let failed = |stories: &[Scenario]| {
        let failed: Vec<_> = stories.iter().map(fails_now).collect();
        took.set(took.get() + takes(stories, &failed));
        failed
    };
    let at = fails(&storm()).expect("carol starts in it");
    let mut time_is_up = |_| took.get() > time;
    let shrunk = Shrinker::new(3, &failed).shrink(&storm(), at, &mut time_is_up);
    shrunk.scenario.steps.iter().map(Step::in_short).collect()
}

#[test]
fn a_failure_that_takes_its_time_is_small_within_three_minutes() {
    let small = small(|_| true, Duration::from_secs(180));
    assert_eq!(small, ["carol: start", "network: heal"]);
}

#[test]
fn one_that_comes_in_two_tries_of_three_is_as_small_in_the_end() {
    let small = small(|played| played % 3 > 0, Duration::MAX);
    assert_eq!(small, ["carol: start", "network: heal"]);
}
