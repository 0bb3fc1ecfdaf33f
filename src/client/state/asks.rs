//! Asks under way: written, but not answered yet. Each ends once.

use super::{ClientState, Output, Owner};
use crate::client::{ClientError, CommandId, DisconnectReason, Outcome};
use crate::protocol::{ActorAddress, MessageId, Pattern, Reply, Request, Topic, Verb};
use crate::time::Timestamp;

/// Why an ask was written, which decides who gets its reply.
#[derive(Debug)]
pub(super) enum Purpose {
    Connect,
    Heartbeat,
    Register(ActorAddress),
    Renew(ActorAddress),
    /// A number is missing.
    Recover(ActorAddress),
    /// A newer token of the client's source.
    Token,
    /// Without a command, the client itself restores a wanted topic.
    Subscribe {
        address: ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
    },
    Unsubscribe {
        address: ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
    },
    Command(CommandId),
    Disconnect(CommandId),
    /// It was about an address that was given up since.
    GivenUp,
}

impl Purpose {
    /// The command that ends with the ask, except for `hub:disconnect`.
    fn command(&self) -> Option<CommandId> {
        match self {
            Purpose::Connect
            | Purpose::Heartbeat
            | Purpose::Register(_)
            | Purpose::Renew(_)
            | Purpose::Recover(_)
            | Purpose::Token
            | Purpose::Disconnect(_)
            | Purpose::GivenUp => None,
            Purpose::Subscribe { command, .. } | Purpose::Unsubscribe { command, .. } => *command,
            Purpose::Command(id) => Some(*id),
        }
    }

    /// The wanted address that the answer changes.
    fn address(&self) -> Option<&ActorAddress> {
        match self {
            Purpose::Register(address)
            | Purpose::Renew(address)
            | Purpose::Recover(address)
            | Purpose::Subscribe { address, .. }
            | Purpose::Unsubscribe { address, .. } => Some(address),
            Purpose::Connect
            | Purpose::Heartbeat
            | Purpose::Token
            | Purpose::Command(_)
            | Purpose::Disconnect(_)
            | Purpose::GivenUp => None,
        }
    }
}

impl ClientState {
    /// Writes an ask that the client itself makes.
    pub(super) fn ask_hub(
        &mut self,
        now: Timestamp,
        from: ActorAddress,
        verb: Verb,
        purpose: Purpose,
    ) {
        let timeout = match &purpose {
            Purpose::Connect | Purpose::Register(_) => self.config.connect_timeout,
            Purpose::Heartbeat
            | Purpose::Renew(_)
            | Purpose::Recover(_)
            | Purpose::Token
            | Purpose::Subscribe { .. }
            | Purpose::Unsubscribe { .. }
            | Purpose::Command(_)
            | Purpose::GivenUp => self.config.ask_timeout,
            Purpose::Disconnect(_) => self.config.disconnect_timeout,
        };
        let request = self.request(now, from, Pattern::Ask, verb);
        self.ask(request, now + timeout, purpose);
    }

    pub(super) fn ask(&mut self, request: Request, deadline: Timestamp, purpose: Purpose) {
        self.deadlines.set(Owner::Ask(request.id.clone()), deadline);
        self.asks.insert(request.id.clone(), purpose);
        self.send(request);
    }

    pub(super) fn ask_expired(&mut self, now: Timestamp, id: &MessageId) {
        let Some(purpose) = self.asks.remove(id) else { return };
        if let Some(id) = purpose.command() {
            self.resolve(id, Err(ClientError::TimedOut));
        }
        match purpose {
            Purpose::Connect => self.abandon(now, DisconnectReason::NoAnswer),
            Purpose::Register(address) | Purpose::Renew(address) => self.register(now, &address),
            Purpose::Recover(address) => self.recover_answered(now, &address, None),
            Purpose::Token => {
                let why = "the hub does not answer".to_owned();
                self.token_failed(now, why, false);
            }
            Purpose::Subscribe { address, topic, .. }
            | Purpose::Unsubscribe { address, topic, .. } => {
                self.topic_unanswered(now, &address, &topic);
            }
            Purpose::Disconnect(id) => {
                self.resolve(id, Ok(Outcome::Disconnected { acknowledged: false }));
            }
            Purpose::Heartbeat | Purpose::Command(_) | Purpose::GivenUp => {}
        }
    }

    /// What is answered about the address from now on changes nothing for who wants it again.
    /// Returns whether a registration was under way.
    pub(super) fn give_up_asks(&mut self, address: &ActorAddress) -> bool {
        let mut registering = false;
        for purpose in self.asks.values_mut().filter(|it| it.address() == Some(address)) {
            registering |= matches!(purpose, Purpose::Register(_));
            *purpose = purpose.command().map_or(Purpose::GivenUp, Purpose::Command);
        }
        registering
    }

    /// Ends all asks, in the order of issue.
    pub(super) fn fail_asks(&mut self, error: &ClientError) {
        let mut failed = Vec::new();
        for purpose in std::mem::take(&mut self.asks).into_values() {
            let leaving = Ok(Outcome::Disconnected { acknowledged: false });
            match &purpose {
                Purpose::Disconnect(id) => failed.push((*id, leaving)),
                other => failed.extend(other.command().map(|id| (id, Err(error.clone())))),
            }
        }
        failed.sort_by_key(|(id, _)| *id);
        let resolved = failed.into_iter().map(|(id, result)| Output::Resolve(id, result));
        self.outputs.extend(resolved);
    }

    pub(super) fn resolve_reply(&mut self, id: CommandId, reply: Reply) {
        let result = match reply {
            Reply::Error(refusal) => Err(ClientError::Refused(refusal)),
            reply => Ok(Outcome::Replied(Box::new(reply))),
        };
        self.resolve(id, result);
    }
}
