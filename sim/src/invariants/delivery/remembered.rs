//! The asks that the hub promises to know again (docs/PROTOCOL.md, section 6): each for as long as
//! the window is, at most so many of an address and in all, until the address is given back.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use signal_hub::hub::{Config, DropReason, ForgetReason, Record};
use signal_hub::protocol::{ActorAddress, MessageId, Pattern, Request, Verb};
use signal_hub::time::Timestamp;

use super::super::Transition;
use super::super::transition::RequestTransition;

/// Who asked for what under which id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// First, since it nearly always tells two asks apart.
    content: u64,
    from: ActorAddress,
    id: MessageId,
    kind: &'static str,
}

impl Ask {
    /// The ask that this is, if it is one of those that deliver.
    pub fn of(from: ActorAddress, asked: &RequestTransition<'_>) -> Option<Self> {
        let content = *asked.content.get_or_init(|| content(asked.request));
        let (content, verb) = (content?, asked.verb()?);
        Some(Self { content, from, id: asked.request.id.clone(), kind: verb.type_name() })
    }
}

/// A number that two asks share if they carry the same; none for what is no ask that delivers.
fn content(request: &Request) -> Option<u64> {
    let verb = request.verb.as_ref().ok().filter(|_| request.pattern == Pattern::Ask)?;
    let mut hasher = DefaultHasher::new();
    match verb {
        Verb::Send(send) => send.hash(&mut hasher),
        Verb::Publish(publish) => publish.hash(&mut hasher),
        Verb::Broadcast(broadcast) => broadcast.hash(&mut hasher),
        _ => return None,
    }
    Some(hasher.finish())
}

/// What is known of each of them.
pub struct Remembered<T> {
    config: Config,
    rows: BTreeMap<Ask, T>,
    /// The asks of each address, oldest first.
    of: BTreeMap<ActorAddress, Vec<(Timestamp, Ask)>>,
    /// None of them came before.
    since: Timestamp,
}

impl<T> Remembered<T> {
    pub fn new(config: &Config) -> Self {
        let (rows, of, since) = Default::default();
        Self { config: config.clone(), rows, of, since }
    }

    pub fn get(&self, ask: &Ask) -> Option<&T> {
        self.rows.get(ask)
    }

    pub fn insert(&mut self, now: Timestamp, ask: Ask, row: T) {
        if let Some(known) = self.rows.get_mut(&ask) {
            *known = row;
            return;
        }
        if let Some(address) = self.gives_way(&ask.from) {
            self.forget_oldest_of(&address);
        }
        self.of.entry(ask.from.clone()).or_default().push((now, ask.clone()));
        self.rows.insert(ask, row);
    }

    /// Forgets what is as old as the window and what belonged to an address that was given back, or
    /// that another principal has registered.
    pub fn see(&mut self, transition: &Transition<'_>) {
        if self.is_old(transition.now, self.since) {
            while let Some(address) = self.with_old_asks(transition.now) {
                self.forget_oldest_of(&address);
            }
            let firsts = self.of.values().filter_map(|asks| asks.first());
            self.since = firsts.map(|(at, _)| *at).min().unwrap_or(transition.now);
        }
        let principals = transition.before.principals();
        for record in transition.records() {
            let given_up = match record {
                Record::ActorForgotten {
                    actor_address,
                    why: ForgetReason::Unregistered | ForgetReason::Disconnected,
                } => Some(actor_address),
                Record::ActorRegistered { actor_address, session, .. } => {
                    let is_new = principals.is_some_and(|p| p.is_new_to(*session, actor_address));
                    is_new.then_some(actor_address)
                }
                _ => None,
            };
            for (_, ask) in given_up.and_then(|a| self.of.remove(a)).unwrap_or_default() {
                self.rows.remove(&ask);
            }
        }
    }

    pub fn clear(&mut self) {
        self.rows.clear();
        self.of.clear();
        self.since = Timestamp::default();
    }

    fn is_old(&self, now: Timestamp, at: Timestamp) -> bool {
        now.since(at) >= self.config.dedupe_window
    }

    fn with_old_asks(&self, now: Timestamp) -> Option<ActorAddress> {
        let is_old = |asks: &Vec<(Timestamp, Ask)>| {
            asks.first().is_some_and(|(at, _)| self.is_old(now, *at))
        };
        self.of.iter().find(|(_, asks)| is_old(asks)).map(|(address, _)| address.clone())
    }

    /// Whose oldest makes room for one more of `newcomer`: its own, or that of whoever has most.
    fn gives_way(&self, newcomer: &ActorAddress) -> Option<ActorAddress> {
        let has = self.of.get(newcomer).map_or(0, Vec::len);
        if has >= self.config.dedupe_entries_per_address_max.max(1) {
            return Some(newcomer.clone());
        }
        if self.rows.len() < self.config.dedupe_entries_max.max(1) {
            return None;
        }
        self.of.iter().max_by_key(|(_, asks)| asks.len()).map(|(address, _)| address.clone())
    }

    fn forget_oldest_of(&mut self, address: &ActorAddress) {
        let Some(asks) = self.of.get_mut(address) else { return };
        let (_, ask) = asks.remove(0);
        if asks.is_empty() {
            self.of.remove(address);
        }
        self.rows.remove(&ask);
    }
}

/// Returns whether the hub said that nobody was there: then there is nothing to know again.
pub fn reached_nobody(transition: &Transition<'_>, request: &Request) -> bool {
    matches!(request.verb, Ok(Verb::Send(_)))
        && transition.records().any(|record| {
            matches!(record,
                Record::MessageDropped { message, why, .. }
                    if *message == request.id
                        && matches!(why, DropReason::UnknownActor | DropReason::Detached))
        })
}
