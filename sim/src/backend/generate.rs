//! The storm of a seed. Of some seeds it is played once by messages, so that it can be aimed at the
//! deadlines that the hub then had.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::Input;

use super::message;
use crate::history::{Event, What};
use crate::invariants::Time;
use crate::run::{Keep, Recorder};
use crate::scenario::{self, Due, Profile, Scenario};

/// What nobody who has just come could be in time for.
const TOO_EARLY: Duration = Duration::from_secs(2);

/// The scenario of a seed. The same seed and profile always give the same one, while the hub is the same.
pub fn generate(profile: Profile, seed: u64, lasts: Duration) -> Scenario {
    let mut storm = scenario::generate_lasting(profile, seed, lasts);
    if scenario::is_aimed(profile, seed) {
        let due = deadlines(&steps(&storm, lasts), lasts);
        scenario::aim(&mut storm, &due, seed, lasts);
    }
    storm
}

/// What happens in the storm's steps, up to the first violation. A hub that panics is judged when the aimed
/// storm is played.
fn steps(storm: &Scenario, lasts: Duration) -> Vec<Event> {
    let recorder = Recorder::new(storm, Keep::All, Time::Virtual);
    let (shared, recording) = (Arc::new(storm.clone()), recorder.clone());
    let play = || message::play_until(Some(lasts), shared, recording);
    let _ = catch_unwind(AssertUnwindSafe(play));
    let _ = catch_unwind(AssertUnwindSafe(|| recorder.is_violated()));
    recorder.finish().events
}

/// What was due for which address when nothing else happened.
fn deadlines(events: &[Event], lasts: Duration) -> Vec<Due> {
    let mut found = Vec::new();
    for Event { at, what } in events {
        if !(TOO_EARLY..lasts).contains(at) {
            continue;
        }
        if let What::Hub(hub) = what
            && matches!(hub.input, Input::Tick)
        {
            // The hub's alarm rings some time within the millisecond: what comes at its beginning meets what
            // is due in its own input.
            let at = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            let addresses = hub.touched.addresses.keys();
            found.extend(addresses.map(|address| Due { at, address: address.clone() }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aimed_storm_is_the_seeds_storm_and_more() {
        let seed =
            (0..).find(|seed| scenario::is_aimed(Profile::Swarm, *seed)).expect("one in eight");
        let lasts = scenario::LASTS;
        let aimed = generate(Profile::Swarm, seed, lasts);
        assert_eq!(aimed, generate(Profile::Swarm, seed, lasts), "the same each time");
        let plain = scenario::generate(Profile::Swarm, seed);
        assert!(aimed.steps.len() > plain.steps.len(), "{} steps", aimed.steps.len());
        let mut rest = aimed.steps;
        rest.retain(|step| plain.steps.contains(step));
        assert_eq!(rest, plain.steps);
    }
}
