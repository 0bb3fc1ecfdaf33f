//! What a client tells its user unasked.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::NoToken;
use crate::protocol::{
    ActorAddress, Json, MessageId, Position, Refusal, RenewalToken, Route, SessionId, Topic,
    Unrecovered, UnregisterReason,
};
use crate::time::Timestamp;

/// Something happened to the client. Written as JSON, its `event` is the variant's name in snake case; reasons
/// are texts, pauses milliseconds, and renewal tokens are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// The hub accepted `hub:connect`. Addresses are not registered yet.
    Connected {
        /// The id of the session.
        session: SessionId,
        /// The token's address where the hub demands tokens.
        identity: Option<ActorAddress>,
    },
    /// This client's session owns the address from now on.
    Registered {
        /// The registered address.
        address: ActorAddress,
        /// Grows with each registration of the address, whoever made it.
        version: u64,
        /// Whether the address was detached and got its subscriptions back.
        resumed: bool,
        /// The subscriptions that the hub still knew. The client now subscribes to wanted topics
        /// that are missing and gives unwanted ones up.
        subscriptions: Vec<Topic>,
        /// When the registration ends, by the hub's clock.
        expires_at: Timestamp,
        /// Renews the registration; the client does so by itself.
        #[serde(skip)]
        renewal_token: RenewalToken,
    },
    /// The registration lives longer.
    Renewed {
        /// The renewed address.
        address: ActorAddress,
        /// When the registration ends now, by the hub's clock.
        expires_at: Timestamp,
        /// Renews the registration next time; the client does so by itself.
        #[serde(skip)]
        renewal_token: RenewalToken,
    },
    /// What was missed follows, as far as it did not come before, and nothing is lost.
    Recovered {
        /// The recovering address.
        address: ActorAddress,
        /// Messages that the hub sends again; those that came before are not handed over twice.
        replayed: u64,
        /// Messages that are left out because their time to live was over.
        ttl_expired: u64,
    },
    /// What was missed is lost: further messages follow a gap.
    Gap {
        /// The recovering address.
        address: ActorAddress,
        /// Why nothing was recovered. `Off` comes once: the hub keeps nothing for the address.
        reason: Unrecovered,
        /// Where the address stands from now on; none: the hub keeps nothing.
        position: Option<Position>,
    },
    /// The hub refused the registration.
    RegistrationRefused {
        /// The refused address.
        address: ActorAddress,
        /// Why the hub refused.
        refusal: Box<Refusal>,
        /// The pause until the client asks again; none: the address is no longer wanted.
        #[serde(rename = "retryInMs", serialize_with = "milliseconds")]
        retry_in: Option<Duration>,
    },
    /// The hub refused to restore a subscription; the topic is no longer wanted.
    SubscriptionRefused {
        /// The subscriber.
        address: ActorAddress,
        /// The refused topic.
        topic: Topic,
        /// Why the hub refused.
        refusal: Box<Refusal>,
    },
    /// The hub accepted a newer token from the client's source.
    TokenRefreshed {
        /// When the session ends unless the token is refreshed again, by the hub's clock.
        expires_at: Timestamp,
    },
    /// No newer token came from the client's source, or the hub refused it. The session goes on
    /// with the token that it has.
    TokenRefreshFailed {
        /// What went wrong.
        why: String,
        /// The pause until the client asks again; none: not in this session.
        #[serde(rename = "retryInMs", serialize_with = "milliseconds")]
        retry_in: Option<Duration>,
    },
    /// An application message for one of the client's addresses.
    Delivered(Box<Message>),
    /// The hub took the address from this session, which lives on. The client registers an expired
    /// one again; any other is no longer wanted.
    Unregistered {
        /// The lost address.
        address: ActorAddress,
        /// Why the hub took it.
        reason: UnregisterReason,
    },
    /// `hub:pause`: what this client sends piles up. It should send nothing until
    /// [`Event::Resumed`]; the client itself holds nothing back.
    Paused {
        /// `slow_consumer`.
        reason: String,
        /// The actor that reads too slowly.
        address: ActorAddress,
        /// Messages that wait for its session.
        queue_depth: usize,
    },
    /// The latest [`Event::Paused`] is over: the hub said `hub:resume`, or the session is lost.
    Resumed,
    /// A `hub:error` that answers no ask under way: it is for a tell, an ask that timed out, or a
    /// frame without a valid id.
    HubError {
        /// The id of the frame that it is for, if that had a valid one.
        correlation: Option<MessageId>,
        /// What is wrong.
        refusal: Box<Refusal>,
    },
    /// `hub:disconnect`: the hub is about to close the session.
    CloseAnnounced {
        /// `duplicate_connection` or `server_shutdown`.
        reason: String,
        /// The same for a person.
        message: String,
    },
    /// A `hub:*` message that this client does not know.
    Unknown {
        /// The envelope's `type`.
        kind: String,
        /// The payload.
        payload: Json,
    },
    /// A frame that is no message of a hub.
    Invalid {
        /// What is wrong with the frame.
        why: String,
    },
    /// The session is over.
    Disconnected {
        /// The session that ended.
        session: SessionId,
        /// How it ended.
        #[serde(serialize_with = "text_of")]
        why: DisconnectReason,
        /// The pause until the client connects again; none: [`Event::Ended`] follows.
        #[serde(rename = "retryInMs", serialize_with = "milliseconds")]
        retry_in: Option<Duration>,
    },
    /// An attempt to open a session failed.
    ConnectFailed {
        /// How it failed.
        #[serde(serialize_with = "text_of")]
        why: DisconnectReason,
        /// The pause until the client connects again; none: [`Event::Ended`] follows.
        #[serde(rename = "retryInMs", serialize_with = "milliseconds")]
        retry_in: Option<Duration>,
    },
    /// The client does not connect again. This is the last event.
    Ended {
        /// Why it ended.
        #[serde(serialize_with = "text_of")]
        why: Ending,
    },
}

/// An application message as the hub delivered it. Written as JSON, it has a `type`, and a `topic` if it was
/// published; what `metadata` says as well is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Fresh for each recipient.
    pub id: MessageId,
    /// The sender.
    pub from: ActorAddress,
    /// The client's address that it is for.
    pub to: ActorAddress,
    /// The application's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sender's `data`, never the envelope around it.
    pub payload: Json,
    /// A JSON object that includes the hub's own keys.
    pub metadata: Json,
    /// How the message came here.
    #[serde(rename = "topic", serialize_with = "topic_of")]
    pub route: Route,
    /// The id of the request that carried it.
    #[serde(skip)]
    pub origin: Option<MessageId>,
    /// The hub's time of the delivery.
    pub timestamp: Timestamp,
    /// How long the sender allowed for the delivery.
    #[serde(skip)]
    pub ttl: Option<Duration>,
    /// Where its address stands with it; none: the address does not recover.
    #[serde(skip)]
    pub position: Option<Position>,
}

fn topic_of<S: Serializer>(route: &Route, serializer: S) -> Result<S::Ok, S::Error> {
    match route {
        Route::Send | Route::Broadcast => None,
        Route::Publication { topic } => Some(topic),
    }
    .serialize(serializer)
}

fn milliseconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
}

fn text_of<T: fmt::Display, S: Serializer>(what: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(what)
}

/// Why a transport ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// No WebSocket was opened: refused, unreachable, or not a hub.
    #[error("cannot connect: {0}")]
    ConnectFailed(String),
    /// The hub's close frame (protocol, section 3).
    #[error("closed by the hub: {} {reason}", code.map_or_else(|| "no code".to_owned(), |code| code.to_string()))]
    Closed {
        /// The close code; none if the frame had none.
        code: Option<u16>,
        /// The reason text.
        reason: String,
    },
    /// The stream broke or ended without a close frame.
    #[error("connection broken: {0}")]
    Broken(String),
    /// No frame came for `silence_timeout`.
    #[error("the hub is silent")]
    Silent,
    /// No transport, or no answer to `hub:connect` or `hub:disconnect`, came in time.
    #[error("the hub does not answer")]
    NoAnswer,
    /// The hub refused `hub:connect`.
    #[error("the hub refused: {0}")]
    Refused(Box<Refusal>),
    /// The token's source gave none.
    #[error("no token: {0}")]
    NoToken(NoToken),
    /// The client's user dropped it.
    #[error("the client gave it up")]
    Dropped,
}

/// Why a client does not connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ending {
    /// `disconnect` was called.
    #[error("disconnected on request")]
    Requested,
    /// All handles were dropped.
    #[error("abandoned by its user")]
    Stopped,
    /// Another session took over the client's last address (close code 4003).
    #[error("duplicate_connection: another session took over")]
    DuplicateConnection,
    /// The hub demands another token (close code 4001), or the token's source denies one.
    #[error("unauthorized: the hub wants another token")]
    Unauthorized,
    /// The hub speaks another protocol (close code 4002).
    #[error("version mismatch: the hub speaks another protocol")]
    VersionMismatch,
    /// The hub cannot read what this client writes (close code 1008).
    #[error("the hub cannot read what this client writes")]
    TooManyMalformed,
    /// `hub:connect` is larger than the hub takes before it knows a client (close code 1009).
    #[error("hub:connect is too large: give it a smaller token or less client_metadata")]
    ConnectTooLarge,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::protocol::{Details, ErrorCode};

    pub(in crate::client) fn message() -> Message {
        Message {
            id: MessageId::parse("m1").unwrap(),
            from: "@(alice)".parse().unwrap(),
            to: "@(bob)".parse().unwrap(),
            kind: "note".to_owned(),
            payload: Json::from_value(&"hi").unwrap(),
            metadata: Json::EMPTY_OBJECT,
            route: Route::Publication { topic: "news".parse().unwrap() },
            origin: None,
            timestamp: Timestamp::from_millis(7),
            ttl: None,
            position: None,
        }
    }

    fn json(event: &Event) -> String {
        serde_json::to_string(event).expect("it is JSON")
    }

    #[test]
    fn an_event_is_an_object_with_its_name() {
        let address: ActorAddress = "@(bob)".parse().unwrap();
        let why = DisconnectReason::Closed { code: Some(4004), reason: "silent".to_owned() };
        let failed = Event::ConnectFailed { why, retry_in: Some(Duration::from_millis(1500)) };
        let details = Details::RetryAfter { wait: Duration::from_secs(2), limit: 100 };
        let refusal = Refusal::new(ErrorCode::RateLimited, "too many", "Wait.").with(details);
        let (refusal, retry_in) = (Box::new(refusal), None);
        let refused = Event::RegistrationRefused { address, refusal, retry_in };
        let told = [failed, refused, Event::Delivered(Box::new(message())), Event::Resumed];
        assert_eq!(
            told.each_ref().map(json),
            [
                r#"{"event":"connect_failed","why":"closed by the hub: 4004 silent","retryInMs":1500}"#,
                r#"{"event":"registration_refused","address":"@(bob)","refusal":{"code":"rate_limited","message":"too many","resolution":"Wait.","details":{"limit":100,"retryAfter":2,"retryAfterMs":2000}},"retryInMs":null}"#,
                r#"{"event":"delivered","id":"m1","from":"@(alice)","to":"@(bob)","type":"note","payload":"hi","metadata":{},"topic":"news","timestamp":7}"#,
                r#"{"event":"resumed"}"#,
            ]
        );
    }
}
