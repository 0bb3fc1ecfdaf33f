//! What everybody does in the end, when all is well.

use super::{SessionKey, World};

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
}
