//! What clients do: they connect, say something, and are gone.

use signal_hub::hub::{CloseCause, Input, Peer, SessionKey};
use signal_hub::protocol::ClientFrame;

use super::{Connection, Violation, World};
use crate::nodes::events::Said;
use crate::nodes::moves::Word;
use crate::nodes::talk;

impl World {
    pub(super) fn connection(&self, actor: usize, slot: usize) -> Option<SessionKey> {
        let is_it = |(_, known): &(&SessionKey, &Connection)| {
            (known.actor, known.slot) == (actor % self.setting.actors, slot % 2)
        };
        self.connections.iter().find(is_it).map(|(key, _)| *key)
    }

    pub(super) fn open(&mut self, actor: usize, node: usize) -> Result<(), Violation> {
        let Some((key, frame)) = self.connects(actor, node) else { return Ok(()) };
        let peer = Peer { address: ([127, 0, 0, 1], 1).into() };
        self.give(node, Input::Opened(key, peer))?;
        self.give(node, Input::Frame(key, Ok(frame)))
    }

    /// An actor's next connection, and what it says first; none if it has two.
    pub(super) fn connects(
        &mut self,
        actor: usize,
        node: usize,
    ) -> Option<(SessionKey, ClientFrame)> {
        let actor = actor % self.setting.actors;
        let slot = (0..2).find(|slot| self.connection(actor, *slot).is_none())?;
        self.nodes[node].hub.as_ref()?;
        (self.opened, self.asked) = (self.opened + 1, self.asked + 1);
        let key = SessionKey(self.opened);
        self.connections.insert(key, Connection { actor, slot, node });
        let name = self.nodes[node].node.clone();
        self.judge.opened(key, actor, name.clone());
        self.note_talk(key, || Said::Connects(name));
        self.judge.asked(key, self.asked, None);
        Some((key, talk::connect(self.time(node), self.asked, actor)))
    }

    pub(super) fn say(&mut self, actor: usize, slot: usize, word: Word) -> Result<(), Violation> {
        let Some(key) = self.connection(actor, slot) else { return Ok(()) };
        self.ask(key, word)
    }

    pub(super) fn ask(&mut self, key: SessionKey, word: Word) -> Result<(), Violation> {
        let Some((known, frame)) = self.says(key, word) else { return Ok(()) };
        self.give(known.node, Input::Frame(key, Ok(frame)))
    }

    /// What a connection says, if it is there.
    pub(super) fn says(
        &mut self,
        key: SessionKey,
        word: Word,
    ) -> Option<(Connection, ClientFrame)> {
        let known = self.connections.get(&key)?.clone();
        self.note_talk(key, || Said::Says(word));
        self.asked += 1;
        let wish = (word == Word::Recover).then(|| self.judge.wish(known.actor, self.asked));
        self.judge.asked(key, self.asked, Some(word));
        let now = self.time(known.node);
        Some((known.clone(), talk::say(now, self.asked, known.actor, (word, wish))))
    }

    pub(super) fn end(&mut self, key: SessionKey, cause: CloseCause) -> Result<(), Violation> {
        let Some(connection) = self.leaves(key) else { return Ok(()) };
        self.give(connection.node, Input::Closed(key, cause))
    }

    pub(super) fn leaves(&mut self, key: SessionKey) -> Option<Connection> {
        self.note_talk(key, || Said::IsLost);
        let connection = self.connections.remove(&key)?;
        self.judge.ended(key);
        Some(connection)
    }
}
