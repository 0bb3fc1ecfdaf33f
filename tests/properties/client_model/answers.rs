//! How each command ends: once, and as was promised.

use anyhow::{Result, bail, ensure};
use signal_hub::client::{ClientError, Command, CommandId, Outcome};
use signal_hub::protocol::ActorAddress;
use signal_hub::time::Timestamp;

use super::{Cause, Link, Model, Pending};

impl Model {
    pub(super) fn resolved(
        &mut self,
        now: Timestamp,
        cause: &Cause,
        id: CommandId,
        pending: Pending,
        result: &Result<Outcome, ClientError>,
    ) -> Result<()> {
        let Pending { command, issued, speaker, message } = pending;
        let is_request = matches!(command, Command::Request(_));
        let answered = match (cause, &message) {
            (Cause::Reply(request, _), Some(message)) => request.id == *message,
            (Cause::Reply(..), None) => !is_request,
            (_, _) => false,
        };
        let waited = now >= issued + self.config.ask_timeout;
        let (written, holds) = match result {
            Ok(Outcome::Sent) => (true, is_request),
            Ok(Outcome::Replied(_)) => (is_request, answered),
            // Whatever waits for a registration that is refused is refused as well.
            Err(ClientError::Refused(_)) => (message.is_some(), answered || message.is_none()),
            Ok(Outcome::Registered) => match &command {
                Command::Register(actor) => (false, self.held.contains(&actor.address)),
                _ => (false, false),
            },
            Ok(Outcome::NotNeeded) => (false, matches!(command, Command::Unregister(_))),
            Ok(Outcome::Disconnected { .. }) => {
                (false, matches!(command, Command::Disconnect { .. }))
            }
            Err(ClientError::TimedOut) => (is_request, waited),
            Err(ClientError::ConnectionLost) => (is_request, self.link == Link::Down),
            Err(ClientError::NotSent) => (false, waited),
            Err(ClientError::TooMany) => (false, true),
            Err(ClientError::TooLarge { bytes, max }) => (false, is_request && bytes > max),
            Err(ClientError::UnderWay) => (false, self.is_under_way(&command)),
            Err(ClientError::NoAddress) => {
                let is_nobodys = match &command {
                    Command::Request(request) => request.verb.needs_identity(),
                    _ => true,
                };
                (false, speaker.map_or(is_nobodys, |who| self.topics(&who).is_none()))
            }
            Err(ClientError::Ended) => return Ok(()),
            Err(_) => bail!("the hub answers what it was asked"),
        };
        ensure!(holds, "{command:?} does not end so");
        ensure!(written == message.is_some(), "was it written? {message:?}");
        if let Some(message) = message {
            self.on_the_wire.remove(&message);
        }
        if let Err(ClientError::Refused(_)) = result {
            self.refused(id, &command);
        }
        Ok(())
    }

    /// A topic that the hub refuses is wished for no more, unless it is there all the same or the
    /// user has spoken of it again since.
    fn refused(&mut self, id: CommandId, command: &Command) {
        let Command::Subscribe { address: Some(address), topic } = command else { return };
        let key = (address.clone(), topic.clone());
        if self.last_words.get(&key) == Some(&id)
            && !self.confirmed.contains(&key)
            && let Some(topics) = self.topics(address)
        {
            topics.remove(topic);
        }
    }

    fn is_under_way(&self, command: &Command) -> bool {
        let Command::Request(request) = command else { return false };
        request.id.as_ref().is_some_and(|id| self.on_the_wire.contains(id))
    }

    /// One of the client's addresses, or its first if none is named.
    pub(super) fn speaker(&self, command: &Command) -> Option<ActorAddress> {
        let Command::Request(request) = command else { return None };
        let mut wished = self.wishes.iter().map(|(address, _)| address);
        let speaks = wished.find(|wished| request.from.as_ref().is_none_or(|from| from == *wished));
        speaks.cloned()
    }
}
