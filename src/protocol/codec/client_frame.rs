//! What clients send: an envelope whose payload is read by its type.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fields::{
    Raw, flag, kind_of, name, object, optional_integer, optional_milliseconds, optional_name,
    optional_string, strings,
};
use crate::protocol::{
    ActorAddress, ClientFrame, Connect, Disconnect, ErrorCode, Heartbeat, Json, Malformed,
    MessageId, Pattern, Publish, Refusal, Register, Renew, RenewalToken, Request, Send, Subscribe,
    Subscription, SubscriptionId, Topic, Unregister, Unsubscribe, Verb,
};
use crate::time::Timestamp;

const ADDRESS: &str = "an address: @(path)";
const ID: &str = "a string of 1 to 128 bytes";
const OBJECT: &str = "an object";
const TEXT: &str = "a string";
const TOPIC: &str = "a string of 1 to 256 bytes";

/// Reads one frame. The application data in it shares the frame's bytes.
pub fn decode_client_frame(frame: &Bytes) -> Result<ClientFrame, Malformed> {
    let envelope = RawEnvelope::read(frame)?;
    if envelope.is_ping() {
        return Ok(ClientFrame::Ping);
    }
    envelope.request(frame).map(|request| ClientFrame::Request(Box::new(request))).map_err(
        |refusal| {
            let id = name("id", ID, envelope.id, MessageId::parse).ok();
            Malformed::Frame { id, refusal }
        },
    )
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
    fn read(frame: &'a Bytes) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(frame).map_err(|_| not_an_envelope("frame is not UTF-8"))?;
        if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return Err(not_an_envelope("frame is not a JSON object"));
        }
        serde_json::from_str(text)
            .map_err(|error| not_an_envelope(format!("frame is not a JSON object: {error}")))
    }

    fn is_ping(&self) -> bool {
        self.id.is_none() && self.kind.is_some_and(|kind| kind.get() == "\"ping\"")
    }

    fn request(&self, frame: &Bytes) -> Result<Request, Refusal> {
        let kind = optional_string("type", TEXT, self.kind)?
            .ok_or_else(|| Refusal::missing("type", TEXT))?;
        optional_string("correlationId", "a string or null", self.correlation_id)?;
        optional_string("signature", "a string or null", self.signature)?;
        let timestamp = optional_integer("timestamp", "epoch milliseconds", self.timestamp)?
            .ok_or_else(|| Refusal::missing("timestamp", "epoch milliseconds"))?;
        let (type_name, verb) = self.verb(&kind, frame);
        Ok(Request {
            id: name("id", ID, self.id, MessageId::parse)?,
            from: name("from", ADDRESS, self.from, ActorAddress::parse)?,
            to: name("to", ADDRESS, self.to, ActorAddress::parse)?,
            type_name,
            pattern: self.pattern()?,
            timestamp: Timestamp::from_millis(timestamp),
            ttl: optional_milliseconds("ttl", self.ttl)?,
            metadata: envelope_metadata(self.metadata, frame)?,
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

    fn verb(&self, kind: &str, frame: &Bytes) -> (Cow<'static, str>, Result<Verb, Refusal>) {
        macro_rules! read {
            ($name:literal, $read:expr) => {
                ($name.into(), $read)
            };
        }
        match kind {
            "hub:connect" => read!("hub:connect", self.connect(frame).map(Verb::Connect)),
            "hub:heartbeat" => read!("hub:heartbeat", self.heartbeat(frame).map(Verb::Heartbeat)),
            "hub:disconnect" => read!("hub:disconnect", self.disconnect().map(Verb::Disconnect)),
            "hub:register" => read!("hub:register", self.register(frame).map(Verb::Register)),
            "hub:unregister" => read!("hub:unregister", self.unregister().map(Verb::Unregister)),
            "hub:renew" => read!("hub:renew", self.renew().map(Verb::Renew)),
            "hub:send" => read!("hub:send", self.send(frame).map(Verb::Send)),
            "hub:subscribe" => read!("hub:subscribe", self.subscribe().map(Verb::Subscribe)),
            "hub:unsubscribe" => {
                read!("hub:unsubscribe", self.unsubscribe().map(Verb::Unsubscribe))
            }
            "hub:publish" => read!("hub:publish", self.publish(frame).map(Verb::Publish)),
            _ => (kind.to_owned().into(), Err(unknown_type(kind))),
        }
    }

    fn connect(&self, frame: &Bytes) -> Result<Connect, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            protocol_version: Raw<'a>,
            #[serde(borrow)]
            capabilities: Raw<'a>,
            #[serde(borrow)]
            auth_token: Raw<'a>,
            #[serde(borrow)]
            client_metadata: Raw<'a>,
        }
        const VERSION: &str = "a version: major.minor.patch";
        let fields: Fields<'_> = object("metadata", self.metadata)?;
        let client_metadata = match fields.client_metadata {
            Some(_) => Some(object_json("clientMetadata", fields.client_metadata, frame)?),
            None => None,
        };
        Ok(Connect {
            protocol_version: required_string("protocolVersion", VERSION, fields.protocol_version)?,
            capabilities: strings("capabilities", fields.capabilities)?,
            auth_token: optional_string("authToken", TEXT, fields.auth_token)?.map(Cow::into_owned),
            client_metadata,
        })
    }

    fn heartbeat(&self, frame: &Bytes) -> Result<Heartbeat, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            timestamp: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Heartbeat { timestamp: json(fields.timestamp, frame) })
    }

    fn disconnect(&self) -> Result<Disconnect, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            reason: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let reason = optional_string("reason", TEXT, fields.reason)?.map(Cow::into_owned);
        Ok(Disconnect { reason })
    }

    fn register(&self, frame: &Bytes) -> Result<Register, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            actor_address: Raw<'a>,
            #[serde(borrow)]
            capabilities: Raw<'a>,
            #[serde(borrow)]
            metadata: Raw<'a>,
            #[serde(borrow)]
            ttl_seconds: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Register {
            actor_address: name(
                "actorAddress",
                ADDRESS,
                fields.actor_address,
                ActorAddress::parse,
            )?,
            capabilities: strings("capabilities", fields.capabilities)?,
            metadata: object_json("metadata", fields.metadata, frame)?,
            ttl: registration_ttl(fields.ttl_seconds)?,
        })
    }

    fn unregister(&self) -> Result<Unregister, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            actor_address: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let actor_address =
            optional_name("actorAddress", ADDRESS, fields.actor_address, ActorAddress::parse)?;
        Ok(Unregister { actor_address })
    }

    /// The token may stand in the payload or in the metadata: the TypeScript clients differ.
    fn renew(&self) -> Result<Renew, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            renewal_token: Raw<'a>,
        }
        let payload: Fields<'_> = object("payload", self.payload)?;
        let metadata: Fields<'_> = object("metadata", self.metadata)?;
        let raw = payload.renewal_token.or(metadata.renewal_token);
        let renewal_token = optional_name("renewalToken", TEXT, raw, RenewalToken::parse)?;
        Ok(Renew { renewal_token })
    }

    fn send(&self, frame: &Bytes) -> Result<Send, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            to: Raw<'a>,
            #[serde(borrow, rename = "type")]
            kind: Raw<'a>,
            #[serde(borrow)]
            data: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Send {
            to: name("to", ADDRESS, fields.to.or(self.to), ActorAddress::parse)?,
            kind: application_type(fields.kind)?,
            data: json(fields.data, frame),
        })
    }

    fn subscribe(&self) -> Result<Subscribe, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            topic: Raw<'a>,
            #[serde(borrow)]
            durable: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Subscribe {
            topic: name("topic", TOPIC, fields.topic, Topic::parse)?,
            durable: flag("durable", fields.durable)?,
        })
    }

    /// A topic's name sent as `subscriptionId` is taken as the topic: both clients do that.
    fn unsubscribe(&self) -> Result<Unsubscribe, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            topic: Raw<'a>,
            #[serde(borrow)]
            subscription_id: Raw<'a>,
        }
        const SUBSCRIPTION: &str = "a subscription id or a topic";
        let fields: Fields<'_> = object("payload", self.payload)?;
        let subscription =
            match (fields.topic, fields.subscription_id) {
                (Some(topic), _) => {
                    Subscription::Topic(name("topic", TOPIC, Some(topic), Topic::parse)?)
                }
                (None, Some(id)) => name("subscriptionId", SUBSCRIPTION, Some(id), |text| {
                    match SubscriptionId::parse(text) {
                        Ok(id) => Ok(Subscription::Id(id)),
                        Err(_) => Topic::parse(text).map(Subscription::Topic),
                    }
                })?,
                (None, None) => return Err(Refusal::missing("topic", TOPIC)),
            };
        Ok(Unsubscribe { subscription })
    }

    fn publish(&self, frame: &Bytes) -> Result<Publish, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            topic: Raw<'a>,
            #[serde(borrow, rename = "type")]
            kind: Raw<'a>,
            #[serde(borrow)]
            data: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Publish {
            topic: name("topic", TOPIC, fields.topic, Topic::parse)?,
            kind: application_type(fields.kind)?,
            data: json(fields.data, frame),
        })
    }
}

fn not_an_envelope(message: impl Into<Cow<'static, str>>) -> Malformed {
    let refusal = Refusal::new(
        ErrorCode::InternalError,
        message,
        "Send one JSON object a frame, as the protocol's section 1 describes it.",
    );
    Malformed::Frame { id: None, refusal }
}

fn unknown_type(kind: &str) -> Refusal {
    const EXPECTED: &str = "a message type that the hub knows, such as hub:send";
    Refusal::invalid("type", EXPECTED, kind.chars().take(64).collect())
}

fn json(raw: Raw<'_>, frame: &Bytes) -> Json {
    raw.map_or(Json::NULL, |raw| Json::share(raw, frame))
}

fn object_json(field: &'static str, raw: Raw<'_>, frame: &Bytes) -> Result<Json, Refusal> {
    match raw {
        None => Ok(Json::EMPTY_OBJECT),
        Some(raw) if raw.get().starts_with('{') => Ok(Json::share(raw, frame)),
        Some(raw) => Err(Refusal::invalid(field, OBJECT, kind_of(raw))),
    }
}

/// An envelope's metadata. A key that is no text, such as a lone surrogate, can be carried but not
/// merged with the hub's keys.
fn envelope_metadata(raw: Raw<'_>, frame: &Bytes) -> Result<Json, Refusal> {
    const EXPECTED: &str = "an object whose keys are Unicode text";
    let metadata = object_json("metadata", raw, frame)?;
    match metadata.to::<BTreeMap<String, IgnoredAny>>() {
        Ok(_) => Ok(metadata),
        Err(_) => Err(Refusal::invalid("metadata", EXPECTED, "object".to_owned())),
    }
}

fn required_string(
    field: &'static str,
    expected: &'static str,
    raw: Raw<'_>,
) -> Result<String, Refusal> {
    let text = optional_string(field, expected, raw)?;
    text.map(Cow::into_owned).ok_or_else(|| Refusal::missing(field, expected))
}

fn application_type(raw: Option<&RawValue>) -> Result<String, Refusal> {
    const EXPECTED: &str = "an application type: a string that does not begin with hub:";
    let kind = required_string("type", EXPECTED, raw)?;
    match kind.starts_with("hub:") || kind.is_empty() {
        true => Err(Refusal::invalid("type", EXPECTED, kind.chars().take(64).collect())),
        false => Ok(kind),
    }
}

fn registration_ttl(raw: Raw<'_>) -> Result<Duration, Refusal> {
    const EXPECTED: &str = "a whole number of seconds from 1 to 3600";
    match optional_integer("ttlSeconds", EXPECTED, raw)? {
        None => Ok(Register::TTL_DEFAULT),
        Some(0) => Err(Refusal::invalid("ttlSeconds", EXPECTED, "0".to_owned())),
        Some(seconds) => Ok(Duration::from_secs(seconds).min(Register::TTL_MAX)),
    }
}

/// Writes one frame, as a client sends it. A request whose verb is a refusal has no payload.
pub fn encode_client_frame(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Ping => r#"{"type":"ping"}"#.to_owned(),
        ClientFrame::Request(request) => encode_request(request),
    }
}

fn encode_request(request: &Request) -> String {
    let verb = request.verb.as_ref().ok().map(|verb| {
        serde_json::to_string(verb).expect("a verb has string keys and holds valid JSON")
    });
    let (payload, metadata) = match &request.verb {
        Ok(Verb::Connect(_)) => (None, verb.as_deref()),
        Ok(_) | Err(_) => (verb.as_deref(), None),
    };
    let mut text = String::with_capacity(256);
    write!(
        text,
        r#"{{"id":{},"from":"{}","to":"{}","type":{},"pattern":"{}","timestamp":{},"payload":{},"metadata":{},"correlationId":null,"ttl":{},"signature":null}}"#,
        quoted(request.id.as_str()),
        request.from,
        request.to,
        quoted(&request.type_name),
        request.pattern.as_str(),
        request.timestamp,
        payload.unwrap_or("null"),
        metadata.unwrap_or(request.metadata.as_str()),
        super::hub_frame::milliseconds_or_null(request.ttl),
    )
    .expect("writing to a String cannot fail");
    text
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<ClientFrame, Malformed> {
        decode_client_frame(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn envelope(kind: &str, payload: &str) -> String {
        format!(
            r#"{{"id":"1","from":"@(a)","to":"@(hub)","type":"{kind}","pattern":"ask","timestamp":7,"payload":{payload}}}"#
        )
    }

    fn verb(kind: &str, payload: &str) -> Result<Verb, String> {
        match decode(&envelope(kind, payload)) {
            Ok(ClientFrame::Request(request)) => request.verb.map_err(|r| r.message.into_owned()),
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
        assert_eq!(malformed("[]").1, "frame is not a JSON object");
        assert!(malformed("{").1.starts_with("frame is not a JSON object"));
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
        assert_eq!(verb("hub:send", r#"{"to":"@(b)"}"#), Err("type is required".into()));
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
    fn a_time_to_live_is_capped_and_never_zero() {
        assert_eq!(registration_ttl(None), Ok(Register::TTL_DEFAULT));
        let raw = |text: &'static str| serde_json::from_str::<&RawValue>(text).ok();
        assert_eq!(registration_ttl(raw("99999")), Ok(Register::TTL_MAX));
        for bad in ["0", "-1", "1.5", "\"3\""] {
            assert!(registration_ttl(raw(bad)).is_err(), "{bad}");
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
