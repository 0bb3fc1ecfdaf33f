//! How this hub's server and clients are started, asked and waited for.

use std::sync::Arc;
use std::time::Duration;

use dst::backend::{self, Deploy, Wire};
use signal_hub::client::Command;
use signal_hub::hub::Sizes;

use super::belief::Belief;
use super::full::{Client, Hub, Raw};
use super::{FullStack, Skipped, message};
use crate::SignalHub;
use crate::history::ClientName;
use crate::invariants::{self, Agreement, Judge, Violation};
use crate::lower::{self, Wishes};
use crate::run::Recorder;
use crate::scenario::{Action, Actor, Scenario, Store, registration_ttl_max};

/// So many answers and messages a client may have waiting at a time: those that renew its addresses, and more.
const ANSWERS_MAX: usize = 16;

impl Deploy for SignalHub {
    type Wishes = Wishes;
    type Command = Command;
    type Belief = Belief;
    type Agreement = Agreement;
    type Left = Sizes;
    type Hub = Hub;
    type Client<W: Wire> = Client<W>;
    type Raw = Raw;

    fn start_hub<W: Wire>(stack: &FullStack<W>) -> (W::Process, Hub) {
        Hub::start(stack)
    }

    fn start_client<W: Wire>(
        stack: &FullStack<W>,
        name: ClientName,
        wishes: &Wishes,
    ) -> (W::Process, Client<W>) {
        Client::start(stack, name, wishes)
    }

    fn start_raw<W: Wire>(stack: &FullStack<W>, name: ClientName) -> (W::Process, Raw) {
        Raw::start(stack, name)
    }

    fn play_by_messages(scenario: Arc<Scenario>, recorder: Recorder) -> Result<Duration, Skipped> {
        Ok(message::play(scenario, recorder))
    }

    fn probe(to: &str, payload: &str) -> Vec<Command> {
        lower::probe(to, payload)
    }

    /// A client that has just come back may have used up what it may ask for, and answers that wait
    /// for the store may be all that its queue has room for.
    fn probe_attempts(scenario: &Scenario) -> usize {
        let waits = !Self::holds_back(scenario).is_zero();
        let is_narrow = waits && scenario.hub.queue_messages_max < ANSWERS_MAX;
        if is_narrow || scenario.hub.rate_limit_per_second < 50 { 3 } else { 1 }
    }

    fn unanswered(payload: &str, within: Duration) -> Violation {
        invariants::probe_unanswered(payload, within)
    }

    fn holds_back(scenario: &Scenario) -> Duration {
        scenario.clients.store.map_or(Duration::ZERO, Store::holds_back)
    }

    fn quiet(scenario: &Scenario) -> Duration {
        scenario.hub.idle_timeout + scenario.hub.ping_interval
    }

    fn rest(scenario: &Scenario) -> Duration {
        let hub = &scenario.hub;
        let deadlines = hub.idle_timeout + hub.close_timeout + hub.resume_window;
        (deadlines + registration_ttl_max(scenario)).max(hub.dedupe_window)
    }

    fn check_agreement(judge: &Judge, clients: &[Agreement]) -> Result<(), Violation> {
        invariants::check_agreement(judge.shadow(), clients)
    }

    fn check_rest(left: Sizes) -> Result<(), Violation> {
        invariants::check_rest(left)
    }

    fn check_rest_in_time(left: Sizes, later: Sizes) -> Result<(), Violation> {
        invariants::check_rest_in_time(left, later)
    }
}

impl backend::Wishes<SignalHub> for Wishes {
    fn of(scenario: &Scenario, actor: &Actor, began: Duration) -> Self {
        Wishes::of(scenario, actor, began)
    }

    fn commands(&mut self, number: usize, speaker: Option<&str>, action: &Action) -> Vec<Command> {
        Wishes::commands(self, number, speaker, action)
    }
}

impl backend::Belief<SignalHub> for Belief {
    fn has_ended(&self) -> bool {
        Belief::has_ended(self)
    }

    fn wants(&self, wishes: &Wishes) -> bool {
        Belief::wants(self, wishes.own())
    }

    fn agreement(&self, wishes: &Wishes) -> Option<Agreement> {
        Belief::agreement(self, wishes)
    }
}
