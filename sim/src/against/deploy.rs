//! How the hub under test and its clients are started, asked and waited for.

use std::time::Duration;

use dst::backend::testbed;
use dst::backend::{self, Deploy, FullStack, Wire, WireProcess};
use tokio::time::sleep;

use super::client::{Agreement, Belief, Client, Command, Wishes};
use super::judge::{self, Judge};
use super::process::LOOK_EVERY;
use super::program::Program;
use super::raw::Raw;
use super::target::Place;
use super::{AnyHub, Scenario, Violation};
use crate::history::ClientName;
use crate::invariants::Invariant;
use crate::scenario::{Action, Actor, HUB_HOST};

/// How long a hub may take to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(10);

/// So many times that, everybody is back at the latest.
const CALM_WITHIN_PATIENCE: u32 = 3;

/// The hub as long as it runs.
pub enum Hub {
    /// Nobody here starts or ends it.
    Elsewhere,
    /// It was started for this run, and may take so long until it listens.
    Started(Program, Duration),
}

impl testbed::Hub for Hub {
    async fn listens(&self) {
        let Hub::Started(program, within) = self else { return };
        let mut waited = Duration::ZERO;
        while !program.listens() && program.ended().is_none() && waited < *within {
            pause(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }

    async fn shut_down(self) -> bool {
        let Hub::Started(program, _) = self else { return true };
        program.ask_to_end();
        let mut waited = Duration::ZERO;
        while program.ended().is_none() && waited < END_WITHIN {
            pause(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
        program.kill();
        true
    }
}

impl Deploy for AnyHub {
    type Wishes = Wishes;
    type Command = Command;
    type Belief = Belief;
    type Agreement = Agreement;
    type Left = ();
    type Hub = Hub;
    type Client<W: Wire> = Client;
    type Raw = Raw;

    fn start_hub<W: Wire>(stack: &FullStack<Self, W>) -> (W::Process, Hub) {
        let process = stack.wire.process(HUB_HOST, HUB_HOST);
        let run = stack.scenario.hub.run();
        if let Place::Running { address, .. } = run.target.place {
            stack.wire.hub_listens(address);
            return (process, Hub::Elsewhere);
        }
        let ready = run.take_ready();
        let started = ready.map_or_else(|| run.start(), Ok);
        let program = match started {
            Ok(program) => program,
            Err(error) => {
                stack.recorder.accuse(ended(&format!("it cannot be started again: {error}"), ""));
                return (process, Hub::Elsewhere);
            }
        };
        process.carry(Box::new(program.clone()));
        if program.listens() {
            stack.wire.hub_listens(program.address());
        }
        #[expect(clippy::disallowed_methods, reason = "beside the run, which may stand still")]
        tokio::spawn(watch(stack.clone(), program.clone()));
        (process, Hub::Started(program, run.target.start_within))
    }

    fn start_client<W: Wire>(
        stack: &FullStack<Self, W>,
        name: ClientName,
        wishes: &Wishes,
    ) -> (W::Process, Client) {
        Client::start(stack, name, wishes)
    }

    fn start_raw<W: Wire>(stack: &FullStack<Self, W>, name: ClientName) -> (W::Process, Raw) {
        Raw::start(stack, name)
    }

    fn probe(to: &str, payload: &str) -> Vec<Command> {
        vec![Command::Probe { to: to.to_owned(), payload: payload.to_owned() }]
    }

    /// A client that has just come back may have used up what it may ask for.
    fn probe_attempts(_scenario: &Scenario) -> usize {
        3
    }

    fn unanswered(payload: &str, within: Duration) -> Violation {
        Violation::new(Invariant::L4, format!("the probe {payload} did not arrive in {within:?}"))
    }

    fn calm_within(scenario: &Scenario) -> Duration {
        CALM_WITHIN_PATIENCE * scenario.hub.promises().patience()
    }

    fn check_agreement(_judge: &Judge, clients: &[Agreement]) -> Result<(), Violation> {
        judge::check_agreement(clients)
    }
}

/// Tells the network where the hub listens, and whether it ends though nobody told it to.
async fn watch<W: Wire>(stack: FullStack<AnyHub, W>, program: Program) {
    let address = program.address();
    let mut is_up = program.listens();
    loop {
        if let Some(status) = program.ended_by_itself() {
            let why = format!("its process ended by itself: {status}");
            stack.recorder.accuse(ended(&why, &program.said()));
        }
        if program.ended().is_some() {
            stack.wire.hub_left(address);
            return;
        }
        if !is_up && program.listens() {
            stack.wire.hub_listens(address);
            is_up = true;
        }
        pause(LOOK_EVERY).await;
    }
}

fn ended(why: &str, said: &str) -> Violation {
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Violation::new(Invariant::NoPanic, format!("{why} {}", last.join(" | ")).trim_end())
}

async fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "programs of the system live by its time")]
    sleep(duration).await;
}

impl backend::Wishes<AnyHub> for Wishes {
    fn of(scenario: &Scenario, actor: &Actor, _began: Duration) -> Self {
        let addresses = std::iter::once(&actor.name).chain(&actor.addresses).cloned().collect();
        let ttl = scenario.clients.registration_ttl;
        Self { addresses, topics: Default::default(), ttl }
    }

    fn commands(&mut self, number: usize, speaker: Option<&str>, action: &Action) -> Vec<Command> {
        self.note(speaker, action);
        let times = if matches!(action, Action::AskTwice { .. }) { 2 } else { 1 };
        let (speaker, action) = (speaker.map(str::to_owned), action.clone());
        vec![Command::Step { number, speaker, action }; times]
    }
}

impl backend::Belief<AnyHub> for Belief {
    fn has_ended(&self) -> bool {
        Belief::has_ended(self)
    }

    fn wants(&self, wishes: &Wishes) -> bool {
        Belief::wants(self, &wishes.addresses[0])
    }

    fn agreement(&self, _wishes: &Wishes) -> Option<Agreement> {
        Belief::agreement(self)
    }
}
