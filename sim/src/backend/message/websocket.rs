//! What travels between a client and the hub: WebSocket messages that nobody has encoded.

use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::protocol::codec::{Bounds, decode_client_frame, encode_client_frame};
use signal_hub::protocol::{
    AuthToken, ClientFrame, CloseReason, FrameBytes, Json, Malformed, Outgoing, Register,
    Subscription, Verb,
};

/// Bytes of what surrounds a client's application data in a frame, at most.
const CLIENT_ENVELOPE_BYTES_MAX: usize = 4096;
/// Bytes of it in a frame whose names are not at their longest.
const WEIGHTLESS_BYTES_MAX: usize = 1024;
/// Bytes of it as a rule.
const CLIENT_ENVELOPE_BYTES: usize = 320;
/// Bytes of either half of the upgrade from HTTP.
const UPGRADE_BYTES: usize = 160;
/// Bytes of a control frame.
const CONTROL_BYTES: usize = 8;

#[derive(Debug)]
pub enum Message {
    /// A client asks for a WebSocket.
    Upgrade,
    /// It has one.
    Upgraded,
    Said(Result<ClientFrame, Malformed>),
    Sent(Outgoing),
    Ping,
    Pong,
    /// Bytes of a message of so many that is still on its way: whether they are its first.
    Part {
        first: bool,
        of: usize,
    },
    /// A close frame; a client's bears no reason.
    Close(Option<CloseReason>),
}

impl Message {
    /// What it takes of a window, about.
    pub fn bytes(&self) -> usize {
        match self {
            Message::Upgrade | Message::Upgraded => UPGRADE_BYTES,
            Message::Said(Ok(frame)) => CLIENT_ENVELOPE_BYTES + data_bytes(frame),
            Message::Said(Err(_)) => CLIENT_ENVELOPE_BYTES,
            Message::Sent(outgoing) => outgoing.weight().max(CONTROL_BYTES),
            Message::Ping | Message::Pong | Message::Part { .. } | Message::Close(_) => {
                CONTROL_BYTES
            }
        }
    }

    /// Returns whether it is a hub:connect that can be read.
    pub fn is_connect(&self) -> bool {
        let Message::Said(Ok(ClientFrame::Request(request))) = self else { return false };
        matches!(request.verb, Ok(Verb::Connect(_)))
    }

    /// What the hub is told of a frame: what its codec would make of the frame's text.
    pub fn said(mut frame: ClientFrame, bytes_max: usize, config: &Config) -> Self {
        let bytes = data_bytes(&frame);
        let long = bytes + CLIENT_ENVELOPE_BYTES_MAX > bytes_max;
        let heavy = (1..=bytes + WEIGHTLESS_BYTES_MAX).contains(&config.rate_limit_bytes);
        let plain = is_plain(&frame, &config.bounds());
        if !plain || long || heavy {
            let text = encode_client_frame(&frame);
            if !plain || text.len() > bytes_max {
                return Self::written(text, bytes_max, config);
            }
            if let ClientFrame::Request(request) = &mut frame {
                Arc::make_mut(request).frame_bytes = FrameBytes(text.len());
            }
        }
        Message::Said(Ok(frame))
    }

    /// The same for any text.
    pub fn written(text: String, max: usize, config: &Config) -> Self {
        Message::Said(match text.len() {
            actual if actual > max => Err(Malformed::TooLarge { actual, max }),
            _ => decode_client_frame(text.as_bytes(), &config.bounds()),
        })
    }
}

fn data_bytes(frame: &ClientFrame) -> usize {
    let ClientFrame::Request(request) = frame else { return 0 };
    let data = match &request.verb {
        Ok(Verb::Heartbeat(heartbeat)) => heartbeat.timestamp.len(),
        Ok(Verb::Connect(connect)) => connect.auth_token.as_ref().map_or(0, token_bytes),
        Ok(Verb::RefreshToken(refresh)) => token_bytes(&refresh.token),
        Ok(verb) => verb.carries_data().map_or(0, |(_, data)| data.len()),
        Err(_) => 0,
    };
    data + request.metadata.len()
}

fn token_bytes(token: &AuthToken) -> usize {
    token.as_str().len()
}

/// Returns whether the codec certainly reads the frame as it was said: what is frequent and simple.
fn is_plain(frame: &ClientFrame, bounds: &Bounds) -> bool {
    let ClientFrame::Request(request) = frame else { return true };
    let whole = request.ttl.is_none_or(|ttl| ttl.subsec_nanos().is_multiple_of(1_000_000));
    let is_plain_kind = |kind: &str| {
        !kind.is_empty() && !kind.starts_with("hub:") && kind.len() <= bounds.type_bytes_max
    };
    whole
        && request.metadata.len() <= bounds.metadata_bytes_max
        && match &request.verb {
            Ok(Verb::Send(send)) => is_plain_kind(&send.kind),
            Ok(Verb::Publish(publish)) => is_plain_kind(&publish.kind),
            Ok(Verb::Broadcast(broadcast)) => {
                is_plain_kind(&broadcast.kind) && broadcast.target_capability.is_none()
            }
            Ok(Verb::Register(register)) => {
                register.ttl.subsec_nanos() == 0
                    && (Duration::from_secs(1)..=Register::TTL_MAX).contains(&register.ttl)
                    && (1..=bounds.capabilities_max).contains(&register.capabilities.len())
                    && register.capabilities.iter().all(|c| c.len() <= bounds.capability_bytes_max)
                    && register.metadata == Json::EMPTY_OBJECT
                    && register.recovery.is_none()
            }
            Ok(Verb::Unsubscribe(unsubscribe)) => {
                matches!(unsubscribe.subscription, Subscription::Topic(_))
            }
            // A token may stand in the metadata, too.
            Ok(Verb::Renew(_)) => request.metadata == Json::EMPTY_OBJECT,
            Ok(Verb::Heartbeat(_) | Verb::Subscribe(_) | Verb::QueueStats | Verb::Metrics) => true,
            // The rest is rare, or has fields that the codec checks.
            Ok(
                Verb::Connect(_)
                | Verb::Disconnect(_)
                | Verb::Unregister(_)
                | Verb::Recover(_)
                | Verb::Discover(_)
                | Verb::ListActors(_)
                | Verb::RefreshToken(_),
            )
            | Err(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use signal_hub::protocol::{
        ActorAddress, Broadcast, Heartbeat, MessageId, Pattern, Publish, Renew, RenewalToken,
        Request, Send, Subscribe, Topic, Unsubscribe,
    };
    use signal_hub::time::Timestamp;

    use super::*;

    fn request(verb: Verb) -> ClientFrame {
        let address = |name: &str| ActorAddress::from_path(name).expect("an address");
        let (id, from, to) =
            (MessageId::parse("1").expect("an id"), address("alice"), address("hub"));
        let now = Timestamp::from_millis(7);
        let request = Request::new(id, from, to, Pattern::Ask, now, verb);
        let ttl = Some(Duration::from_millis(1_500));
        ClientFrame::Request(Arc::new(Request { ttl, ..request }))
    }

    fn register(ttl: Duration) -> Verb {
        Verb::Register(Register {
            actor_address: ActorAddress::from_path("alice").expect("an address"),
            capabilities: vec!["messaging".to_owned()],
            metadata: Json::EMPTY_OBJECT,
            ttl,
            renew_on_heartbeat: false,
            recovery: None,
        })
    }

    fn plain_verbs() -> Vec<Verb> {
        let topic = Topic::parse("news \"quoted\"").expect("a topic");
        let data = Json::from(serde_json::json!({ "text": "\u{1f600}" }));
        let kind: Arc<str> = "note".into();
        let to = ActorAddress::from_path("bob").expect("an address");
        let token = RenewalToken::parse("00000000-0000-4000-8000-000000000000").ok();
        assert!(token.is_some());
        vec![
            Verb::Send(Send { to: to.into(), kind: kind.clone(), data: data.clone(), queue: true }),
            Verb::Publish(Publish { topic: topic.clone(), kind, data: data.clone() }),
            Verb::Broadcast(Broadcast::new("note", data.clone())),
            register(Register::TTL_MAX),
            Verb::Subscribe(Subscribe { topic: topic.clone(), durable: true }),
            Verb::Unsubscribe(Unsubscribe { subscription: Subscription::Topic(topic) }),
            Verb::Renew(Renew { renewal_token: token }),
            Verb::Renew(Renew { renewal_token: None }),
            Verb::Heartbeat(Heartbeat { timestamp: data }),
            Verb::QueueStats,
            Verb::Metrics,
        ]
    }

    #[test]
    fn what_is_plain_is_said_as_the_codec_would_read_it() {
        for frame in plain_verbs().into_iter().map(request) {
            assert!(is_plain(&frame, &Bounds::default()), "{frame:?}");
            let text = encode_client_frame(&frame);
            assert_eq!(decode_client_frame(text.as_bytes(), &Bounds::default()), Ok(frame));
        }
    }

    #[test]
    fn what_is_plain_and_may_be_too_much_is_measured() {
        let frame = request(Verb::QueueStats);
        let bytes = encode_client_frame(&frame).len();
        let config = Config { rate_limit_bytes: 1, ..Config::default() };
        let said = |max| match Message::said(frame.clone(), max, &config) {
            Message::Said(Ok(ClientFrame::Request(request))) => Ok(request.frame_bytes.0),
            Message::Said(Err(malformed)) => Err(malformed),
            other => panic!("{other:?}"),
        };
        assert_eq!(said(bytes), Ok(bytes));
        let max = bytes - 1;
        assert_eq!(said(max), Err(Malformed::TooLarge { actual: bytes, max }));
    }

    #[test]
    fn what_the_codec_changes_or_refuses_is_not_plain() {
        for seconds in [0, 3_601] {
            let frame = request(register(Duration::from_secs(seconds)));
            assert!(!is_plain(&frame, &Bounds::default()), "{seconds}");
        }
    }
}
