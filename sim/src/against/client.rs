//! A client that keeps trying: it connects, registers, subscribes, says what steps say, and comes back.

mod belief;
mod keeper;
mod wishes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dst::backend::testbed::{self, Doing, ended};
use dst::backend::{FullStack, Wire, WireProcess};
use dst::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::AnyHub;
use super::line::Line;
use super::words::Words;
use crate::history::ClientName;
use crate::scenario::Action;
use keeper::Keeper;

pub use belief::{Agreement, Belief};
pub use wishes::Wishes;

/// What a client is told to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// What a step says.
    Step {
        /// Its number.
        number: usize,
        /// In whose name, if not the actor's.
        speaker: Option<String>,
        /// What.
        action: Action,
    },
    /// Asks somebody for an answer.
    Probe {
        /// Whom.
        to: String,
        /// What is said.
        payload: String,
    },
}

enum Order {
    Do(Command, oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
}

/// A client that runs.
pub struct Client {
    orders: mpsc::UnboundedSender<Order>,
    belief: Arc<Mutex<Belief>>,
}

impl Client {
    /// Starts it.
    pub fn start<W: Wire>(
        stack: &FullStack<AnyHub, W>,
        name: ClientName,
        wishes: &Wishes,
    ) -> (W::Process, Self) {
        let host = Arc::clone(&name.actor);
        let process = stack.wire.process(&host, &name.to_string());
        let run = Arc::clone(stack.scenario.hub.run());
        let belief = Belief { own: host.to_string(), ..Belief::default() };
        let belief = Arc::new(Mutex::new(belief));
        let (orders, received) = mpsc::unbounded_channel();
        let words = Words::new(&name, &run, wishes.ttl);
        let line = Line::new(stack, name.clone(), &host, &process);
        let keeper = Keeper::new((line, words), wishes.clone(), Arc::clone(&belief), received);
        run.note_latest(&name);
        let runtime = process.runtime();
        runtime.spawn(keeper.keep(name));
        (process, Self { orders, belief })
    }

    fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) -> Doing {
        let (done, when_done) = oneshot::channel();
        // A client whose process is gone does nothing.
        let _ = self.orders.send(order(done));
        ended(when_done)
    }
}

impl testbed::Client<AnyHub> for Client {
    fn obey(&self, commands: Vec<Command>) -> Doing {
        let doings: Vec<Doing> = commands
            .into_iter()
            .map(|command| self.order(|done| Order::Do(command, done)))
            .collect();
        Box::pin(async move {
            for doing in doings {
                doing.await;
            }
        })
    }

    fn leave(&self) -> Doing {
        self.order(Order::Leave)
    }

    fn belief<T>(&self, look: impl FnOnce(&Belief) -> T) -> T {
        look(&lock(&self.belief))
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
