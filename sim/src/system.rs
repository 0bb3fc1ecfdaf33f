//! This hub as the engine knows it.

use std::time::Duration;

use dst::System;
use dst::scenario::{ActorKind, Expectation};
use signal_hub::hub::Config;

use crate::history::{ClientEvent, HubEvent};
use crate::invariants::{Invariant, Judge};
use crate::scenario::{self, Action, Clients, Scenario};
use crate::situations::{Shape, Situation, Watch};

/// The hub and the client of this project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    const FIXED_FIELDS: &[&str] = &["to", "topic"];

    fn awaits(action: &Action) -> Option<Expectation> {
        let Action::Refused { code } = action else { return None };
        let payload = Some(serde_json::json!({ "code": code }));
        Some(Expectation { payload, ..Expectation::of("hub:error") })
    }

    fn only_for(action: &Action) -> Option<ActorKind> {
        match action {
            Action::Renew { .. }
            | Action::Open
            | Action::Connect { .. }
            | Action::Write { .. }
            | Action::Ping
            | Action::Close => Some(ActorKind::Raw),
            Action::AskTwice { .. } => Some(ActorKind::Client),
            _ => None,
        }
    }

    fn mentioned_actor(action: &Action) -> Option<&str> {
        action.mentioned_actor()
    }

    fn check_step(speaker: Option<&str>, action: Option<&Action>) -> Result<(), String> {
        scenario::check_step(speaker, action)
    }

    fn check(scenario: &Scenario, lasts: Duration) -> Result<(), String> {
        scenario::check(scenario, lasts)
    }
}
