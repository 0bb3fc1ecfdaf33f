//! What an actor wants of its clients, whichever of them runs.

use std::collections::BTreeSet;
use std::time::Duration;

use signal_hub::client::{ActorConfig, ClientConfig, HubUrl};
use signal_hub::protocol::{ActorAddress, Topic};

use super::{Commands, Issuer, Own, address, command};
use crate::scenario::{Action, Actor, Scenario, Shown, Token};

/// Addresses to be at, and topics to hear of.
pub struct Wishes {
    own: Own,
    /// What the next client connects with, or what it gets others like.
    token: Option<Token>,
    hub: ActorAddress,
    /// Of registrations that name none.
    registration_ttl: Duration,
    /// The first is its own.
    addresses: Vec<ActorAddress>,
    topics: BTreeSet<Topic>,
}

impl Wishes {
    /// What the actor wants in the beginning.
    pub fn of(scenario: &Scenario, actor: &Actor, began: Duration) -> Self {
        let names = std::iter::once(&actor.name).chain(&actor.addresses);
        let issuer = Issuer::new(scenario, began);
        Self {
            token: issuer.own(&actor.name),
            own: Own::new(&actor.name, issuer),
            hub: scenario.hub.hub_address.clone(),
            registration_ttl: scenario.clients.registration_ttl,
            addresses: names.map(|name| address(name)).collect(),
            topics: BTreeSet::new(),
        }
    }

    /// The actor's own address.
    pub fn own(&self) -> &ActorAddress {
        &self.own.address
    }

    /// How a client is set that starts now; `elapsed` tells it the time since the run began.
    pub fn config(
        &self,
        hub: HubUrl,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> ClientConfig {
        let Own { name, issuer, .. } = &self.own;
        let (token, lasts) = (self.token.as_ref(), issuer.lasts(name));
        let token_source =
            token.zip(lasts).map(|(token, lasts)| issuer.source(token, lasts, elapsed));
        let ttl = self.registration_ttl;
        let actors = self.addresses.iter().enumerate().map(|(number, address)| {
            let topics = match number {
                0 => self.topics.iter().cloned().collect(),
                _ => Vec::new(),
            };
            ActorConfig { ttl, topics, ..ActorConfig::new(address.clone()) }
        });
        ClientConfig {
            hub_address: self.hub.clone(),
            auth_token: token.filter(|_| lasts.is_none()).map(|token| issuer.signed(token)),
            token_source,
            backoff_max: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            ..ClientConfig::new(hub, actors.collect())
        }
    }

    /// What a client is told to do: nothing if the action is not for its command
    /// queue. Remembers what the actor wants from now on.
    pub fn commands(&mut self, number: usize, speaker: Option<&str>, action: &Action) -> Commands {
        if speaker.is_none() {
            self.note(action);
        }
        let times = if matches!(action, Action::AskTwice { .. }) { 2 } else { 1 };
        let command = command(number, &self.own, speaker, self.registration_ttl, action);
        command.map_or_else(Vec::new, |command| vec![command; times])
    }

    /// A client that starts later has the token of the actor's own that lasts longest.
    fn note_token(&mut self, token: &Token) {
        let is_own = token.of.as_ref().is_none_or(|of| *of == self.own.name);
        let whole = self.own.issuer.whole(&self.own.name, token);
        let known = self.token.as_ref().map(Token::expires);
        if is_own && whole.flaw.is_none() && known.is_none_or(|known| known <= whole.expires()) {
            self.token = Some(whole);
        }
    }

    fn note(&mut self, action: &Action) {
        if let Action::Subscribe { topic } = action {
            self.topics.insert(topic.clone());
        } else if let Action::Unsubscribe { topic, .. } = action {
            self.topics.remove(topic);
        } else if let Action::RefreshToken { token: Shown::Token(token) } = action {
            self.note_token(token);
        }
    }
}
