//! What an actor wants of its clients, whichever of them runs.

use std::collections::BTreeSet;
use std::time::Duration;

use signal_hub::client::{ActorConfig, ClientConfig, Command, HubUrl};
use signal_hub::protocol::{ActorAddress, Topic};
use signal_hub::time::Timestamp;

use super::{Commands, Issuer, Own, address, command};
use crate::scenario::{Action, Actor, Scenario, Shown, Step, Token};

/// Longer than whatever comes after the steps of a run.
const ENDING_MAX: Duration = Duration::from_secs(3_600);

/// Addresses to be at, and topics to hear of.
pub struct Wishes {
    own: Own,
    /// What the next client connects with, or what it gets others like.
    token: Option<Token>,
    hub: ActorAddress,
    /// Of registrations that name none.
    registration_ttl: Duration,
    /// Whether its addresses recover.
    recovers: bool,
    /// The first is its own.
    addresses: Vec<ActorAddress>,
    topics: BTreeSet<Topic>,
    /// After the run.
    after: Timestamp,
}

impl Wishes {
    /// What the actor wants in the beginning.
    pub fn of(scenario: &Scenario, actor: &Actor, began: Duration) -> Self {
        let names = std::iter::once(&actor.name).chain(&actor.addresses);
        let issuer = Issuer::new(scenario, began);
        let last = scenario.steps.iter().filter_map(Step::begins_at).max().unwrap_or_default();
        let after = (began + last + ENDING_MAX).as_millis();
        Self {
            after: Timestamp::from_millis(u64::try_from(after).unwrap_or(u64::MAX)),
            token: issuer.own(&actor.name),
            own: Own::new(&actor.name, issuer),
            hub: scenario.hub.hub_address.clone(),
            registration_ttl: scenario.clients.registration_ttl,
            recovers: scenario.clients.recovering.contains(&actor.name),
            addresses: names.map(|name| address(name)).collect(),
            topics: BTreeSet::new(),
        }
    }

    /// The actor's own address.
    pub fn own(&self) -> &ActorAddress {
        &self.own.address
    }

    /// When the token of a client may end at the earliest that has no source of others: after the run.
    pub fn outlasts(&self) -> Option<Timestamp> {
        let has_source = self.own.issuer.lasts(&self.own.name).is_some();
        self.token.as_ref().filter(|_| !has_source).map(|_| self.after)
    }

    /// How a client is set that starts now; `elapsed` tells it the time since the run began.
    pub fn config(
        &self,
        hub: HubUrl,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> ClientConfig {
        let Own { name, issuer, .. } = &self.own;
        let lasts = issuer.lasts(name);
        let now = elapsed();
        // Whoever starts with none that is good gets one first.
        let token = self.token.as_ref().map(|token| match lasts {
            None if token.expires() <= now => Token { exp: None, ..token.clone() },
            None | Some(_) => token.clone(),
        });
        let token_source =
            token.as_ref().zip(lasts).map(|(token, lasts)| issuer.source(token, lasts, elapsed));
        let ttl = self.registration_ttl;
        let actors = self.addresses.iter().enumerate().map(|(number, address)| {
            let topics = match number {
                0 => self.topics.iter().cloned().collect(),
                _ => Vec::new(),
            };
            let recovery = self.recovers;
            ActorConfig { ttl, topics, recovery, ..ActorConfig::new(address.clone()) }
        });
        ClientConfig {
            hub_address: self.hub.clone(),
            auth_token: token.filter(|_| lasts.is_none()).map(|token| issuer.signed(&token)),
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
        let mut command = command(number, &self.own, speaker, self.registration_ttl, action);
        if let Some(Command::Register(config)) = &mut command {
            config.recovery = self.recovers;
        }
        command.map_or_else(Vec::new, |command| vec![command; times])
    }

    /// A client that starts later has the token of the actor's own that lasts longest.
    fn note_token(&mut self, token: &Token) {
        let is_own = token.of.as_ref().is_none_or(|of| *of == self.own.name);
        let whole = self.own.issuer.whole(&self.own.name, token);
        let known = self.token.as_ref().map(Token::expires);
        let is_valid = whole.flaw.is_none() && whole.nbf.is_none();
        if is_own && is_valid && known.is_none_or(|known| known <= whole.expires()) {
            self.token = Some(whole);
        }
    }

    fn note(&mut self, action: &Action) {
        if let Action::Subscribe { topic, .. } = action {
            self.topics.insert(topic.clone());
        } else if let Action::Unsubscribe { topic, .. } = action {
            self.topics.remove(topic);
        } else if let Action::RefreshToken { token: Shown::Token(token) } = action {
            self.note_token(token);
        }
    }
}
