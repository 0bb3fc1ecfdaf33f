//! What can happen to a client, at random.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use signal_hub::protocol::{ActorAddress, Details, ErrorCode, MessageId, Refusal, Topic};

pub const NAMES: [&str; 3] = ["alice", "alice/desk", "alice/phone"];
pub const TOPICS: [&str; 3] = ["news", "sports", "chess"];
/// One thing that happens to a client.
#[derive(Debug, Clone)]
pub enum Move {
    Want(ActorAddress),
    WantNoMore(ActorAddress),
    Subscribe(ActorAddress, Topic),
    Unsubscribe(ActorAddress, Topic),
    /// The same id again for those that bear one.
    Ask(Option<ActorAddress>, Option<MessageId>),
    Tell(ActorAddress),
    Leave,
    Stop,
    /// The transport opens.
    Open,
    /// The hub carries out the next request and answers.
    Answer,
    Refuse(Refusal),
    /// The hub leaves the next request unanswered.
    Ignore,
    /// Other connections take one address, or all.
    TakeOver(ActorAddress),
    Replace,
    /// The connection breaks, or is closed with a code; the hub forgets the client's addresses.
    Lose(Option<u16>),
    LoseAndForget,
    Wait(Duration),
}

pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    let name = || select(&NAMES).prop_map(address);
    let topic = || select(&TOPICS).prop_map(topic);
    let id = select(vec!["one", "two"]).prop_map(|id| MessageId::parse(id).expect("an id"));
    let wait = prop_oneof![0..300_u64, 300..15_000_u64].prop_map(Duration::from_millis);
    let code = select(vec![1001, 1008, 1011, 1013, 4001, 4002, 4003, 4004, 4005]);
    let one = prop_oneof![
        3 => name().prop_map(Move::Want),
        1 => name().prop_map(Move::WantNoMore),
        4 => (name(), topic()).prop_map(|(name, topic)| Move::Subscribe(name, topic)),
        2 => (name(), topic()).prop_map(|(name, topic)| Move::Unsubscribe(name, topic)),
        4 => (proptest::option::of(name()), proptest::option::weighted(0.3, id))
            .prop_map(|(name, id)| Move::Ask(name, id)),
        2 => name().prop_map(Move::Tell),
        12 => Just(Move::Open),
        30 => Just(Move::Answer),
        3 => refusal().prop_map(Move::Refuse),
        1 => Just(Move::Ignore),
        1 => name().prop_map(Move::TakeOver),
        3 => Just(Move::Lose(None)),
        1 => Just(Move::LoseAndForget),
        6 => wait.prop_map(Move::Wait),
    ];
    let last = prop_oneof![
        5 => Just(Move::Answer),
        1 => code.prop_map(|code| Move::Lose(Some(code))),
        1 => Just(Move::Replace),
        1 => Just(Move::Leave),
        1 => Just(Move::Stop),
    ];
    let some = |most| vec(one.clone(), 1..most);
    (some(80), last, some(20)).prop_map(|(mut moves, last, after)| {
        moves.push(last);
        moves.extend(after);
        moves
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let wait = Duration::from_millis(700);
    let of = |code| Refusal::new(code, "no", "Do not.");
    select(vec![
        of(ErrorCode::RateLimited).with(Details::RetryAfter { wait, limit: 1 }),
        of(ErrorCode::RateLimited).with(Details::Limit { limit: 1 }),
        of(ErrorCode::Unauthorized),
        of(ErrorCode::InternalError),
    ])
}

pub fn address(path: &str) -> ActorAddress {
    ActorAddress::from_path(path).expect("its names are paths")
}

pub fn topic(name: &str) -> Topic {
    Topic::parse(name).expect("its topics are topics")
}
