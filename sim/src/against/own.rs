//! The dialect of this project's own protocol (docs/PROTOCOL.md), with what weaker hubs of it leave out.

mod asking;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use signal_hub::hub::Config;
use signal_hub::protocol::codec::{
    HubBody, HubFrame, HubMessage, decode_hub_frame, encode_client_frame,
};
use signal_hub::protocol::{
    self, ActorAddress, ClientFrame, CloseReason, MessageId, RenewalToken, Reply, Request,
    SubscriptionId, Topic,
};
use signal_hub::time::Timestamp;

use super::dialect::{
    Connection, Dialect, Frame, Mute, Operation, Promise, Promises, Report, Turn, Verb,
};
use crate::scenario::{self, WhichToken};
use asking::verb;

pub use reading::{heard, pong};

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
        lease: None,
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
