//! What can happen next.

use signal_hub::protocol::Topic;

use crate::scenario::{Action, Speech, WhichToken};

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

/// What a connection says, always for its own actor.
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
}

impl Word {
    pub(super) const ALL: [Word; 10] = [
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
    ];
    /// Those that carry no application data.
    pub(super) const SILENT: &[Word] = Word::ALL.split_at(8).0;
    /// Before `hub:connect`, what else is refused is refused in the same way.
    pub(super) const FIRST: &[Word] = &[Word::Connect, Word::Register];
    /// Of a session that is over nothing is looked at.
    pub(super) const LATE: &[Word] = &[Word::Register];

    /// The word in a scenario; `to` is whom an ask is for.
    pub(super) fn action(self, to: &str) -> Action {
        let topic = Topic::parse("news").expect("a topic");
        match self {
            Word::Connect => Action::Connect { protocol_version: None, token: None },
            Word::Register => {
                Action::Register { address: None, ttl: None, renew_on_heartbeat: false }
            }
            Word::Renew => Action::Renew { address: None, token: WhichToken::None },
            Word::Subscribe => Action::Subscribe { topic },
            Word::Unsubscribe => Action::Unsubscribe { topic, by_id: false },
            Word::Unregister => Action::Unregister { address: None },
            Word::Disconnect => Action::Disconnect,
            Word::Ping => Action::Ping,
            Word::Ask => Action::Ask { to: to.to_owned(), id: None, speech: Speech::default() },
            Word::Publish => Action::Publish { topic, speech: Speech::default() },
        }
    }
}
