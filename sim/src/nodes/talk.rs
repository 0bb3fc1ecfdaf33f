//! Frames of clients, in short.

use std::sync::Arc;
use std::time::Duration;

use signal_hub::protocol::{
    ActorAddress, ClientFrame, Connect, Disconnect, Json, ListActors, MessageId, PROTOCOL_VERSION,
    Pattern, Publish, RecoveryWish, Register, Request, Send, Subscribe, Subscription, Topic,
    Unregister, Unsubscribe, Verb,
};
use signal_hub::time::Timestamp;
use uuid::Uuid;

use super::moves::Word;

/// The name of an actor's address.
pub(super) fn address(actor: usize) -> ActorAddress {
    ActorAddress::from_path(&format!("a{actor}")).expect("a path")
}

/// The actor that [`address`] named.
pub(super) fn actor_of(address: &ActorAddress) -> usize {
    let number = address.path().strip_prefix('a').and_then(|number| number.parse().ok());
    number.expect("an actor's address has its number")
}

/// The one topic.
pub(super) fn topic() -> Topic {
    Topic::parse("news").expect("a topic")
}

/// The id of the message of a number.
pub(super) fn id(number: u64) -> MessageId {
    MessageId::from(Uuid::from_u128(u128::from(number)))
}

/// The number of a message that [`id`] named.
pub(super) fn number_of(id: &MessageId) -> u64 {
    let id = Uuid::parse_str(id.as_str()).expect("every id is a number");
    id.as_u128() as u64
}

pub(super) fn connect(now: Timestamp, number: u64, from: usize) -> ClientFrame {
    let verb = Verb::Connect(Connect {
        protocol_version: PROTOCOL_VERSION.to_owned(),
        capabilities: vec!["chat".to_owned()],
        auth_token: None,
        client_metadata: None,
    });
    frame(now, number, from, verb)
}

pub(super) fn say(
    now: Timestamp,
    number: u64,
    from: usize,
    (word, recovery): (Word, Option<RecoveryWish>),
) -> ClientFrame {
    let (kind, data): (Arc<str>, Json) = ("n".into(), Json::from(serde_json::json!(number)));
    let verb = match word {
        Word::Register | Word::Recover => Verb::Register(Register {
            actor_address: address(from),
            capabilities: vec!["chat".to_owned()],
            metadata: Json::EMPTY_OBJECT,
            ttl: Duration::from_secs(600),
            renew_on_heartbeat: false,
            recovery,
        }),
        Word::Unregister => Verb::Unregister(Unregister { actor_address: None }),
        Word::Subscribe => Verb::Subscribe(Subscribe { topic: topic(), durable: false }),
        Word::Unsubscribe => {
            Verb::Unsubscribe(Unsubscribe { subscription: Subscription::Topic(topic()) })
        }
        Word::Publish => Verb::Publish(Publish { topic: topic(), kind, data }),
        Word::Send(to) => Verb::Send(Send { to: address(to).into(), kind, data, queue: true }),
        Word::List => {
            let (offset, cursor, limit) = Default::default();
            Verb::ListActors(ListActors { offset, cursor, limit })
        }
        Word::Disconnect => Verb::Disconnect(Disconnect { reason: None }),
    };
    frame(now, number, from, verb)
}

fn frame(now: Timestamp, number: u64, from: usize, verb: Verb) -> ClientFrame {
    let hub = ActorAddress::from_path("hub").expect("a path");
    let request = Request::new(id(number), address(from), hub, Pattern::Ask, now, verb);
    ClientFrame::Request(Arc::new(request))
}
