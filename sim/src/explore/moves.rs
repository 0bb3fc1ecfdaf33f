//! What can happen next.

use std::time::Duration;

use signal_hub::protocol::Topic;

use crate::scenario::{Action, Speech, Token, WhichPosition, WhichToken};

/// Where an actor has, or may have, a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counts the actors, from 0.
    pub actor: usize,
    /// Counts the connections that the actor may have at one time, from 0.
    pub slot: usize,
}

/// One thing that happens to the hub.
///
/// A client that is gone and whose end the hub has not noticed is no state of its own: to the hub it
/// is one that says nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A connection is accepted.
    Open(Place),
    /// A frame arrives; also when the session is over, as one that was under way.
    Say(Place, Word),
    /// What waited for the connection is written; also late, when the session is over.
    Written(Place),
    /// The hub notices the end of the connection: at once, late, or - without this - never.
    Ended(Place),
    /// Time passes.
    Wait,
}

/// What a connection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `hub:connect`.
    Connect,
    /// `hub:register`.
    Register,
    /// `hub:renew`, without a token.
    Renew,
    /// `hub:subscribe`, always to the same topic.
    Subscribe,
    /// `hub:unsubscribe` from that topic.
    Unsubscribe,
    /// `hub:unregister`.
    Unregister,
    /// `hub:disconnect`.
    Disconnect,
    /// `{"type":"ping"}`.
    Ping,
    /// `hub:send` to the next actor, which wants its acknowledgement.
    Ask,
    /// `hub:publish` on that topic.
    Publish,
    /// `hub:refresh_token` with another token of the same rights.
    Refresh,
    /// The same with one that allows the actor's own address alone.
    Narrow,
    /// `hub:register` that recovers from now on.
    Begin,
    /// The same from the latest position that the actor knows.
    Return,
    /// The same from the beginning of that epoch.
    Rewind,
    /// `hub:recover` from there.
    Recover,
}

/// What a word leaves open.
pub(super) struct Context<'a> {
    /// Whom an ask is for.
    pub recipient: &'a str,
    /// What is registered, if not the actor's own.
    pub address: Option<&'a str>,
    /// When its token expires, after the start, if the hub demands one.
    pub expires: Option<Duration>,
}

impl Word {
    pub(super) const ALL: [Word; 16] = [
        Word::Connect,
        Word::Register,
        Word::Renew,
        Word::Subscribe,
        Word::Unsubscribe,
        Word::Unregister,
        Word::Disconnect,
        Word::Ping,
        Word::Ask,
        Word::Publish,
        Word::Refresh,
        Word::Narrow,
        Word::Begin,
        Word::Return,
        Word::Rewind,
        Word::Recover,
    ];
    /// Those that may carry application data, and show no token.
    pub(super) const TOKENLESS: &[Word] = Word::ALL.split_at(10).0;
    /// Those that carry no application data.
    pub(super) const SILENT: &[Word] = Word::ALL.split_at(8).0;
    /// Those of principals.
    pub(super) const RIGHTS: &[Word] = &[
        Word::Connect,
        Word::Register,
        Word::Subscribe,
        Word::Unregister,
        Word::Disconnect,
        Word::Ping,
        Word::Refresh,
        Word::Narrow,
    ];
    /// Those of who recovers; the last one is for who is alone.
    pub(super) const RECOVERING: &[Word] = &[
        Word::Register,
        Word::Begin,
        Word::Return,
        Word::Rewind,
        Word::Recover,
        Word::Unregister,
        Word::Ask,
    ];
    /// Those of who talks to them.
    pub(super) const TALKING: &[Word] = &[Word::Register, Word::Ask];
    /// Before `hub:connect`, what else is refused is refused in the same way.
    pub(super) const FIRST: &[Word] = &[Word::Connect, Word::Register];
    /// Of a session that is over nothing is looked at.
    pub(super) const LATE: &[Word] = &[Word::Register];

    /// The word in a scenario.
    pub(super) fn action(self, context: &Context<'_>) -> Action {
        let topic = Topic::parse("news").expect("a topic");
        let token = |actors| Token { exp: context.expires, actors, ..Token::default() };
        let register = |recovery| {
            let address = context.address.map(str::to_owned);
            Action::Register { address, ttl: None, renew_on_heartbeat: false, recovery }
        };
        match self {
            Word::Connect => Action::Connect {
                protocol_version: None,
                token: context.expires.map(|_| token(None).into()),
            },
            Word::Refresh => Action::RefreshToken { token: token(None).into() },
            Word::Narrow => Action::RefreshToken { token: token(Some(Vec::new())).into() },
            Word::Register => register(None),
            Word::Begin => register(Some(WhichPosition::Begin)),
            Word::Return => register(Some(WhichPosition::Latest)),
            Word::Rewind => register(Some(WhichPosition::Start)),
            Word::Recover => Action::Recover { address: None, position: WhichPosition::Start },
            Word::Renew => Action::Renew { address: None, token: WhichToken::None },
            Word::Subscribe => Action::Subscribe { topic, durable: false },
            Word::Unsubscribe => Action::Unsubscribe { topic, by_id: false },
            Word::Unregister => Action::Unregister { address: None },
            Word::Disconnect => Action::Disconnect,
            Word::Ping => Action::Ping,
            Word::Ask => {
                let to = context.recipient.to_owned();
                Action::Ask { to, id: None, speech: Speech::default() }
            }
            Word::Publish => Action::Publish { topic, speech: Speech::default() },
        }
    }
}
