//! What a raw connection says: frames made of steps, with what it has been told so far. No I/O, no
//! answers of its own, no coming back.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::client::Reading;
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage};
use signal_hub::protocol::{
    ActorAddress, ClientFrame, Connect, Disconnect, Epoch, Json, MessageId, PROTOCOL_VERSION,
    Pattern, Position, Recover, Recovery, RecoveryWish, Register, Renew, RenewalToken, Reply,
    Request, Subscribe, Subscription, SubscriptionId, Topic, Unregister, Unsubscribe, Verb,
};
use signal_hub::time::Timestamp;

use super::{Issuer, LoweredRequest, Own, address, ask, request};
use crate::history::ClientName;
use uuid::Uuid;

use crate::scenario::{Action, Scenario, WhichPosition, WhichToken};

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
    positions: BTreeMap<ActorAddress, Positions>,
}

impl RawSession {
    /// `name` as in a scenario, `own` its actor.
    pub fn new(name: &str, own: Own, hub: ActorAddress, registration_ttl: Duration) -> Self {
        Self {
            name: name.to_owned(),
            own,
            hub,
            registration_ttl,
            requests: 0,
            tokens: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            positions: BTreeMap::new(),
        }
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
        self.moved(message);
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

    /// Takes note of where its addresses stand now.
    fn moved(&mut self, message: &HubMessage) {
        if let (Some(seq), Some(known)) = (message.seq, self.positions.get_mut(&message.to)) {
            known.pass(seq);
        }
        let (address, recovery) = match &message.body {
            HubBody::Reply { reply: Reply::Registered(told), .. } => {
                (&told.actor_address, told.recovery.as_ref())
            }
            HubBody::Reply { reply: Reply::Recovered(told), .. } => {
                (&told.actor_address, Some(&told.recovery))
            }
            _ => return,
        };
        if let Some(recovery) = recovery {
            self.positions.entry(address.clone()).or_default().follow(recovery);
        }
    }

    /// Takes over where another connection of the actor stands.
    pub fn stands_at(mut self, address: &ActorAddress, positions: Positions) -> Self {
        self.positions.insert(address.clone(), positions);
        self
    }

    fn position(&self, address: &ActorAddress, which: WhichPosition) -> Option<Position> {
        self.positions.get(address)?.which(which)
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
            Action::Register { address, ttl, renew_on_heartbeat, recovery } => {
                let actor_address = named(address).unwrap_or_else(|| speaker.clone());
                let wish = |which| {
                    let position = self.position(&actor_address, which);
                    position.map_or(RecoveryWish::Begin, RecoveryWish::From)
                };
                let recovery = recovery.map(wish);
                Verb::Register(Register {
                    actor_address,
                    capabilities: vec!["messaging".to_owned()],
                    metadata: Json::EMPTY_OBJECT,
                    ttl: ttl.unwrap_or(self.registration_ttl),
                    renew_on_heartbeat: *renew_on_heartbeat,
                    recovery,
                })
            }
            Action::Recover { address, position } => {
                let named = named(address);
                let position = self.position(named.as_ref().unwrap_or(speaker), *position);
                let after = position.map_or(0, |position| position.after);
                Verb::Recover(Recover { actor_address: named, after })
            }
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
            Action::Subscribe { topic, durable } => {
                Verb::Subscribe(Subscribe { topic: topic.clone(), durable: *durable })
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

/// Where an address stands, and the epoch before that.
#[derive(Debug, Clone, Copy, Default)]
pub struct Positions {
    reading: Reading,
    ended: Option<Epoch>,
}

impl Positions {
    /// A numbered message came.
    pub fn pass(&mut self, seq: NonZeroU64) {
        self.reading.pass(seq);
    }

    /// The hub says where the address stands.
    pub fn follow(&mut self, told: &Recovery) {
        let Some(epoch) = told.epoch else { return };
        let before = self.latest().map(|before| before.epoch);
        self.reading.follow(Some(told));
        self.ended = before.filter(|before| *before != epoch).or(self.ended);
    }

    /// That of the latest message.
    pub fn latest(&self) -> Option<Position> {
        self.reading.position()
    }

    fn which(&self, which: WhichPosition) -> Option<Position> {
        let latest = self.latest()?;
        let at = |epoch, after| Some(Position { epoch, after });
        match which {
            WhichPosition::Begin => None,
            WhichPosition::Latest => Some(latest),
            WhichPosition::Start => at(latest.epoch, 0),
            WhichPosition::Ahead => at(latest.epoch, latest.after + 100_000),
            WhichPosition::Before => at(self.ended?, 0),
            WhichPosition::Foreign => at(Epoch::new(Uuid::from_u128(1)), latest.after),
        }
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
