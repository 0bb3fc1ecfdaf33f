//! A raw connection: it says what steps say, records what comes, and does nothing of its own.

use std::collections::BTreeMap;

use dst::backend::testbed::{self, Order};
use dst::backend::{FullStack, Wire, WireProcess};
use dst::runtime::Runtime;
use tokio::select;
use tokio::sync::{mpsc, oneshot};

use super::AnyHub;
use super::history::ClientEvent;
use super::line::Line;
use super::words::Words;
use crate::history::ClientName;
use crate::scenario::Action;

/// A raw connection that is under way.
pub struct Raw(mpsc::UnboundedSender<Order<AnyHub>>);

impl Raw {
    /// Starts its process; nothing is opened yet.
    pub fn start<W: Wire>(stack: &FullStack<AnyHub, W>, name: ClientName) -> (W::Process, Self) {
        // A host of its own: faults can single it out.
        let host = name.who().to_string();
        let process = stack.wire.process(&host, &host);
        let (orders, received) = mpsc::unbounded_channel();
        let ttl = stack.scenario.clients.registration_ttl;
        let task = Task {
            words: Words::new(&name, stack.scenario.hub.run(), ttl),
            own: name.actor.to_string(),
            line: Line::new(stack, name, &host, &process),
            awaited: BTreeMap::new(),
        };
        process.runtime().spawn(task.run(received));
        (process, Self(orders))
    }
}

impl testbed::Raw<AnyHub> for Raw {
    fn order(&self, order: Order<AnyHub>) {
        // A connection whose process is gone does nothing.
        let _ = self.0.send(order);
    }
}

struct Task<W: Wire> {
    line: Line<W>,
    words: Words,
    own: String,
    awaited: BTreeMap<String, oneshot::Sender<()>>,
}

impl<W: Wire> Task<W> {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order<AnyHub>>) {
        loop {
            select! {
                biased;
                heard = self.line.next() => {
                    let answered = heard.iter().filter_map(|heard| heard.report.answers());
                    for done in answered.filter_map(|id| self.awaited.remove(id)) {
                        // Whoever gave the order may not wait for it.
                        let _ = done.send(());
                    }
                    if !self.line.is_open() {
                        // A dropped sender tells that there is nothing to wait for.
                        self.awaited.clear();
                    }
                }
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
            }
        }
    }

    async fn obey(&mut self, order: Order<AnyHub>) {
        let Order { number, speaker, action, done } = order;
        if matches!(action, Action::Open | Action::Connect { .. }) {
            self.line.open(speaker.as_deref().unwrap_or(&self.own)).await;
        }
        match &action {
            Action::Open => {}
            Action::Close => {
                self.line.close().await;
                self.awaited.clear();
            }
            Action::Write { text } => self.line.write(text.clone()),
            action => match self.words.of(number, speaker.as_deref(), action) {
                Some(operation) => {
                    let id = operation.verb.wants_answer().then(|| operation.id.clone());
                    if self.line.say(operation).await
                        && let Some(id) = id
                    {
                        self.awaited.insert(id, done);
                        return;
                    }
                }
                None => self.line.record(ClientEvent::Said("has no words for that".to_owned())),
            },
        }
        // Whoever gave the order may not wait for it.
        let _ = done.send(());
    }
}
