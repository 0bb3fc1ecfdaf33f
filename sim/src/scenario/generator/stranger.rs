//! Strangers: connections without a client, who keep to a plan.

use std::time::Duration;

use signal_hub::protocol::Topic;

use super::dice::Dice;
use crate::net::{Fault, LinkConfig};
use crate::scenario::{Act, Action, HUB_HOST, Scenario, Shown, Speech, Step, Token, Who};

/// The actor that has no client.
pub const STRANGER: &str = "mallory";

/// How long what a stranger with a steady link says is on its way.
pub const LATENCY: Duration = Duration::from_millis(20);

/// Does one thing after the other, quickly.
pub struct Stranger {
    pub who: Who,
    pub at: Duration,
    steps: Vec<Step>,
}

impl Stranger {
    /// One of its connections, each of which has another number.
    pub fn new(number: u32, at: Duration) -> Self {
        Self { who: Who::Raw(STRANGER.to_owned(), number), at, steps: Vec::new() }
    }

    /// One that has connected and registered, on a steady link.
    pub fn registered(number: u32, at: Duration, address: &str) -> Self {
        let mut stranger = Self::connected(number, at);
        stranger.does_at(at + Duration::from_millis(300), register(address, None));
        stranger.at = at + Duration::from_millis(500);
        stranger
    }

    /// One that has connected on a steady link.
    pub fn connected(number: u32, at: Duration) -> Self {
        Self::connected_with(number, at, None)
    }

    /// The same with a token.
    pub fn connected_with(number: u32, at: Duration, token: Option<Token>) -> Self {
        let mut stranger = Self::new(number, at);
        stranger.steady(LinkConfig::default().window_bytes);
        let token = token.map(Shown::from);
        stranger.does_at(at, Action::Connect { protocol_version: None, token });
        stranger.at = at + Duration::from_millis(300);
        stranger
    }

    /// From now on what it says arrives [`LATENCY`] later, to the millisecond, and so much of what it does
    /// not read is on its way.
    pub fn steady(&mut self, window_bytes: usize) {
        let config = LinkConfig { latency: LATENCY, window_bytes, ..LinkConfig::default() };
        let (hub, own) = (HUB_HOST.to_owned(), self.who.to_string());
        for (from, to) in [(hub.clone(), own.clone()), (own, hub)] {
            let config = config.clone();
            self.steps.push(Step::fault(self.at, Fault::Link { from, to, config }));
        }
    }

    pub fn does(&mut self, dice: &mut Dice, act: impl Into<Act>) {
        self.then(dice, Step::at(self.at, self.who.clone(), act));
    }

    pub fn does_at(&mut self, at: Duration, act: impl Into<Act>) {
        self.steps.push(Step::at(at, self.who.clone(), act));
    }

    pub fn then(&mut self, dice: &mut Dice, step: Step) {
        self.steps.push(step);
        self.at += dice.millis(5, 60);
    }

    /// All that it does is part of the scenario.
    pub fn joins(self, scenario: &mut Scenario) {
        scenario.steps.extend(self.steps);
    }
}

pub fn connect() -> Action {
    Action::Connect { protocol_version: None, token: None }
}

pub fn register(address: &str, ttl: Option<Duration>) -> Action {
    Action::Register {
        address: Some(address.to_owned()),
        ttl,
        renew_on_heartbeat: false,
        recovery: None,
    }
}

pub fn subscribe(topic: &str) -> Action {
    Action::Subscribe { topic: Topic::parse(topic).expect("a topic"), durable: false }
}

pub fn unsubscribe(topic: &str, by_id: bool) -> Action {
    Action::Unsubscribe { topic: Topic::parse(topic).expect("a topic"), by_id }
}

pub fn tell(to: &str, padding: usize) -> Action {
    Action::Tell { to: to.to_owned(), speech: Speech { padding, ..Speech::default() } }
}

pub fn ask(to: &str, id: &str, padding: usize) -> Action {
    let speech = Speech { padding, ..Speech::default() };
    Action::Ask { to: to.to_owned(), id: Some(id.to_owned()), speech }
}

/// An envelope as it is written by hand: its head is `"id":...,"from":...,"pattern":...`.
pub fn write(kind: &str, head: &str, payload: &str, metadata: &str) -> Action {
    let text = format!(
        r#"{{{head},"to":"@(cloudflare/signal-hub)","type":"{kind}","timestamp":1,"payload":{payload},"metadata":{metadata}}}"#
    );
    Action::Write { text }
}
