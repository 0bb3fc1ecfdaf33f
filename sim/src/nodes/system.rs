//! Several hubs as the engine of the simulator knows them.

use std::fmt;
use std::time::Duration;

use dst::System;
use dst::backend::{Backend, Outcome, Skipped};
use dst::coverage::{self, Sightings};
use dst::history::Event;
use dst::run::Keep;
use dst::verdict::{self, Time};
use serde::{Serialize, Serializer};

use super::aims::Profile;
use super::events::{Talk, Wrote};
use super::moves::storm;
use super::scenario::{self, Action, Hubs, Scenario, Settings};
use super::world::{Seen, Setting};
use super::{Nodes, play};
use crate::invariants::Invariant;

/// What must come up in a thousand storms, or that none failed proves little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Situation(usize);

/// In the order of reports.
const SITUATIONS: [&str; 26] = [
    "a late write was carried out",
    "a clock was set",
    "a message came twice",
    "a node came back that was declared dead",
    "a node fenced itself",
    "a node left in order",
    "a node made room for another of its name",
    "a node was declared dead",
    "a position counted",
    "a send was delivered",
    "a send was queued",
    "a session lost its address",
    "a stale delivery was refused",
    "a watch ended without a word",
    "an address moved between nodes",
    "an address was adopted",
    "an unknown write was carried out",
    "an unknown write was not carried out",
    "hubs of two releases shared the rows",
    "nobody decided writes",
    "rate_limited",
    "the engine lost rows",
    "the generation was raised",
    "timeout",
    "unavailable",
    "what a node kept was lost",
];

impl coverage::Situation for Situation {
    const ALL: &'static [Self] = &{
        let mut all = [Situation(0); SITUATIONS.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = Situation(index);
            index += 1;
        }
        all
    };

    fn index(self) -> usize {
        self.0
    }

    fn sentence(self) -> &'static str {
        SITUATIONS[self.0]
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SITUATIONS[self.0])
    }
}

impl Serialize for Situation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The world judges as it goes.
#[derive(Debug)]
pub struct Beside;

impl verdict::Judge<Nodes> for Beside {
    fn new(_scenario: &Scenario, _time: Time) -> Self {
        Self
    }

    fn observe(&mut self, _event: &Event<Nodes>) -> Result<(), verdict::Violation<Nodes>> {
        Ok(())
    }
}

impl verdict::Watch<Nodes> for Beside {
    fn new(_scenario: &Scenario) -> Self {
        Self
    }

    fn observe(&mut self, _event: &Event<Nodes>, _judge: &Beside) {}

    fn sightings(&self, _seed: u64, _judge: &Beside) -> Sightings<Situation> {
        Sightings::default()
    }

    fn shape(&self, _judge: &Beside) {}
}

/// What came up in a run, for whoever counts.
pub(super) fn sightings(seed: u64, seen: &Seen) -> Sightings<Situation> {
    let times = |one: Situation| seen.get(SITUATIONS[one.0]).copied().unwrap_or_default() as u64;
    Sightings::of_run(seed, times)
}

impl System for Nodes {
    type Settings = Settings;
    type Clients = Hubs;
    type Action = Action;
    type HubEvent = Wrote;
    type ClientEvent = Talk;
    type Invariant = Invariant;
    type Judge = Beside;
    type Situation = Situation;
    type Watch = Beside;
    type Shape = ();
    type Profile = Profile;

    const NAME: &str = "signal-hub-nodes";
    const COMMAND: &str = "cargo sim nodes";
    const WITHIN: &[&str] = &["nodes"];
    const SCENARIOS: &str = "scenarios/nodes";
    const FIXED_FIELDS: &[&str] = &["to", "hub", "connection", "keeps", "what", "way"];

    fn others(scenario: &Scenario) -> Vec<String> {
        scenario::others(scenario)
    }

    fn check_step(scenario: &Scenario, step: &scenario::Step) -> Result<(), String> {
        scenario::effect(scenario, step).map(drop)
    }

    fn check(scenario: &Scenario, _lasts: Duration) -> Result<(), String> {
        scenario::check(scenario)
    }

    fn generate(profile: Profile, seed: u64) -> Scenario {
        // Of two and of three.
        let setting = Setting::new(2 + (seed % 2) as usize, 3);
        scenario::of_moves(&setting, seed, &storm(&setting, seed, profile))
    }

    fn required(profile: Profile, _backend: Backend) -> Vec<Situation> {
        let all = <Situation as coverage::Situation>::ALL;
        if profile == Profile::Cluster { all.to_vec() } else { Vec::new() }
    }

    fn play(
        scenario: &Scenario,
        backend: Backend,
        keep: Keep,
    ) -> Result<(Outcome<Nodes>, Duration), Skipped> {
        play::play(scenario, backend, keep)
    }
}
