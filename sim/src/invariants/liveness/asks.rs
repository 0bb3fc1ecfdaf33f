//! L3: when everybody is back and nothing new is said for long, no client waits for an answer on a
//! connection that it believes in.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{ClientFrame, MessageId, Pattern};

use super::super::{Invariant, RunObserver, Shadow, Verdict, Violation};
use crate::history::{ClientEvent, ClientKind, ClientName, Event, Milestone, What};
use crate::scenario::{Act, ProcessAct, What as Doing};

/// What the answer to an ask that is written takes on a healthy network, at most.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// L3. Remembers the asks of each connection.
#[derive(Default)]
pub struct Asks {
    /// Each with when it was written. There are few at a time.
    open: BTreeMap<ClientName, Vec<(MessageId, Duration)>>,
    healed: bool,
}

impl RunObserver for Asks {
    fn observe(&mut self, event: &Event, _shadow: &Shadow) -> Verdict {
        match &event.what {
            What::Client { client, event: happened } => self.client(event.at, client, happened),
            // A process that dies waits for nothing.
            What::Step { step, .. } => {
                if let Doing::Act { who, act: Act::Process(ProcessAct::Crash { .. }), .. } =
                    &step.what
                {
                    self.open.retain(|client, _| client.who() != *who);
                }
            }
            // The connections that steps opened die with their last step.
            What::Run(Milestone::Heal) => {
                self.healed = true;
                self.open.retain(|client, _| client.kind == ClientKind::Client);
            }
            What::Run(Milestone::Calm) => return self.all_answered(event.at),
            What::Run(_)
            | What::Hub(_)
            | What::Net(_)
            | What::HubStarted { .. }
            | What::HubStopped { .. } => {}
        }
        Ok(())
    }
}

impl Asks {
    fn client(&mut self, at: Duration, client: &ClientName, event: &ClientEvent) {
        match event {
            ClientEvent::Sent(frame) => {
                if let ClientFrame::Request(request) = frame
                    && request.pattern == Pattern::Ask
                {
                    let asked = (request.id.clone(), at);
                    match self.open.get_mut(client) {
                        Some(asks) => {
                            asks.retain(|(id, _)| *id != request.id);
                            asks.push(asked);
                        }
                        None => drop(self.open.insert(client.clone(), vec![asked])),
                    }
                }
            }
            ClientEvent::Received(frame) => {
                if let HubFrame::Message(message) = frame
                    && let HubBody::Reply { correlation: Some(id), .. } = &message.body
                    && let Some(asks) = self.open.get_mut(client)
                {
                    asks.retain(|(asked, _)| asked != id);
                }
            }
            ClientEvent::Opened { .. } | ClientEvent::Lost { .. } | ClientEvent::Ended => {
                self.open.remove(client);
            }
            // Whoever comes then takes the place of one that had lost its address.
            ClientEvent::Started { .. } if self.healed => {
                self.open.retain(|other, _| other.actor != client.actor);
            }
            ClientEvent::Started { .. } | ClientEvent::Told { .. } | ClientEvent::Said(_) => {}
        }
    }

    fn all_answered(&self, at: Duration) -> Verdict {
        for (client, asks) in &self.open {
            let forgotten = asks.iter().filter(|(_, asked)| *asked + ANSWERED_WITHIN <= at);
            if let Some((id, asked)) = forgotten.min() {
                let evidence =
                    format!("{client} asked {id} at {asked:?} and waits for the answer still");
                return Err(Violation::new(Invariant::L3, evidence).waited_since(*asked));
            }
        }
        Ok(())
    }
}
