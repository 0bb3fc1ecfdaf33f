//! How what is under test is started, asked and waited for.

use std::sync::Arc;
use std::time::Duration;

use super::Skipped;
use super::stack::FullStack;
use super::testbed;
use super::wire::Wire;
use crate::System;
use crate::history::ClientName;
use crate::run::Recorder;
use crate::scenario::{Actor, Scenario};
use crate::verdict::{Invariant, Violation};

/// How long everybody may take to come back, unless the hub says otherwise.
const CALM_WITHIN: Duration = Duration::from_secs(120);

/// A hub whose server and clients the engine can start.
pub trait Deploy: System {
    /// What an actor wants of its clients, whichever of them runs.
    type Wishes: Wishes<Self>;
    /// What a client can be told to do.
    type Command: Clone + Send + 'static;
    /// What a client knows of itself, by what it told its user.
    type Belief: Belief<Self>;
    /// What a client believes and the hub should agree with.
    type Agreement: Send;
    /// How much is left in the hub.
    type Left: Copy + Send;
    /// The server, as long as it runs.
    type Hub: testbed::Hub;
    /// A client.
    type Client<W: Wire>: testbed::Client<Self>;
    /// A raw connection.
    type Raw: testbed::Raw<Self>;

    /// Starts the server.
    fn start_hub<W: Wire>(stack: &FullStack<Self, W>) -> (W::Process, Self::Hub);

    /// Starts a client.
    fn start_client<W: Wire>(
        stack: &FullStack<Self, W>,
        name: ClientName,
        wishes: &Self::Wishes,
    ) -> (W::Process, Self::Client<W>);

    /// Starts the process of a raw connection; nothing is opened yet.
    fn start_raw<W: Wire>(stack: &FullStack<Self, W>, name: ClientName) -> (W::Process, Self::Raw);

    /// Plays the scenario by whole messages, if there is such a model of the hub; tells how long that
    /// took.
    ///
    /// # Errors
    /// If there is none.
    fn play_by_messages(
        scenario: Arc<Scenario<Self>>,
        recorder: Recorder<Self>,
    ) -> Result<Duration, Skipped> {
        let _ = (scenario, recorder);
        Err(Skipped { reason: format!("{} has no model by messages", Self::NAME) })
    }

    /// What makes a client ask another actor, in the end, whether it is there. The payload is JSON.
    fn probe(to: &str, payload: &str) -> Vec<Self::Command>;

    /// How often a probe is tried.
    fn probe_attempts(scenario: &Scenario<Self>) -> usize {
        let _ = scenario;
        1
    }

    /// What it means that a probe did not arrive.
    fn unanswered(payload: &str, within: Duration) -> Violation<Self> {
        let evidence = format!("the probe {payload} did not arrive in {within:?}");
        Violation::new(Self::Invariant::EXPECTED, evidence)
    }

    /// How long everybody may take to come back once the faults are over.
    fn calm_within(scenario: &Scenario<Self>) -> Duration {
        let _ = scenario;
        CALM_WITHIN
    }

    /// For how long the hub may keep what it says to itself.
    fn holds_back(scenario: &Scenario<Self>) -> Duration {
        let _ = scenario;
        Duration::ZERO
    }

    /// For how long a connection that is dead can look alive.
    fn quiet(scenario: &Scenario<Self>) -> Duration {
        let _ = scenario;
        Duration::ZERO
    }

    /// How long it takes until nothing is left of clients that vanished.
    fn rest(scenario: &Scenario<Self>) -> Duration {
        let _ = scenario;
        Duration::ZERO
    }

    /// Whether hub and clients agree.
    ///
    /// # Errors
    /// If they do not.
    fn check_agreement(
        judge: &Self::Judge,
        clients: &[Self::Agreement],
    ) -> Result<(), Violation<Self>> {
        let _ = (judge, clients);
        Ok(())
    }

    /// Whether nothing is left when everybody is gone.
    ///
    /// # Errors
    /// If something is.
    fn check_rest(left: Self::Left) -> Result<(), Violation<Self>> {
        let _ = left;
        Ok(())
    }

    /// The same of what was left at the deadline and what is `later`.
    ///
    /// # Errors
    /// If something was.
    fn check_rest_in_time(left: Self::Left, later: Self::Left) -> Result<(), Violation<Self>> {
        let _ = left;
        Self::check_rest(later)
    }
}

/// What an actor wants of its clients.
pub trait Wishes<S: Deploy>: Send + Sized + 'static {
    /// What the actor wants in the beginning; when that is, since the Unix epoch.
    fn of(scenario: &Scenario<S>, actor: &Actor, began: Duration) -> Self;

    /// What a client is told to do for the action, if that is for its commands. Remembers what the actor
    /// wants from now on.
    fn commands(
        &mut self,
        number: usize,
        speaker: Option<&str>,
        action: &S::Action,
    ) -> Vec<S::Command>;
}

/// What a client knows of itself.
pub trait Belief<S: Deploy>: Send + 'static {
    /// Returns whether it has ended.
    fn has_ended(&self) -> bool;

    /// Returns whether it tries to be what the actor is above all.
    fn wants(&self, wishes: &S::Wishes) -> bool;

    /// What the hub should agree with, as long as it has not ended.
    fn agreement(&self, wishes: &S::Wishes) -> Option<S::Agreement>;
}
