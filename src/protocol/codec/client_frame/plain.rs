//! Reads in one pass what clients send most. It gives up on whatever is unusual - an escape in a
//! name, a repeated key, a mistake - and never refuses, so the thorough reading alone says why a
//! frame is refused.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Pattern, envelope_metadata, json};
use crate::protocol::codec::Bounds;
use crate::protocol::codec::fields::Raw;
use crate::protocol::{
    ActorAddress, FrameBytes, Heartbeat, MessageId, Publish, Recipient, Request, Send, Subscribe,
    Topic, Verb,
};
use crate::time::Timestamp;

/// Reads a frame that has nothing unusual. None: [`decode_thoroughly`](super::decode_thoroughly)
/// has to tell.
pub fn decode_plain_frame(frame: &[u8], bounds: &Bounds) -> Option<Request> {
    let text = std::str::from_utf8(frame).ok()?;
    let Object(envelope): Object<Envelope<'_>> = serde_json::from_str(text).ok()?;
    envelope.request(bounds, FrameBytes(frame.len()))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: &'a str,
    from: &'a str,
    to: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    pattern: &'a str,
    timestamp: u64,
    #[serde(borrow)]
    payload: Option<Object<Payload<'a>>>,
    #[serde(borrow)]
    metadata: Raw<'a>,
    ttl: Option<u64>,
    #[serde(rename = "correlationId")]
    _correlation_id: Option<&'a str>,
    #[serde(rename = "signature")]
    _signature: Option<&'a str>,
}

/// The fields of all kinds; a kind ignores those that are not its own.
#[derive(Deserialize, Default)]
struct Payload<'a> {
    to: Option<&'a str>,
    topic: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    data: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
    durable: Option<bool>,
}

/// Another kind ends the reading where it stands, most often before the payload.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "&str")]
enum Kind {
    Heartbeat,
    Publish,
    Send,
    Subscribe,
}

impl TryFrom<&str> for Kind {
    type Error = &'static str;

    fn try_from(kind: &str) -> Result<Self, Self::Error> {
        match kind {
            "hub:heartbeat" => Ok(Kind::Heartbeat),
            "hub:publish" => Ok(Kind::Publish),
            "hub:send" => Ok(Kind::Send),
            "hub:subscribe" => Ok(Kind::Subscribe),
            _ => Err("a kind that is seldom sent"),
        }
    }
}

impl Envelope<'_> {
    fn request(self, bounds: &Bounds, frame_bytes: FrameBytes) -> Option<Request> {
        let to = ActorAddress::parse(self.to).ok()?;
        let payload = self.payload.map_or_else(Payload::default, |Object(payload)| payload);
        let verb = payload.verb(self.kind, &to, bounds)?;
        let type_name = verb.type_name();
        bounds.check_type(type_name).ok()?;
        bounds.check_metadata(self.metadata).ok()?;
        Some(Request {
            id: MessageId::parse(self.id).ok()?,
            from: ActorAddress::parse(self.from).ok()?,
            to,
            type_name: type_name.into(),
            pattern: match self.pattern {
                "tell" => Pattern::Tell,
                "ask" => Pattern::Ask,
                _ => return None,
            },
            timestamp: Timestamp::from_millis(self.timestamp),
            ttl: self.ttl.map(Duration::from_millis),
            metadata: envelope_metadata(self.metadata).ok()?,
            frame_bytes,
            verb: Ok(verb),
        })
    }
}

impl Payload<'_> {
    /// `to` is the envelope's recipient.
    fn verb(&self, kind: Kind, to: &ActorAddress, bounds: &Bounds) -> Option<Verb> {
        Some(match kind {
            Kind::Heartbeat => Verb::Heartbeat(Heartbeat { timestamp: json(self.timestamp) }),
            Kind::Publish => Verb::Publish(Publish {
                topic: self.topic()?,
                kind: self.application_type(bounds)?,
                data: json(self.data),
            }),
            Kind::Send => Verb::Send(Send {
                to: match self.to {
                    Some(text) if !text.is_empty() => Recipient::parse(text).ok()?,
                    Some(_) | None => to.clone().into(),
                },
                kind: self.application_type(bounds)?,
                data: json(self.data),
            }),
            Kind::Subscribe => Verb::Subscribe(Subscribe {
                topic: self.topic()?,
                durable: self.durable.unwrap_or_default(),
            }),
        })
    }

    fn topic(&self) -> Option<Topic> {
        Topic::parse(self.topic?).ok()
    }

    fn application_type(&self, bounds: &Bounds) -> Option<Arc<str>> {
        let kind = self.kind.filter(|kind| !kind.is_empty() && !kind.starts_with("hub:"))?;
        bounds.check_type(kind).ok()?;
        Some(kind.into())
    }
}

/// serde would read a struct from an array too; the protocol does not.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Only<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Only(PhantomData))
    }
}
