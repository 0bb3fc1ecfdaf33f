//! What a raw connection says: frames made of steps, with what it has been told so far. No I/O, no
//! answers of its own, no coming back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{
    ActorAddress, ClientFrame, Connect, Disconnect, Json, MessageId, PROTOCOL_VERSION, Pattern,
    Register, Renew, RenewalToken, Reply, Request, Subscribe, Subscription, SubscriptionId, Topic,
    Unregister, Unsubscribe, Verb,
};
use signal_hub::time::Timestamp;

use super::{Issuer, LoweredRequest, Own, address, ask, request};
use crate::history::ClientName;
use crate::scenario::{Action, Scenario, WhichToken};

/// How long a close handshake may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of one raw connection, over all its openings.
pub struct RawSession {
    name: String,
    own: Own,
    hub: ActorAddress,
    registration_ttl: Duration,
    requests: u32,
    /// The latest renewal token of each address, and the one before it.
    tokens: BTreeMap<ActorAddress, [Option<RenewalToken>; 2]>,
    subscriptions: BTreeMap<Topic, SubscriptionId>,
}

impl RawSession {
    /// `name` as in a scenario, `own` its actor.
    pub fn new(name: &str, own: Own, hub: ActorAddress, registration_ttl: Duration) -> Self {
        let (requests, tokens, subscriptions) = Default::default();
        Self { name: name.to_owned(), own, hub, registration_ttl, requests, tokens, subscriptions }
    }

    /// That of a raw connection in a run that began then.
    pub fn of(scenario: &Scenario, began: Duration, name: &ClientName) -> Self {
        let hub = scenario.hub.hub_address.clone();
        let own = Own::new(&name.actor, Issuer::new(scenario, began));
        let who = name.who().to_string();
        Self::new(&who, own, hub, scenario.clients.registration_ttl)
    }

    /// Takes note of what came.
    pub fn received(&mut self, frame: &HubFrame) {
        let HubFrame::Message(message) = frame else { return };
        let HubBody::Reply { reply, .. } = &message.body else { return };
        let (address, token) = match reply {
            Reply::Registered(registered) => (&registered.actor_address, &registered.renewal_token),
            Reply::Renewed(renewed) => (&renewed.actor_address, &renewed.renewal_token),
            Reply::Subscribed(subscribed) => {
                let topic = subscribed.topic.clone();
                self.subscriptions.insert(topic, subscribed.subscription_id);
                return;
            }
            _ => return,
        };
        let tokens = self.tokens.entry(address.clone()).or_default();
        *tokens = [Some(*token), tokens[0].take()];
    }

    /// The frame that the action says, if it says one; and the id of the reply to wait for.
    pub fn say(
        &mut self,
        now: Timestamp,
        number: usize,
        speaker: Option<&str>,
        action: &Action,
    ) -> Option<(ClientFrame, Option<MessageId>)> {
        if matches!(action, Action::Ping) {
            return Some((ClientFrame::Ping, None));
        }
        let speaker = speaker.map_or_else(|| self.own.address.clone(), address);
        let LoweredRequest { pattern, verb, id, ttl } = match request(&self.own, number, action) {
            Some(lowered) => lowered,
            None => ask(self.verb(&speaker, action)?),
        };
        self.requests += 1;
        let id = id.unwrap_or_else(|| {
            let text = format!("{}-{}", self.name.replace('/', "."), self.requests);
            MessageId::parse(&text).expect("a short plain text is an id")
        });
        let awaited = (pattern == Pattern::Ask).then(|| id.clone());
        let to = self.hub.clone();
        let request = Request { ttl, ..Request::new(id, speaker, to, pattern, now, verb) };
        Some((ClientFrame::Request(Arc::new(request)), awaited))
    }

    fn verb(&self, speaker: &ActorAddress, action: &Action) -> Option<Verb> {
        let named = |name: &Option<String>| name.as_deref().map(address);
        Some(match action {
            Action::Connect { protocol_version, token } => Verb::Connect(Connect {
                protocol_version: protocol_version
                    .as_deref()
                    .unwrap_or(PROTOCOL_VERSION)
                    .to_owned(),
                capabilities: vec!["messaging".to_owned()],
                auth_token: token.as_ref().map(|token| self.own.token(token)),
                client_metadata: None,
            }),
            Action::Register { address, ttl, renew_on_heartbeat } => Verb::Register(Register {
                actor_address: named(address).unwrap_or_else(|| speaker.clone()),
                capabilities: vec!["messaging".to_owned()],
                metadata: Json::EMPTY_OBJECT,
                ttl: ttl.unwrap_or(self.registration_ttl),
                renew_on_heartbeat: *renew_on_heartbeat,
                recovery: None,
            }),
            Action::Unregister { address } => {
                Verb::Unregister(Unregister { actor_address: named(address) })
            }
            Action::Renew { address, token } => {
                let address = named(address).unwrap_or_else(|| speaker.clone());
                let known = self.tokens.get(&address);
                let renewal_token = match token {
                    WhichToken::Latest => known.and_then(|tokens| tokens[0]),
                    WhichToken::Used => known.and_then(|tokens| tokens[1]),
                    WhichToken::None => None,
                };
                Verb::Renew(Renew { renewal_token })
            }
            Action::Subscribe { topic } => {
                Verb::Subscribe(Subscribe { topic: topic.clone(), durable: false })
            }
            Action::Unsubscribe { topic, by_id } => {
                let id = self.subscriptions.get(topic).filter(|_| *by_id);
                let by_topic = || Subscription::Topic(topic.clone());
                let subscription = id.map_or_else(by_topic, |id| Subscription::Id(*id));
                Verb::Unsubscribe(Unsubscribe { subscription })
            }
            Action::Disconnect => Verb::Disconnect(Disconnect { reason: None }),
            _ => return None,
        })
    }
}

/// The id of the request that the frame replies to.
pub fn answered(frame: &HubFrame) -> Option<&MessageId> {
    let HubFrame::Message(message) = frame else { return None };
    match &message.body {
        HubBody::Reply { correlation, .. } => correlation.as_ref(),
        HubBody::Notice(_) | HubBody::Delivery { .. } | HubBody::Unknown { .. } => None,
    }
}
