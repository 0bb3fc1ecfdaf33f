//! This hub as the engine knows it.

use std::collections::BTreeMap;
use std::time::Duration;

use dst::System;
use dst::scenario::{ActorKind, Expectation};
use signal_hub::hub::Config;

use crate::backend::{self, Backend, Outcome, Skipped};
use crate::history::{self, ClientEvent, ClientName, Event, HubEvent, Milestone};
use crate::invariants::{self, Invariant, Judge};
use crate::mutants;
use crate::report;
use crate::run::Keep;
use crate::scenario::{self, Action, Clients, Profile, Scenario, Step};
use crate::situations::{self, Shape, Situation, Watch};

/// The hub and the client of this project.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SignalHub;

impl System for SignalHub {
    type Settings = Config;
    type Clients = Clients;
    type Action = Action;
    type HubEvent = HubEvent;
    type ClientEvent = ClientEvent;
    type Invariant = Invariant;
    type Judge = Judge;
    type Situation = Situation;
    type Watch = Watch;
    type Shape = Shape;
    type Profile = Profile;

    const NAME: &str = "signal-hub";
    const COMMAND: &str = "cargo sim";
    const RUST_PATH: &str = "signal_hub_sim";
    const FIXED_FIELDS: &[&str] = &["to", "topic"];
    const NAMING_FIELDS: &[&str] = &["to", "address"];

    fn command() -> &'static str {
        invariants::own_command().unwrap_or(Self::COMMAND)
    }

    fn awaits(action: &Action) -> Option<Expectation> {
        let Action::Refused { code } = action else { return None };
        let payload = Some(serde_json::json!({ "code": code }));
        Some(Expectation { payload, ..Expectation::of("hub:error") })
    }

    fn only_for(action: &Action) -> Option<ActorKind> {
        match action {
            Action::Renew { .. }
            | Action::Recover { .. }
            | Action::Register { recovery: Some(_), .. }
            | Action::Subscribe { durable: true, .. }
            | Action::Unsubscribe { by_id: true, .. }
            | Action::Open
            | Action::Connect { .. }
            | Action::Write { .. }
            | Action::Ping
            | Action::Close => Some(ActorKind::Raw),
            Action::AskTwice { .. } => Some(ActorKind::Client),
            _ => None,
        }
    }

    fn message_types() -> &'static [&'static str] {
        scenario::MESSAGE_TYPES
    }

    fn registers(action: &Action) -> Option<&str> {
        match action {
            Action::Register { address, .. } => address.as_deref(),
            _ => None,
        }
    }

    fn mentioned_actor(action: &Action) -> Option<&str> {
        action.mentioned_actor()
    }

    fn check_step(scenario: &Scenario, step: &Step) -> Result<(), String> {
        scenario::check_step(scenario, step)
    }

    fn check(scenario: &Scenario, lasts: Duration) -> Result<(), String> {
        scenario::check(scenario, lasts)
    }

    fn generate(profile: Profile, seed: u64) -> Scenario {
        Self::generate_lasting(profile, seed, scenario::LASTS)
    }

    fn generate_lasting(profile: Profile, seed: u64, lasts: Duration) -> Scenario {
        backend::generate(profile, seed, lasts)
    }

    fn is_fair(scenario: &Scenario) -> bool {
        scenario::is_fair(scenario)
    }

    fn required(profile: Profile, _backend: Backend) -> Vec<Situation> {
        situations::required(profile)
    }

    fn doubts(scenario: &Scenario) -> Vec<String> {
        scenario::doubts(scenario)
    }

    fn play(
        scenario: &Scenario,
        backend: Backend,
        keep: Keep,
    ) -> Result<(Outcome, Duration), Skipped> {
        backend::play_once(scenario, backend, keep)
    }

    fn untimed_lanes(events: &[Event], end: Milestone) -> BTreeMap<ClientName, String> {
        history::untimed_lanes(events, end)
    }

    fn story(outcome: &Outcome) -> String {
        report::story(outcome)
    }

    fn told(events: &[Event]) -> Vec<Vec<String>> {
        report::told(events)
    }

    fn past(outcome: &Outcome) -> Vec<usize> {
        report::past(outcome)
    }

    fn known_bugs(invariant: Invariant, broken_by: &str) -> Vec<String> {
        mutants::known_bugs(&format!("{invariant:?}"), broken_by)
    }

    fn messages(events: &[Event]) -> Vec<(usize, usize)> {
        report::messages(events)
    }

    fn transcript(events: &[Event]) -> String {
        report::transcript(events)
    }

    fn page(
        scenario: &Scenario,
        command: &str,
        outcome: &Outcome,
        explanation: Option<&str>,
    ) -> String {
        report::html(scenario, command, outcome, explanation)
    }

    fn two_pages(left: &str, right: &str) -> String {
        report::html_of_two(left, right)
    }
}
