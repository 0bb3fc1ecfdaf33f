//! The dialect of this project's own protocol (docs/PROTOCOL.md), with what weaker hubs of it leave out.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;
use signal_hub::hub::Config;
use signal_hub::protocol::codec::{
    HubBody, HubFrame, HubMessage, decode_hub_frame, encode_client_frame, payload_text,
};
use signal_hub::protocol::{
    self, ActorAddress, ClientFrame, CloseReason, Connect, DisconnectNotice, Discover, ErrorCode,
    Glob, Json, ListActors, MessageId, PROTOCOL_VERSION, Pattern, RenewalToken, Reply, Request,
    Route, Subscribe, Subscription, SubscriptionId, Topic, Unregister, UnregisterReason,
    Unsubscribe,
};
use signal_hub::time::Timestamp;

use super::dialect::{
    Connection, Dialect, Frame, Heard, Mute, Notice, Operation, Promise, Promises, Refusal, Report,
    Turn, Verb,
};
use crate::scenario::{self, NOTE, WhichToken};

/// Pings of one connection whose answers are awaited; answers beyond are nobody's.
const PINGS_MAX: usize = 1_024;
/// What one of the messages that a queue has room for may weigh.
const WEIGHT_BYTES_MAX: usize = 16 * 1024;
/// A table with room for less forgets in a storm what it need not keep.
const TABLE_MIN: usize = 1_000;

/// Speaks to a hub of this protocol.
pub struct Own {
    hub: ActorAddress,
    promises: Promises,
    connections: BTreeMap<Connection, Session>,
    /// What the latest connection of a client was told, after its end.
    past: BTreeMap<String, Session>,
}

/// What a client was told so far, as far as it matters for what it says.
#[derive(Default)]
struct Session {
    client: String,
    /// The latest renewal token of each address, and the one before it.
    tokens: BTreeMap<ActorAddress, [Option<RenewalToken>; 2]>,
    /// The id of the latest subscription to each topic.
    subscriptions: BTreeMap<Topic, SubscriptionId>,
    /// The pings that are not answered yet, in the order of asking.
    pings: VecDeque<String>,
}

/// What a hub of this protocol promises that is set so.
pub fn promises_of(config: &Config) -> Promises {
    let may_forget = config.registrations_max < TABLE_MIN;
    let remembers = !config.dedupe_window.is_zero()
        && config.dedupe_entries_max.min(config.dedupe_entries_per_address_max) >= TABLE_MIN;
    let room = config.queue_messages_max.min(config.queue_bytes_max / WEIGHT_BYTES_MAX);
    let resumes = !config.resume_window.is_zero() && !may_forget;
    let holds = |promise: &Promise| match promise {
        Promise::Resume => resumes,
        Promise::Dedupe => remembers,
        _ => true,
    };
    Promises {
        keeps: Promise::ALL.into_iter().filter(holds).collect(),
        verbs: None,
        resume_window: resumes.then_some(config.resume_window),
        heartbeat: Some(served(config).heartbeat_interval),
        idle_timeout: Some(config.idle_timeout),
        dedupe_window: remembers.then_some(config.dedupe_window),
        patience: None,
        room: u64::try_from(room).ok(),
        one_address: false,
        superseded_code: Some(CloseReason::DuplicateConnection.code()),
        idle_code: Some(CloseReason::IdleTimeout.code()),
    }
}

/// The settings as they are served: a hub that is started as users start it wants signs of life more often than it
/// ends the silent, and files leave them out where they play no part.
pub fn served(config: &Config) -> Config {
    let idle = config.idle_timeout;
    let sooner = |interval: Duration| if interval < idle { interval } else { idle / 2 };
    Config {
        heartbeat_interval: sooner(config.heartbeat_interval),
        ping_interval: sooner(config.ping_interval),
        ..config.clone()
    }
}

impl Own {
    /// Speaks to a hub that is set so.
    pub fn new(config: &Config) -> Self {
        let (hub, promises) = (config.hub_address.clone(), promises_of(config));
        Self { hub, promises, connections: BTreeMap::new(), past: BTreeMap::new() }
    }

    fn request(&self, connection: Connection, operation: &Operation) -> Result<Request, Mute> {
        let id = MessageId::parse(&operation.id).map_err(|why| no_words(&operation.id, &why))?;
        let speaker = address(&operation.speaker)?;
        let session = self.connections.get(&connection);
        let (verb, pattern, ttl) = verb(session, &speaker, &operation.verb)?;
        let (to, now) = (self.hub.clone(), now());
        Ok(Request { ttl, ..Request::new(id, speaker, to, pattern, now, verb) })
    }
}

impl Dialect for Own {
    fn promises(&self) -> &Promises {
        &self.promises
    }

    fn opened(&mut self, connection: Connection, client: &str) -> Turn {
        let past = self.past.remove(client).unwrap_or_default();
        let session = Session { client: client.to_owned(), pings: VecDeque::new(), ..past };
        self.connections.insert(connection, session);
        Turn::default()
    }

    fn say(&mut self, connection: Connection, operation: &Operation) -> Result<Turn, Mute> {
        let frame = if matches!(operation.verb, Verb::Ping) {
            let pings = &mut self.connections.entry(connection).or_default().pings;
            if pings.len() < PINGS_MAX {
                pings.push_back(operation.id.clone());
            }
            ClientFrame::Ping
        } else {
            ClientFrame::Request(self.request(connection, operation)?.into())
        };
        let frames = vec![Frame::Text(encode_client_frame(&frame))];
        Ok(Turn { frames, heard: Vec::new() })
    }

    fn hear(&mut self, connection: Connection, frame: &Frame) -> Result<Turn, Mute> {
        let bytes = match frame {
            Frame::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Frame::Binary(bytes) => Bytes::copy_from_slice(bytes),
        };
        let session = self.connections.entry(connection).or_default();
        let heard = match decode_hub_frame(&bytes) {
            Ok(HubFrame::Pong) => pong(session.pings.pop_front()),
            Ok(HubFrame::Message(message)) => {
                session.note(&message);
                heard(&message)
            }
            Err(why) => Report::Unreadable { why: why.to_string() }.into(),
        };
        Ok(Turn { frames: Vec::new(), heard: vec![heard] })
    }

    fn closed(&mut self, connection: Connection) {
        let session = self.connections.remove(&connection);
        self.past.extend(session.map(|session| (session.client.clone(), session)));
    }
}

impl Session {
    fn note(&mut self, message: &HubMessage) {
        let HubBody::Reply { reply, .. } = &message.body else { return };
        let (address, token) = match reply {
            Reply::Registered(registered) => (&registered.actor_address, registered.renewal_token),
            Reply::Renewed(renewed) => (&renewed.actor_address, renewed.renewal_token),
            Reply::Subscribed(told) => {
                self.subscriptions.insert(told.topic.clone(), told.subscription_id);
                return;
            }
            _ => return,
        };
        let tokens = self.tokens.entry(address.clone()).or_default();
        *tokens = [Some(token), tokens[0]];
    }

    fn token(&self, address: &ActorAddress, which: WhichToken) -> Option<RenewalToken> {
        let [latest, used] = self.tokens.get(address)?;
        match which {
            WhichToken::Latest => *latest,
            WhichToken::Used => *used,
            WhichToken::None => None,
        }
    }
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "hubs elsewhere live by the time of the world")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// The address of a name of the run.
fn address(name: &str) -> Result<ActorAddress, Mute> {
    scenario::address(name).map_err(|why| no_words(name, &why))
}

/// The name of an address, as the run has it.
pub fn name(address: &ActorAddress) -> String {
    address.path().to_owned()
}

fn no_words(what: &str, why: &protocol::InvalidName) -> Mute {
    Mute::NoWords(format!("{what:?}: {why}"))
}

type Words = (protocol::Verb, Pattern, Option<Duration>);

/// What the protocol calls it.
fn verb(session: Option<&Session>, speaker: &ActorAddress, verb: &Verb) -> Result<Words, Mute> {
    let topic = |topic: &str| Topic::parse(topic).map_err(|why| no_words(topic, &why));
    let data = |payload: &Value| Json::from(payload.clone());
    let send = |to: &str, payload: &Value| {
        let to = address(to)?.into();
        Ok(protocol::Verb::Send(protocol::Send { to, kind: NOTE.into(), data: data(payload) }))
    };
    let capabilities = |more: &Option<String>| {
        std::iter::once("messaging".to_owned()).chain(more.clone()).collect()
    };
    let mut lasts = None;
    let mut pattern = Pattern::Ask;
    let verb = match verb {
        Verb::Connect { version } => protocol::Verb::Connect(Connect {
            protocol_version: version.as_deref().unwrap_or(PROTOCOL_VERSION).to_owned(),
            capabilities: capabilities(&None),
            auth_token: None,
            client_metadata: None,
        }),
        Verb::Register { address: name, ttl, renew_on_heartbeat, capability } => {
            protocol::Verb::Register(protocol::Register {
                actor_address: address(name)?,
                capabilities: capabilities(capability),
                metadata: Json::EMPTY_OBJECT,
                ttl: *ttl,
                renew_on_heartbeat: *renew_on_heartbeat,
            })
        }
        Verb::Unregister { address: name } => {
            let actor_address = Some(address(name)?);
            protocol::Verb::Unregister(Unregister { actor_address })
        }
        Verb::Renew { address: name, token } => {
            let address = address(name)?;
            let renewal_token = session.and_then(|session| session.token(&address, *token));
            protocol::Verb::Renew(protocol::Renew { renewal_token })
        }
        Verb::Subscribe { topic: name } => {
            protocol::Verb::Subscribe(Subscribe { topic: topic(name)?, durable: false })
        }
        Verb::Unsubscribe { topic: name, by_id } => {
            let topic = topic(name)?;
            let id = session.and_then(|session| session.subscriptions.get(&topic));
            let id = id.filter(|_| *by_id).map(|id| Subscription::Id(*id));
            let subscription = id.unwrap_or(Subscription::Topic(topic));
            protocol::Verb::Unsubscribe(Unsubscribe { subscription })
        }
        Verb::Tell { to, payload, ttl } => {
            (pattern, lasts) = (Pattern::Tell, *ttl);
            send(to, payload)?
        }
        Verb::Ask { to, payload, ttl } => {
            lasts = *ttl;
            send(to, payload)?
        }
        Verb::Publish { topic: name, payload, ttl } => {
            lasts = *ttl;
            let (topic, data) = (topic(name)?, data(payload));
            protocol::Verb::Publish(protocol::Publish { topic, kind: NOTE.into(), data })
        }
        Verb::Broadcast { payload, exclude_self, capability, ttl } => {
            lasts = *ttl;
            protocol::Verb::Broadcast(protocol::Broadcast {
                exclude_self: *exclude_self,
                target_capability: capability.clone(),
                ..protocol::Broadcast::new(NOTE, data(payload))
            })
        }
        Verb::Discover { pattern } => {
            let pattern = Glob::new(pattern);
            protocol::Verb::Discover(Discover { pattern, ..Discover::default() })
        }
        Verb::Query { what } => match what.as_str() {
            "list_actors" => protocol::Verb::ListActors(ListActors::default()),
            "queue_stats" => protocol::Verb::QueueStats,
            "metrics" => protocol::Verb::Metrics,
            other => return Err(Mute::NoWords(format!("there is no hub:{other}"))),
        },
        Verb::Heartbeat => protocol::Verb::Heartbeat(protocol::Heartbeat { timestamp: Json::NULL }),
        Verb::Ping => return Err(Mute::NoWords(format!("a ping of {speaker} is no request"))),
        Verb::Disconnect => protocol::Verb::Disconnect(protocol::Disconnect { reason: None }),
    };
    Ok((verb, pattern, lasts))
}

/// What the answer to this ping says.
pub fn pong(ping: Option<String>) -> Heard {
    let kind = Some("pong".to_owned());
    Heard { kind, ..Heard::from(ping.map_or(Report::Other, done)) }
}

/// What a message from the hub says, in neutral words.
pub fn heard(message: &HubMessage) -> Heard {
    let kind = Some(message.type_name().to_owned());
    let report = match &message.body {
        HubBody::Reply { correlation, reply } => {
            answer(correlation.as_ref().map(MessageId::to_string), reply)
        }
        HubBody::Notice(notice) => told(message, notice),
        HubBody::Delivery { payload, route, .. } => {
            let topic = match route {
                Route::Publication { topic } => Some(topic.to_string()),
                Route::Send | Route::Broadcast => None,
            };
            let (from, to) = (Some(name(&message.from)), Some(name(&message.to)));
            let report = Report::Delivered { from, to, topic, payload: value(payload.as_str()) };
            return Heard { kind, ..Heard::from(report) };
        }
        HubBody::Unknown { .. } => Report::Other,
    };
    let body = Some(value(&payload_text(&message.body)));
    Heard { report, kind, sender: Some(name(&message.from)), body }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn done(operation: String) -> Report {
    Report::Done { operation, delivered: None, failed: None, addresses: None, more: false }
}

fn counted(operation: String, copies: usize, dropped: Option<usize>) -> Report {
    let count = |number: usize| u64::try_from(number).ok();
    let (delivered, failed) = (count(copies), dropped.and_then(count));
    Report::Done { operation, delivered, failed, addresses: None, more: false }
}

fn page<'a>(
    operation: String,
    actors: impl Iterator<Item = &'a ActorAddress>,
    more: bool,
) -> Report {
    let addresses = Some(actors.map(name).collect());
    Report::Done { operation, delivered: None, failed: None, addresses, more }
}

/// What a reply says of the operation.
fn answer(operation: Option<String>, reply: &Reply) -> Report {
    let Some(operation) = operation else {
        return match reply {
            Reply::Error(refusal) => Report::Refused { operation: None, why: reason(refusal.code) },
            _ => Report::Other,
        };
    };
    match reply {
        Reply::Connected(_) => Report::Connected { operation },
        Reply::Registered(registered) => {
            let all = registered.subscription_count.is_none();
            let listed = || registered.subscriptions.iter().map(Topic::to_string).collect();
            Report::Owned {
                operation,
                address: name(&registered.actor_address),
                version: Some(registered.version),
                resumed: Some(registered.resumed),
                topics: all.then(listed),
            }
        }
        Reply::Renewed(renewed) => {
            let address = name(&renewed.actor_address);
            Report::Owned { operation, address, version: None, resumed: None, topics: None }
        }
        Reply::Discovered(page_of) => {
            let actors = page_of.actors.iter().map(|actor| &actor.address);
            page(operation, actors, page_of.has_more)
        }
        Reply::ActorList(list) => {
            let actors = list.actors.iter().map(|actor| &actor.address);
            page(operation, actors, list.has_more)
        }
        Reply::DeliveryAck(_) => counted(operation, 1, None),
        Reply::BroadcastAck(ack) => counted(operation, ack.delivered_count, Some(ack.failed_count)),
        Reply::Published(published) => counted(operation, published.subscriber_count, None),
        Reply::UnknownActor(_) => {
            Report::Refused { operation: Some(operation), why: Refusal::UnknownRecipient }
        }
        Reply::Error(refusal) => {
            Report::Refused { operation: Some(operation), why: reason(refusal.code) }
        }
        Reply::HeartbeatAck(_)
        | Reply::Disconnected(_)
        | Reply::Unregistered(_)
        | Reply::Subscribed(_)
        | Reply::Unsubscribed(_)
        | Reply::QueueStats(_)
        | Reply::Metrics(_)
        | Reply::TokenRefreshed(_) => done(operation),
    }
}

const fn reason(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::VersionMismatch => Refusal::NotConnected,
        ErrorCode::Unauthorized | ErrorCode::InvalidToken => Refusal::Unauthorized,
        ErrorCode::RateLimited | ErrorCode::BroadcastLimitExceeded => Refusal::RateLimited,
        ErrorCode::UnknownActor => Refusal::UnknownRecipient,
        ErrorCode::MessageTooLarge | ErrorCode::InternalError => Refusal::Invalid,
        ErrorCode::MessageExpired => Refusal::Expired,
        ErrorCode::Timeout => Refusal::Unavailable,
    }
}

/// What a notice says.
fn told(message: &HubMessage, notice: &protocol::Notice) -> Report {
    let (what, address) = match notice {
        protocol::Notice::Disconnect(notice) => match notice.reason.as_str() {
            DisconnectNotice::DUPLICATE_CONNECTION => (Notice::Superseded, Some(&message.to)),
            DisconnectNotice::SERVER_SHUTDOWN => (Notice::Shutdown, None),
            _ => return Report::Other,
        },
        protocol::Notice::Unregistered(notice) => match notice.reason {
            UnregisterReason::DuplicateConnection => {
                (Notice::Superseded, Some(&notice.actor_address))
            }
            UnregisterReason::Expired => (Notice::Expired, Some(&notice.actor_address)),
            UnregisterReason::TokenNarrowed | UnregisterReason::Other => return Report::Other,
        },
        protocol::Notice::Pause(notice) => (Notice::Pause, Some(&notice.actor_address)),
        protocol::Notice::Resume => (Notice::Resume, None),
    };
    Report::Told { what, address: address.map(name) }
}

#[cfg(test)]
mod tests;
