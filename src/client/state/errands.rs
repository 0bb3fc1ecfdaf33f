//! Errands wait for their registration or for a session; then they are written, once.

use std::sync::Arc;

use super::{ClientState, Owner, Phase, Purpose};
use crate::client::{ClientError, CommandId, Outcome, RequestCommand};
use crate::protocol::codec::encode_client_frame;
use crate::protocol::{
    ActorAddress, ClientFrame, Pattern, Request, Subscribe, Subscription, Topic, Unsubscribe, Verb,
};
use crate::time::Timestamp;

/// A command that is not written yet.
#[derive(Debug)]
pub(super) struct Waiting {
    issued: Timestamp,
    errand: Errand,
}

#[derive(Debug)]
pub(super) enum Errand {
    /// Without an address, it waits only for a session.
    Request {
        address: Option<ActorAddress>,
        request: Box<RequestCommand>,
    },
    Subscribe {
        address: ActorAddress,
        topic: Topic,
    },
    Unsubscribe {
        address: ActorAddress,
        topic: Topic,
    },
    /// Writes nothing: it waits for the registration itself.
    Registration {
        address: ActorAddress,
    },
}

impl Errand {
    /// The address whose registration it waits for; none: it waits only for a session.
    fn address(&self) -> Option<&ActorAddress> {
        match self {
            Errand::Request { address, .. } => address.as_ref(),
            Errand::Subscribe { address, .. }
            | Errand::Unsubscribe { address, .. }
            | Errand::Registration { address } => Some(address),
        }
    }
}

impl ClientState {
    pub(super) fn submit(&mut self, now: Timestamp, id: CommandId, errand: Errand) {
        let connected = matches!(self.phase, Phase::Connected(_));
        let held = errand.address().is_none_or(|address| self.actors.is_held(address));
        let waiting = Waiting { issued: now, errand };
        if connected && held {
            self.perform(now, id, waiting);
        } else if self.waiting.len() >= self.config.waiting_commands_max {
            self.resolve(id, Err(ClientError::TooMany));
        } else {
            self.deadlines.set(Owner::Waiting(id), now + self.config.ask_timeout);
            self.waiting.insert(id, waiting);
        }
    }

    fn perform(&mut self, now: Timestamp, id: CommandId, waiting: Waiting) {
        if self.asks.len() >= self.config.asks_max {
            return self.resolve(id, Err(ClientError::TooMany));
        }
        match waiting.errand {
            Errand::Request { request, .. } => self.write(waiting.issued, id, *request),
            Errand::Subscribe { address, topic } => self.subscribe(now, address, topic, Some(id)),
            Errand::Unsubscribe { address, topic } => {
                self.unsubscribe(now, address, topic, Some(id));
            }
            Errand::Registration { .. } => self.resolve(id, Ok(Outcome::Registered)),
        }
    }

    fn write(&mut self, issued: Timestamp, id: CommandId, command: RequestCommand) {
        let RequestCommand { from, to, pattern, verb, metadata, ttl, id: message } = command;
        if message.as_ref().is_some_and(|message| self.asks.contains_key(message)) {
            return self.resolve(id, Err(ClientError::UnderWay));
        }
        let from = from.unwrap_or_else(|| self.first_address());
        let request = self.request(issued, from, pattern, verb);
        let to = to.unwrap_or(request.to);
        let message = message.unwrap_or(request.id);
        let request = Request { id: message, to, metadata, ttl, ..request };
        if let Some(error) = self.too_large(&request) {
            return self.resolve(id, Err(error));
        }
        match pattern {
            Pattern::Ask => {
                let deadline = issued + self.config.ask_timeout;
                self.ask(request, deadline, Purpose::Command(id));
            }
            Pattern::Tell => {
                self.send(request);
                self.resolve(id, Ok(Outcome::Sent));
            }
        }
    }

    /// The error, if the hub would close the connection over a request of this size.
    fn too_large(&self, request: &Request) -> Option<ClientError> {
        let Phase::Connected(session) = &self.phase else { return None };
        let max = session.max_message_size;
        if length_at_most(request).is_some_and(|bytes| bytes <= max) {
            return None;
        }
        let bytes = encode_client_frame(&ClientFrame::Request(Arc::new(request.clone()))).len();
        (bytes > max).then_some(ClientError::TooLarge { bytes, max })
    }

    /// Writes a subscription for the user or, without a command, for the client itself.
    pub(super) fn subscribe(
        &mut self,
        now: Timestamp,
        address: ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
    ) {
        self.topic_under_way(&address, &topic);
        let verb = Verb::Subscribe(Subscribe { topic: topic.clone(), durable: false });
        let purpose = Purpose::Subscribe { address: address.clone(), topic, command };
        self.ask_hub(now, address, verb, purpose);
    }

    /// Writes the end of a subscription, as above.
    pub(super) fn unsubscribe(
        &mut self,
        now: Timestamp,
        address: ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
    ) {
        self.topic_under_way(&address, &topic);
        let subscription = Subscription::Topic(topic.clone());
        let verb = Verb::Unsubscribe(Unsubscribe { subscription });
        let purpose = Purpose::Unsubscribe { address: address.clone(), topic, command };
        self.ask_hub(now, address, verb, purpose);
    }

    fn topic_under_way(&mut self, address: &ActorAddress, topic: &Topic) {
        if let Some(actor) = self.actors.find(address) {
            actor.begin(topic);
        }
    }

    /// The session is open: writes what waited for that, in order.
    pub(super) fn session_open(&mut self, now: Timestamp) {
        let ids = self.waiting_ids(|errand| errand.address().is_none());
        self.perform_all(now, ids);
    }

    /// The session holds the address: writes what waited for that, in order.
    pub(super) fn registration_open(&mut self, now: Timestamp, address: &ActorAddress) {
        let ids = self.waiting_ids(|errand| errand.address() == Some(address));
        self.perform_all(now, ids);
    }

    fn perform_all(&mut self, now: Timestamp, ids: Vec<CommandId>) {
        for id in ids {
            if let Some(waiting) = self.stop_waiting(id) {
                self.perform(now, id, waiting);
            }
        }
    }

    /// The address is no longer wanted, or the hub refuses it: fails what waits for it.
    pub(super) fn fail_waiting(&mut self, address: &ActorAddress, error: &ClientError) {
        for id in self.waiting_ids(|errand| errand.address() == Some(address)) {
            self.stop_waiting(id);
            self.resolve(id, Err(error.clone()));
        }
    }

    /// The hub refused the address for now: fails the commands that wait for the registration
    /// itself.
    pub(super) fn fail_registrations(&mut self, address: &ActorAddress, error: &ClientError) {
        let is_registration = |errand: &Errand| match errand {
            Errand::Registration { address: wanted } => wanted == address,
            Errand::Request { .. } | Errand::Subscribe { .. } | Errand::Unsubscribe { .. } => false,
        };
        for id in self.waiting_ids(is_registration) {
            self.stop_waiting(id);
            self.resolve(id, Err(error.clone()));
        }
    }

    pub(super) fn fail_all_waiting(&mut self, error: &ClientError) {
        for id in self.waiting_ids(|_| true) {
            self.stop_waiting(id);
            self.resolve(id, Err(error.clone()));
        }
    }

    pub(super) fn waiting_expired(&mut self, id: CommandId) {
        if self.stop_waiting(id).is_some() {
            self.resolve(id, Err(ClientError::NotSent));
        }
    }

    fn waiting_ids(&self, wanted: impl Fn(&Errand) -> bool) -> Vec<CommandId> {
        let found = self.waiting.iter().filter(|(_, waiting)| wanted(&waiting.errand));
        found.map(|(id, _)| *id).collect()
    }

    fn stop_waiting(&mut self, id: CommandId) -> Option<Waiting> {
        self.deadlines.clear(&Owner::Waiting(id));
        self.waiting.remove(&id)
    }
}

/// A cheap upper bound on the frame's length, for what carries data.
fn length_at_most(request: &Request) -> Option<usize> {
    /// Keys, addresses, ids and a topic.
    const REST: usize = 8 * 1024;
    /// The most that a byte of text becomes, as in `\u0000`.
    const ESCAPED: usize = 6;
    let (kind, data) = match &request.verb {
        Ok(Verb::Send(send)) => (&send.kind, &send.data),
        Ok(Verb::Publish(publish)) => (&publish.kind, &publish.data),
        Ok(Verb::Broadcast(broadcast)) if broadcast.target_capability.is_none() => {
            (&broadcast.kind, &broadcast.data)
        }
        Ok(_) | Err(_) => return None,
    };
    Some(REST + ESCAPED * kind.len() + data.len() + request.metadata.len())
}
