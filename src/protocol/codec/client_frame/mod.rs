//! What clients send: an envelope whose payload is read by its type.

mod directory;
mod plain;
mod scanner;
mod template;
mod verbs;
mod write;

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::Bounds;
use super::fields::{
    Raw, kind_of, name, optional_integer, optional_milliseconds, optional_string, text,
};
use crate::protocol::{
    ActorAddress, ClientFrame, ErrorCode, FrameBytes, Json, Malformed, MessageId, Pattern, Refusal,
    Request, Verb,
};
use crate::time::Timestamp;

pub use plain::decode_plain_frame;
pub use template::Template;
pub use write::encode_client_frame;

const ADDRESS: &str = "an address: @(path)";
const ID: &str = "a string of 1 to 128 bytes";
const OBJECT: &str = "an object";
const TEXT: &str = "a string";
/// A ping weighs the same at any size, so it has no room for anything else.
const PING_BYTES_MAX: usize = 1024;

/// Reads one frame. The result keeps none of the frame's bytes.
pub fn decode_client_frame(frame: &[u8], bounds: &Bounds) -> Result<ClientFrame, Malformed> {
    let text = utf8(frame)?;
    match plain::read(text, bounds) {
        Some((_, request)) => Ok(ClientFrame::Request(Arc::new(request))),
        None => thorough(text, bounds),
    }
}

/// The same of text, faster if the frame is like those that were read with this template.
pub fn decode_client_text(
    text: &str,
    bounds: &Bounds,
    template: &mut Template,
) -> Result<ClientFrame, Malformed> {
    if let Some(request) = template.read(text, bounds) {
        return Ok(ClientFrame::Request(request));
    }
    let Some((envelope, request)) = plain::read(text, bounds) else {
        return thorough(text, bounds);
    };
    template.learn(text, &envelope, &request);
    Ok(ClientFrame::Request(Arc::new(request)))
}

/// Reads one frame field by field, so that a refusal names what is wrong with it.
pub fn decode_thoroughly(frame: &[u8], bounds: &Bounds) -> Result<ClientFrame, Malformed> {
    thorough(utf8(frame)?, bounds)
}

fn utf8(frame: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(frame)
        .map_err(|_| not_an_envelope("the client sent a frame that is not UTF-8"))
}

fn thorough(frame: &str, bounds: &Bounds) -> Result<ClientFrame, Malformed> {
    let envelope = RawEnvelope::read(frame)?;
    if envelope.is_ping() && frame.len() <= PING_BYTES_MAX {
        return Ok(ClientFrame::Ping);
    }
    let request = envelope.request(bounds, FrameBytes(frame.len()));
    request.map(|request| ClientFrame::Request(Arc::new(request))).map_err(|refusal| {
        let id = name("id", ID, envelope.id, MessageId::parse).ok();
        Malformed::Frame { id, refusal: Box::new(refusal) }
    })
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    from: Raw<'a>,
    #[serde(borrow)]
    to: Raw<'a>,
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    pattern: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
    #[serde(borrow)]
    payload: Raw<'a>,
    #[serde(borrow)]
    metadata: Raw<'a>,
    #[serde(borrow)]
    correlation_id: Raw<'a>,
    #[serde(borrow)]
    ttl: Raw<'a>,
    #[serde(borrow)]
    signature: Raw<'a>,
}

impl<'a> RawEnvelope<'a> {
    fn read(text: &'a str) -> Result<Self, Malformed> {
        if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return Err(not_an_envelope(NO_OBJECT));
        }
        serde_json::from_str(text).map_err(|error| not_an_envelope(format!("{NO_OBJECT}: {error}")))
    }

    fn is_ping(&self) -> bool {
        self.id.is_none() && self.kind.is_some_and(|kind| kind.get() == "\"ping\"")
    }

    fn request(&self, bounds: &Bounds, frame_bytes: FrameBytes) -> Result<Request, Refusal> {
        let kind = optional_string("type", TEXT, self.kind)?
            .ok_or_else(|| Refusal::missing("type", TEXT))?;
        bounds.check_type(&kind)?;
        optional_string("correlationId", "a string or null", self.correlation_id)?;
        optional_string("signature", "a string or null", self.signature)?;
        let timestamp = optional_integer("timestamp", "epoch milliseconds", self.timestamp)?
            .ok_or_else(|| Refusal::missing("timestamp", "epoch milliseconds"))?;
        let metadata = text(self.metadata);
        let fits = if kind == "hub:connect" { Ok(()) } else { bounds.check_metadata(metadata) };
        let metadata = if fits.is_ok() { envelope_metadata(metadata)? } else { Json::EMPTY_OBJECT };
        let (type_name, verb) = self.verb(&kind, fits, bounds);
        Ok(Request {
            id: name("id", ID, self.id, MessageId::parse)?,
            from: name("from", ADDRESS, self.from, ActorAddress::parse)?,
            to: name("to", ADDRESS, self.to, ActorAddress::parse)?,
            type_name,
            pattern: self.pattern()?,
            timestamp: Timestamp::from_millis(timestamp),
            ttl: optional_milliseconds("ttl", self.ttl)?,
            metadata,
            frame_bytes,
            verb,
        })
    }

    fn pattern(&self) -> Result<Pattern, Refusal> {
        const EXPECTED: &str = "tell or ask";
        match optional_string("pattern", EXPECTED, self.pattern)?.as_deref() {
            Some("tell") => Ok(Pattern::Tell),
            Some("ask") => Ok(Pattern::Ask),
            Some(_) => Err(Refusal::invalid("pattern", EXPECTED, "string".to_owned())),
            None => Err(Refusal::missing("pattern", EXPECTED)),
        }
    }

    /// `fits` says why the payload is not to be read, if it is not.
    fn verb(
        &self,
        kind: &str,
        fits: Result<(), Refusal>,
        bounds: &Bounds,
    ) -> (Cow<'static, str>, Result<Verb, Refusal>) {
        macro_rules! read {
            ($name:literal, $read:expr) => {
                ($name.into(), fits.and_then(|()| $read))
            };
        }
        match kind {
            "hub:connect" => read!("hub:connect", self.connect().map(Verb::Connect)),
            "hub:heartbeat" => read!("hub:heartbeat", self.heartbeat().map(Verb::Heartbeat)),
            "hub:disconnect" => read!("hub:disconnect", self.disconnect().map(Verb::Disconnect)),
            "hub:register" => read!("hub:register", self.register(bounds).map(Verb::Register)),
            "hub:unregister" => read!("hub:unregister", self.unregister().map(Verb::Unregister)),
            "hub:renew" => read!("hub:renew", self.renew().map(Verb::Renew)),
            "hub:recover" => read!("hub:recover", self.recover().map(Verb::Recover)),
            "hub:discover" => read!("hub:discover", self.discover().map(Verb::Discover)),
            "hub:list_actors" => {
                read!("hub:list_actors", self.list_actors().map(Verb::ListActors))
            }
            "hub:send" => read!("hub:send", self.send(bounds).map(Verb::Send)),
            "hub:broadcast" => read!("hub:broadcast", self.broadcast(bounds).map(Verb::Broadcast)),
            "hub:subscribe" => read!("hub:subscribe", self.subscribe().map(Verb::Subscribe)),
            "hub:unsubscribe" => {
                read!("hub:unsubscribe", self.unsubscribe().map(Verb::Unsubscribe))
            }
            "hub:publish" => read!("hub:publish", self.publish(bounds).map(Verb::Publish)),
            "hub:queue_stats" => read!("hub:queue_stats", Ok(Verb::QueueStats)),
            "hub:metrics" => read!("hub:metrics", Ok(Verb::Metrics)),
            "hub:refresh_token" => {
                read!("hub:refresh_token", self.refresh_token().map(Verb::RefreshToken))
            }
            _ => (kind.to_owned().into(), Err(unknown_type(kind))),
        }
    }
}

const NO_OBJECT: &str = "the client sent a frame that is not a JSON object";

fn not_an_envelope(message: impl Into<Cow<'static, str>>) -> Malformed {
    let refusal = Refusal::new(
        ErrorCode::InternalError,
        message,
        "Send one JSON object a frame, as the protocol's section 1 describes it.",
    );
    Malformed::Frame { id: None, refusal: Box::new(refusal) }
}

fn unknown_type(kind: &str) -> Refusal {
    const EXPECTED: &str = "a message type that the hub knows, such as hub:send";
    let received: String = kind.chars().take(64).collect();
    let message = format!("Unknown message type: {received}").into();
    Refusal { message, ..Refusal::invalid("type", EXPECTED, received) }
}

fn json(value: Option<&str>) -> Json {
    value.map_or(Json::NULL, Json::copy)
}

fn object_json(field: &'static str, value: Option<&str>) -> Result<Json, Refusal> {
    match value {
        None => Ok(Json::EMPTY_OBJECT),
        Some(value) if value.starts_with('{') => Ok(Json::copy(value)),
        Some(value) => Err(Refusal::invalid(field, OBJECT, kind_of(value))),
    }
}

/// An envelope's metadata. A key that is no Unicode text, such as a lone surrogate, could be
/// carried but not merged with the hub's keys.
fn envelope_metadata(value: Option<&str>) -> Result<Json, Refusal> {
    const EXPECTED: &str = "an object whose keys are Unicode text";
    let metadata = object_json("metadata", value)?;
    match metadata.each_entry(|_, _| {}) {
        Ok(()) => Ok(metadata),
        Err(_) => Err(Refusal::invalid("metadata", EXPECTED, "object".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Subscription, Topic, Unsubscribe};

    fn decode(text: &str) -> Result<ClientFrame, Malformed> {
        decode_client_frame(text.as_bytes(), &Bounds::default())
    }

    fn envelope(kind: &str, payload: &str) -> String {
        format!(
            r#"{{"id":"1","from":"@(a)","to":"@(hub)","type":"{kind}","pattern":"ask","timestamp":7,"payload":{payload}}}"#
        )
    }

    fn verb(kind: &str, payload: &str) -> Result<Verb, String> {
        match decode(&envelope(kind, payload)) {
            Ok(ClientFrame::Request(request)) => {
                Arc::unwrap_or_clone(request).verb.map_err(|r| r.message.into_owned())
            }
            other => panic!("not a request: {other:?}"),
        }
    }

    fn malformed(text: &str) -> (Option<String>, String) {
        match decode(text) {
            Err(Malformed::Frame { id, refusal }) => {
                (id.map(|id| id.to_string()), refusal.message.into_owned())
            }
            other => panic!("not malformed: {other:?}"),
        }
    }

    #[test]
    fn a_ping_may_have_any_spacing() {
        assert_eq!(decode(r#"{"type":"ping"}"#), Ok(ClientFrame::Ping));
        assert_eq!(decode(" { \"type\" :\n\"ping\" } "), Ok(ClientFrame::Ping));
    }

    #[test]
    fn what_is_no_envelope_is_malformed_and_keeps_its_id() {
        assert_eq!(malformed("[]").1, "the client sent a frame that is not a JSON object");
        assert_eq!(
            malformed("{").1,
            "the client sent a frame that is not a JSON object: EOF while parsing an object at line 1 column 1"
        );
        assert_eq!(malformed(r#"{"id":"x"}"#), (Some("x".into()), "type is required".into()));
        let no_pattern = r#"{"id":"x","type":"t","timestamp":1,"from":"@(a)","to":"@(b)"}"#;
        assert_eq!(malformed(no_pattern), (Some("x".into()), "pattern is required".into()));
    }

    #[test]
    fn a_refusal_names_its_field() {
        assert_eq!(verb("hub:subscribe", "{}"), Err("topic is required".into()));
        assert_eq!(verb("hub:subscribe", "null"), Err("topic is required".into()));
        assert_eq!(verb("hub:subscribe", "[]"), Err("payload must be an object".into()));
        assert_eq!(verb("hub:register", "{}"), Err("actorAddress is required".into()));
        assert_eq!(verb("hub:send", r#"{"to":"@(b)"}"#), Err("payload.type is required".into()));
        assert!(verb("hub:send", r#"{"type":"hub:x"}"#).is_err(), "hub:* is reserved");
        assert!(verb("chat:hello", "{}").is_err(), "only hub:* types are requests");
    }

    #[test]
    fn a_send_falls_back_to_the_envelopes_recipient() {
        let Ok(Verb::Send(send)) = verb("hub:send", r#"{"type":"t"}"#) else { panic!("a send") };
        assert_eq!((send.to.as_str(), send.data.as_str()), ("@(hub)", "null"));
    }

    #[test]
    fn a_topic_may_be_sent_as_subscription_id() {
        let topic = Subscription::Topic(Topic::parse("news").expect("a topic"));
        for payload in [r#"{"topic":"news"}"#, r#"{"subscriptionId":"news"}"#] {
            let expected = Verb::Unsubscribe(Unsubscribe { subscription: topic.clone() });
            assert_eq!(verb("hub:unsubscribe", payload), Ok(expected));
        }
    }

    #[test]
    fn what_a_client_writes_the_hub_reads() {
        let data = r#"{"b":1.0,"a":[ "\u0041" ]}"#;
        let text = envelope("hub:publish", &format!(r#"{{"topic":"t","type":"x","data":{data}}}"#));
        let frame = decode(&text).expect("a request");
        assert_eq!(decode(&encode_client_frame(&frame)), Ok(frame));
    }
}
