//! What everybody does in the end, when all is well.

use std::time::Duration;

use signal_hub::hub::CloseCause;

use super::{SessionKey, Setting, Violation, World};
use crate::nodes::moves::Word;

/// One thing, after which what follows from it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nodes) enum Rite {
    /// A connection is gone.
    Leave(SessionKey),
    /// Everybody who has an address sends to an actor, who gets it now or later.
    SendAll(usize),
    /// A node hears nothing, or all again.
    Hold(usize, bool),
    /// An actor connects to a node.
    Connect(usize, usize),
    /// Whoever connected last shows its position.
    Recover,
    /// That position has to count.
    MustRecover,
}

impl Setting {
    /// Long enough for all that hubs remember of who is gone.
    pub(in crate::nodes) fn forgotten(&self) -> Duration {
        self.rest() + self.config.dedupe_window
    }
}

impl World {
    /// An actor that reads comes back at another node: half of them after a while, and half before the old node knows.
    pub(in crate::nodes) fn rites(&self, key: SessionKey, actor: usize) -> Vec<Rite> {
        let old = self.connections.get(&key).map_or(0, |known| known.node);
        let others = (1..self.setting.nodes).map(|by| (old + by) % self.setting.nodes);
        let others: Vec<usize> = others.filter(|node| self.lives(*node)).collect();
        let Some(last) = others.last().copied() else { return Vec::new() };
        let all = self.connections.iter().filter(|(_, known)| known.actor == actor);
        let leaves = |other: &SessionKey| *other != key || actor.is_multiple_of(2);
        let all = all.map(|(other, _)| *other).filter(leaves);
        let mut rites: Vec<Rite> = all.map(Rite::Leave).collect();
        // The old node hears nothing yet: what comes meanwhile is kept at the new ones.
        rites.extend([Rite::SendAll(actor), Rite::Hold(old, true)]);
        if actor.is_multiple_of(2) && others.len() > 1 {
            rites.extend([Rite::Connect(actor, others[0]), Rite::Recover, Rite::SendAll(actor)]);
        }
        rites.extend([Rite::Connect(actor, last), Rite::Recover, Rite::MustRecover]);
        rites.extend([Rite::SendAll(actor), Rite::Hold(old, false)]);
        rites
    }

    /// Everything is mended; when all is quiet, everybody must agree.
    pub fn rest(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            self.mend(node)?;
        }
        if std::mem::take(&mut self.is_electing) {
            self.engine.end_election();
        }
        self.wait(self.setting.rest())?;
        self.one_of_a_name()?;
        let believers = self.judge.believers(&self.connections);
        for (key, _) in &believers {
            for (_, to) in &believers {
                self.judge.probes(self.asked + 1);
                self.ask(*key, Word::Send(*to))?;
            }
        }
        for (key, _) in &believers {
            for word in [Word::Publish, Word::List] {
                // The answer may be there at once.
                self.judge.assembles(self.asked + 1, word);
                self.ask(*key, word)?;
            }
        }
        self.flow()?;
        self.wait(self.setting.cluster.answer_timeout * 4)?;
        self.judge.assembled(&believers)?;
        self.move_readers(&believers)?;
        self.agrees()?;
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            self.end(key, CloseCause::Lost)?;
        }
        self.flow()?;
        self.wait(self.setting.forgotten())?;
        self.is_left_empty()
    }

    /// Everybody who reads comes back at another node.
    fn move_readers(&mut self, believers: &[(SessionKey, usize)]) -> Result<(), Violation> {
        for (key, actor) in self.judge.reading(believers) {
            for rite in self.rites(key, actor) {
                self.perform(rite, believers)?;
                self.flow()?;
            }
        }
        self.wait(self.setting.cluster.answer_timeout * 4)
    }

    fn perform(&mut self, rite: Rite, believers: &[(SessionKey, usize)]) -> Result<(), Violation> {
        match rite {
            Rite::Leave(key) => self.end(key, CloseCause::Lost),
            Rite::SendAll(to) => self.send_all(believers, to),
            Rite::Hold(node, is_held) => {
                self.hold(node, is_held);
                Ok(())
            }
            Rite::Connect(actor, node) => self.open(actor, node),
            Rite::Recover => self.ask(SessionKey(self.opened), Word::Recover),
            Rite::MustRecover => {
                self.judge.must_recover(self.asked);
                Ok(())
            }
        }
    }

    /// Of two processes with one name the older has ended by now.
    pub(in crate::nodes) fn one_of_a_name(&self) -> Result<(), Violation> {
        self.judge.one_of_a_name(self.nodes.len() > self.setting.nodes)
    }

    fn lives(&self, node: usize) -> bool {
        let hub = self.nodes[node].hub.as_ref();
        hub.is_some_and(|hub| !hub.is_fenced(self.time(node)))
    }

    /// Everybody sends to an actor, who gets it now or later.
    fn send_all(&mut self, from: &[(SessionKey, usize)], to: usize) -> Result<(), Violation> {
        for (sender, _) in from {
            if self.connections.contains_key(sender) {
                self.ask(*sender, Word::Send(to))?;
                self.judge.probes(self.asked);
            }
        }
        Ok(())
    }
}
