//! Reads in one pass what clients send most. It gives up on whatever is unusual - an escape in a
//! name, a repeated key, a mistake - and never refuses, so the thorough reading alone says why a
//! frame is refused.

use std::sync::Arc;
use std::time::Duration;

use super::scanner::{Scanner, set};
use super::{Pattern, envelope_metadata, json, object_json};
use crate::protocol::codec::Bounds;
use crate::protocol::{
    ActorAddress, AuthToken, Connect, FrameBytes, Heartbeat, MessageId, Publish, Recipient,
    Register, Request, Send, Subscribe, Topic, Verb,
};
use crate::time::Timestamp;

/// Reads a frame that has nothing unusual. None: [`decode_thoroughly`](super::decode_thoroughly)
/// has to tell.
pub fn decode_plain_frame(frame: &[u8], bounds: &Bounds) -> Option<Request> {
    read(std::str::from_utf8(frame).ok()?, bounds).map(|(_, request)| request)
}

/// Reads the text of a frame.
pub(super) fn read<'a>(text: &'a str, bounds: &Bounds) -> Option<(Envelope<'a>, Request)> {
    let (mut scanner, mut envelope) = (Scanner::new(text), Envelope::default());
    scanner.object(|scanner, key| envelope.read(key, scanner, bounds))?;
    scanner.end()?;
    let request = envelope.request(bounds, FrameBytes(text.len()))?;
    Some((envelope, request))
}

#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub id: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    kind: Option<Kind>,
    pattern: Option<Pattern>,
    /// With the place where it ends.
    pub timestamp: Option<(u64, usize)>,
    /// Whether there is one, and whether it is null.
    has_payload: Option<Option<()>>,
    pub payload: Payload<'a>,
    pub metadata: Option<Option<&'a str>>,
    ttl: Option<Option<u64>>,
    pub correlation_id: Option<Option<&'a str>>,
    pub signature: Option<Option<&'a str>>,
}

/// The fields of all kinds; a kind ignores those that are not its own.
#[derive(Default)]
pub(super) struct Payload<'a> {
    pub to: Option<Option<&'a str>>,
    pub topic: Option<Option<&'a str>>,
    pub kind: Option<Option<&'a str>>,
    pub data: Option<Option<&'a str>>,
    timestamp: Option<Option<&'a str>>,
    durable: Option<Option<bool>>,
    queue: Option<Option<bool>>,
    actor_address: Option<Option<&'a str>>,
    capabilities: Option<Vec<String>>,
    metadata: Option<Option<&'a str>>,
    ttl_seconds: Option<Option<u64>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Heartbeat,
    Publish,
    Register,
    Send,
    Subscribe,
}

impl Kind {
    /// Another kind ends the reading where it stands, most often before the payload.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "hub:connect" => Some(Kind::Connect),
            "hub:heartbeat" => Some(Kind::Heartbeat),
            "hub:publish" => Some(Kind::Publish),
            "hub:register" => Some(Kind::Register),
            "hub:send" => Some(Kind::Send),
            "hub:subscribe" => Some(Kind::Subscribe),
            _ => None,
        }
    }
}

impl<'a> Envelope<'a> {
    fn read(&mut self, key: &[u8], scanner: &mut Scanner<'a>, bounds: &Bounds) -> Option<()> {
        match key {
            b"id" => set(&mut self.id, scanner.string()?),
            b"from" => set(&mut self.from, scanner.string()?),
            b"to" => set(&mut self.to, scanner.string()?),
            b"type" => set(&mut self.kind, Kind::parse(scanner.string()?)?),
            b"pattern" => match scanner.string()? {
                "tell" => set(&mut self.pattern, Pattern::Tell),
                "ask" => set(&mut self.pattern, Pattern::Ask),
                _ => None,
            },
            b"timestamp" => {
                let number = scanner.number()?;
                set(&mut self.timestamp, (number, scanner.at()))
            }
            b"payload" => {
                let payload = &mut self.payload;
                let read = |scanner: &mut Scanner<'a>| {
                    scanner.object(|scanner, key| payload.read(key, scanner, bounds))
                };
                set(&mut self.has_payload, scanner.optional(read)?)
            }
            b"metadata" => set(&mut self.metadata, scanner.optional(Scanner::value)?),
            b"ttl" => set(&mut self.ttl, scanner.optional(Scanner::number)?),
            b"correlationId" => set(&mut self.correlation_id, scanner.optional(Scanner::string)?),
            b"signature" => set(&mut self.signature, scanner.optional(Scanner::string)?),
            _ => scanner.value().map(drop),
        }
    }

    fn request(&mut self, bounds: &Bounds, frame_bytes: FrameBytes) -> Option<Request> {
        let to = bounds.recipient(self.to?)?;
        let metadata = self.metadata.flatten();
        let verb = match self.kind? {
            Kind::Connect => Verb::Connect(connect(metadata?)?),
            kind => {
                bounds.check_metadata(metadata).ok()?;
                self.payload.verb(kind, &to, metadata, bounds)?
            }
        };
        let type_name = verb.type_name();
        bounds.check_type(type_name).ok()?;
        Some(Request {
            id: MessageId::parse(self.id?).ok()?,
            from: ActorAddress::parse(self.from?).ok()?,
            to,
            type_name: type_name.into(),
            pattern: self.pattern?,
            timestamp: Timestamp::from_millis(self.timestamp?.0),
            ttl: self.ttl.flatten().map(Duration::from_millis),
            metadata: envelope_metadata(metadata).ok()?,
            frame_bytes,
            verb: Ok(verb),
        })
    }
}

impl<'a> Payload<'a> {
    fn read(&mut self, key: &[u8], scanner: &mut Scanner<'a>, bounds: &Bounds) -> Option<()> {
        match key {
            b"to" => set(&mut self.to, scanner.optional(Scanner::string)?),
            b"topic" => set(&mut self.topic, scanner.optional(Scanner::string)?),
            b"type" => set(&mut self.kind, scanner.optional(Scanner::string)?),
            b"data" => set(&mut self.data, scanner.optional(Scanner::value)?),
            b"timestamp" => set(&mut self.timestamp, scanner.optional(Scanner::value)?),
            b"durable" => set(&mut self.durable, scanner.optional(Scanner::flag)?),
            b"queue" => set(&mut self.queue, scanner.optional(Scanner::flag)?),
            // Rare: whoever recovers registers with it once a connection.
            b"recovery" => None,
            b"actorAddress" => set(&mut self.actor_address, scanner.optional(Scanner::string)?),
            b"capabilities" => {
                let (items_max, bytes_max) = (bounds.capabilities_max, bounds.capability_bytes_max);
                set(&mut self.capabilities, scanner.strings(items_max, bytes_max)?)
            }
            b"metadata" => set(&mut self.metadata, scanner.optional(Scanner::value)?),
            b"ttlSeconds" => set(&mut self.ttl_seconds, scanner.optional(Scanner::number)?),
            _ => scanner.value().map(drop),
        }
    }

    /// `to` and `metadata` are the envelope's.
    fn verb(
        &mut self,
        kind: Kind,
        to: &ActorAddress,
        metadata: Option<&str>,
        bounds: &Bounds,
    ) -> Option<Verb> {
        Some(match kind {
            Kind::Connect => return None,
            Kind::Heartbeat => {
                Verb::Heartbeat(Heartbeat { timestamp: json(self.timestamp.flatten()) })
            }
            Kind::Publish => Verb::Publish(Publish {
                topic: self.topic()?,
                kind: application_type(self.kind.flatten()?, bounds)?,
                data: json(self.data.flatten()),
            }),
            Kind::Register => Verb::Register(self.register(metadata, bounds)?),
            Kind::Send => Verb::Send(Send {
                to: match self.to.flatten() {
                    Some(text) if !text.is_empty() => Recipient::parse(text).ok()?,
                    Some(_) | None => to.clone().into(),
                },
                kind: application_type(self.kind.flatten()?, bounds)?,
                data: json(self.data.flatten()),
                queue: self.queue.flatten().unwrap_or(true),
            }),
            Kind::Subscribe => Verb::Subscribe(Subscribe {
                topic: self.topic()?,
                durable: self.durable.flatten().unwrap_or_default(),
            }),
        })
    }

    fn topic(&self) -> Option<Topic> {
        Topic::parse(self.topic.flatten()?).ok()
    }

    fn register(&mut self, envelope: Option<&str>, bounds: &Bounds) -> Option<Register> {
        bounds.check_registration(self.metadata.flatten()).ok()?;
        let metadata = object_json("metadata", self.metadata.flatten()).ok()?;
        let envelope = object_json("metadata", envelope).ok()?;
        let renews = Register::renews_on_heartbeat;
        let ttl = self.ttl_seconds.flatten().map_or(Register::TTL_DEFAULT, Duration::from_secs);
        let register = Register {
            actor_address: ActorAddress::parse(self.actor_address.flatten()?).ok()?,
            capabilities: self.capabilities.take()?,
            renew_on_heartbeat: renews(&metadata) || renews(&envelope),
            recovery: None,
            metadata,
            ttl: ttl.min(Register::TTL_MAX),
        };
        (!ttl.is_zero()).then_some(register)
    }
}

/// The type of application data.
pub(super) fn application_type(kind: &str, bounds: &Bounds) -> Option<Arc<str>> {
    bounds.check_type(kind).ok()?;
    (!kind.is_empty() && !kind.starts_with("hub:")).then(|| kind.into())
}

/// What `metadata` asks of a connection.
fn connect(metadata: &str) -> Option<Connect> {
    let (mut version, mut capabilities, mut token, mut client) = (None, None, None, None);
    Scanner::new(metadata).object(|scanner, key| match key {
        b"protocolVersion" => set(&mut version, scanner.string()?),
        b"capabilities" => set(&mut capabilities, scanner.strings(usize::MAX, usize::MAX)?),
        b"authToken" => set(&mut token, scanner.optional(Scanner::string)?),
        b"clientMetadata" => set(&mut client, scanner.optional(Scanner::value)?),
        _ => scanner.value().map(drop),
    })?;
    let client_metadata = match client.flatten() {
        None => None,
        client => Some(object_json("clientMetadata", client).ok()?),
    };
    Some(Connect {
        protocol_version: version?.to_owned(),
        capabilities: capabilities?,
        auth_token: token.flatten().map(AuthToken::new),
        client_metadata,
    })
}
