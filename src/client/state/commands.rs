//! The user's commands: what is wanted is remembered, errands are submitted.

use super::errands::Errand;
use super::{ClientState, Phase, Purpose};
use crate::client::{ActorConfig, ClientError, Command, CommandId, Outcome, RequestCommand};
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

impl ClientState {
    pub(super) fn command(&mut self, now: Timestamp, id: CommandId, command: Command) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return self.resolve(id, Err(ClientError::Ended));
        }
        match command {
            Command::Request(request) => {
                let address = self.speaker(&request);
                let is_nobodys = request.from.is_none() && address.is_none();
                if is_nobodys && request.verb.needs_identity() {
                    return self.resolve(id, Err(ClientError::NoAddress));
                }
                self.submit(now, id, Errand::Request { address, request });
            }
            Command::Register(config) => self.want(now, id, config),
            Command::Unregister(address) => self.unregister(now, id, &address),
            Command::Subscribe { address, topic } => {
                let Some(address) = self.wanted_or_first(address) else {
                    return self.resolve(id, Err(ClientError::NoAddress));
                };
                if let Some(actor) = self.actors.find(&address) {
                    actor.want(&topic, id);
                }
                self.submit(now, id, Errand::Subscribe { address, topic });
            }
            Command::Unsubscribe { address, topic } => {
                let Some(address) = self.wanted_or_first(address) else {
                    return self.resolve(id, Err(ClientError::NoAddress));
                };
                if let Some(actor) = self.actors.find(&address) {
                    actor.want_no_more(&topic);
                }
                self.submit(now, id, Errand::Unsubscribe { address, topic });
            }
            Command::Disconnect { reason } => self.disconnect(now, id, reason),
        }
    }

    /// The address whose registration the request waits for; none if it needs no identity.
    fn speaker(&self, request: &RequestCommand) -> Option<ActorAddress> {
        if !request.verb.needs_identity() {
            return None;
        }
        self.wanted_or_first(request.from.clone())
    }

    fn wanted_or_first(&self, address: Option<ActorAddress>) -> Option<ActorAddress> {
        match address {
            Some(address) => self.actors.is_wanted(&address).then_some(address),
            None => self.actors.first().cloned(),
        }
    }

    fn want(&mut self, now: Timestamp, id: CommandId, config: ActorConfig) {
        let address = config.address.clone();
        self.actors.want(config);
        self.register(now, &address);
        self.submit(now, id, Errand::Registration { address });
    }

    fn unregister(&mut self, now: Timestamp, id: CommandId, address: &ActorAddress) {
        let held = self.actors.is_held(address);
        self.forget(now, address, &ClientError::NoAddress);
        if held {
            self.give_back(now, address, Purpose::Command(id));
        } else {
            self.resolve(id, Ok(Outcome::NotNeeded));
        }
    }
}
