//! The first outcomes of asks that may come again, each for as long as the window is, at most so
//! many.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::protocol::{ActorAddress, MessageId, Reply};
use crate::time::Timestamp;

/// What makes two asks the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AskKey {
    /// The acting identity.
    pub from: ActorAddress,
    pub id: MessageId,
    /// The type of the verb: an id that is used for two things names two asks.
    pub kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcomes {
    rows: BTreeMap<AskKey, Reply>,
    /// The keys of the rows, oldest first.
    order: VecDeque<(Timestamp, AskKey)>,
}

/// Outcomes follow from the asks.
impl Hash for Outcomes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.order.hash(state);
    }
}

impl Outcomes {
    pub fn first(&self, key: &AskKey) -> Option<&Reply> {
        self.rows.get(key)
    }

    /// Remembers the outcome of an ask that is not remembered yet; the oldest makes room.
    pub fn insert(&mut self, now: Timestamp, key: AskKey, outcome: Reply, entries_max: usize) {
        while self.order.len() >= entries_max.max(1) {
            self.forget_oldest();
        }
        self.rows.insert(key.clone(), outcome);
        self.order.push_back((now, key));
    }

    /// Forgets what is as old as the window.
    pub fn expire(&mut self, now: Timestamp, window: Duration) {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= window) {
            self.forget_oldest();
        }
    }

    /// When the oldest was inserted.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.order.front().map(|(at, _)| *at)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.rows.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;
    use crate::protocol::Disconnected;

    fn hash(outcomes: &Outcomes) -> u64 {
        let mut hasher = DefaultHasher::new();
        outcomes.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn outcomes_are_told_apart_by_their_asks() {
        let from = ActorAddress::parse("@(a)").expect("an address");
        let ask = |id: &str| {
            let id = MessageId::parse(id).expect("an id");
            AskKey { from: from.clone(), id, kind: "hub:send" }
        };
        let outcome = Reply::Disconnected(Disconnected { acknowledged: true });
        let [mut one, mut other] = [Outcomes::default(), Outcomes::default()];
        one.insert(Timestamp::default(), ask("1"), outcome.clone(), 9);
        other.insert(Timestamp::default(), ask("2"), outcome, 9);
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(hash(&one), hash(&one.clone()));
    }
}
