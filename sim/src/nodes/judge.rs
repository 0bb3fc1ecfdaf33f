//! What must hold over several nodes (docs/CLUSTER.md), judged by what clients heard and what the engine wrote.

mod answers;
mod assembly;
mod books;
mod copy;
mod heard;
mod log;
mod readers;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use signal_hub::cluster::engine::{NodeName, Revision};
use signal_hub::cluster::{AddressRow, Fate, Incarnation, Message, MessageBody, NodeRow, Place};
use signal_hub::hub::{Hub, SessionKey};
use signal_hub::protocol::{ActorAddress, MessageId, Position};

use books::{Books, Bounds};
use copy::Watched;

use super::moves::Word;
use super::talk::{self, number_of};
use super::world::{Connection, Seen, Setting};
use crate::engine::Engine;
use crate::invariants::Invariant;
use assembly::Assembly;
use readers::Readers;

/// Of a version; the generation has those above.
const REVISION_BITS: u32 = 43;

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
}

impl Violation {
    pub(super) fn new(invariant: Invariant, what: String) -> Self {
        Self { invariant, what }
    }

    pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self::new(Invariant::NoPanic, text.unwrap_or("it panicked").to_owned())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

/// What a client knows and has heard.
#[derive(Debug, Clone)]
struct Client {
    actor: usize,
    node: NodeName,
    /// The version at which it has its address.
    registered: Option<u64>,
    /// Whether it may have it: nobody knows what became of its registration.
    may_have: bool,
    /// What it asked and has heard nothing of.
    asked: BTreeMap<MessageId, Option<Word>>,
    /// The latest number of each session that it heard of.
    latest: BTreeMap<SessionKey, u64>,
    /// Where it reads, if its messages are numbered.
    reads: Option<Position>,
    /// Whether it asked to change its topics.
    subscribes: bool,
    /// Whether it asked to give its address back since it got that.
    leaves: bool,
}

/// A change of an address in the engine's log.
#[derive(Debug, Clone)]
struct Written {
    at: Duration,
    revision: Revision,
    row: Option<AddressRow>,
    /// The process that had the life of the owner then: another one may take that, after the engine lost rows.
    process: Option<Incarnation>,
}

impl Written {
    /// The process that has the address, if there is one.
    fn owner(&self) -> Option<(&NodeName, Option<Incarnation>)> {
        self.row.as_ref().map(|row| (&row.owner.node, self.process))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Judge {
    pub seen: Seen,
    lease: Duration,
    clients: BTreeMap<SessionKey, Client>,
    /// Who asked what.
    senders: BTreeMap<u64, SessionKey>,
    /// Since the engine lost rows last.
    log: BTreeMap<ActorAddress, Vec<Written>>,
    nodes: BTreeMap<NodeName, NodeRow>,
    /// Which process lived each life.
    processes: BTreeMap<Place, Incarnation>,
    watched: BTreeMap<NodeName, Watched>,
    books: BTreeMap<NodeName, Books>,
    bounds: Bounds,
    /// When something was last wrong with a node or its engine.
    troubled: BTreeMap<NodeName, Duration>,
    /// When lives ended.
    died: BTreeMap<Place, Duration>,
    window: Duration,
    judged: Revision,
    versions: BTreeMap<ActorAddress, BTreeSet<u64>>,
    delivered: BTreeSet<(ActorAddress, SessionKey, u64)>,
    probes: BTreeSet<u64>,
    generation_lost: bool,
    /// Addresses that a client of a node gave back.
    given_back: BTreeSet<(ActorAddress, NodeName)>,
    readers: Readers,
    assembly: Assembly,
    /// Actors of whom a connection left, or gave the address back, since the latest registration: their hub knows before
    /// the row says so.
    leaving: BTreeSet<usize>,
    /// When something was broken last.
    trouble: Option<Duration>,
    /// How often each actor's address may still move to another hub, since all was mended.
    moves_left: Option<BTreeMap<usize, usize>>,
    /// How many connections of each actor have ended while they waited for the address, or did not know.
    claims_left: BTreeMap<usize, usize>,
    /// The number of the latest request.
    asked_until: u64,
}

/// Returns whether it gives its address back.
fn leaves(word: &Option<Word>) -> bool {
    matches!(word, Some(Word::Unregister | Word::Disconnect))
}

impl Judge {
    pub fn new(setting: &Setting) -> Self {
        Self {
            seen: Seen::new(),
            lease: setting.cluster.lease,
            clients: BTreeMap::new(),
            senders: BTreeMap::new(),
            log: BTreeMap::new(),
            nodes: BTreeMap::new(),
            processes: BTreeMap::new(),
            watched: BTreeMap::new(),
            books: BTreeMap::new(),
            bounds: Bounds::of(setting),
            troubled: BTreeMap::new(),
            died: BTreeMap::new(),
            // Clocks run at unequal pace.
            window: setting.config.resume_window * 9 / 10,
            judged: Revision(0),
            versions: BTreeMap::new(),
            delivered: BTreeSet::new(),
            probes: BTreeSet::new(),
            generation_lost: false,
            given_back: BTreeSet::new(),
            readers: Readers::default(),
            assembly: Assembly::default(),
            leaving: BTreeSet::new(),
            trouble: None,
            moves_left: None,
            claims_left: BTreeMap::new(),
            asked_until: 0,
        }
    }

    /// Nobody heard what became of a write.
    pub fn unknown(&mut self, is_done: bool) {
        self.saw(if is_done {
            "an unknown write was carried out"
        } else {
            "an unknown write was not carried out"
        });
    }

    /// A message passes from node to node.
    pub fn passes(&mut self, message: &[u8]) {
        if let Ok(Message { body: MessageBody::Delivered { fates, .. }, .. }) =
            Message::decode(message)
            && fates.contains(&Fate::Stale)
        {
            self.saw("a stale delivery was refused");
        }
    }

    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn opened(&mut self, key: SessionKey, actor: usize, node: NodeName) {
        self.moves_left.iter_mut().for_each(|left| *left.entry(actor).or_default() += 1);
        let (asked, latest) = (BTreeMap::new(), BTreeMap::new());
        self.clients.insert(
            key,
            Client {
                actor,
                node,
                registered: None,
                may_have: false,
                reads: None,
                asked,
                latest,
                subscribes: false,
                leaves: false,
            },
        );
    }

    /// All is mended; these are the actors of the connections that are there. Each may take its address once, and so may
    /// the claims of those that are gone.
    pub fn healed(&mut self, actors: impl Iterator<Item = usize>) {
        let mut left = self.claims_left.clone();
        actors.for_each(|actor| *left.entry(actor).or_default() += 1);
        self.moves_left = Some(left);
    }

    /// Something is wrong with a node, or its engine.
    pub fn troubled(&mut self, node: &NodeName, now: Duration) {
        self.troubled.insert(node.clone(), now);
    }

    pub fn asked(&mut self, key: SessionKey, number: u64, word: Option<Word>) {
        self.senders.insert(number, key);
        self.asked_until = number;
        if let Some(client) = self.clients.get_mut(&key) {
            client.subscribes |= matches!(word, Some(Word::Subscribe | Word::Unsubscribe));
            client.leaves |= leaves(&word);
            client.asked.insert(talk::id(number), word);
        }
    }

    pub fn ended(&mut self, key: SessionKey) {
        let Some(client) = self.clients.remove(&key) else { return };
        self.leaving.insert(client.actor);
        if client.registers() || client.may_have {
            *self.claims_left.entry(client.actor).or_default() += 1;
        }
    }

    /// Each of these must arrive.
    pub fn probes(&mut self, number: u64) {
        self.probes.insert(number);
    }

    /// Of two nodes of one name the older has ended by now.
    pub fn one_of_a_name(&self, are_two: bool) -> Result<(), Violation> {
        let what = "two nodes of one name both live".to_owned();
        if are_two { Err(Violation::new(Invariant::I47, what)) } else { Ok(()) }
    }

    /// What a client waits for, and the version at which it has its address.
    pub fn waits(&self, key: SessionKey) -> (Vec<Option<Word>>, Option<u64>) {
        let client = self.clients.get(&key);
        client.map_or((Vec::new(), None), |client| {
            (client.asked.values().copied().collect(), client.registered)
        })
    }

    /// Returns whether an actor knows that it has its address.
    pub fn has_address(
        &self,
        connections: &BTreeMap<SessionKey, Connection>,
        actor: usize,
    ) -> bool {
        self.believers(connections).iter().any(|(_, other)| *other == actor)
    }

    /// Returns whether a client waits for the answer to a registration.
    pub fn registers(&self, key: SessionKey) -> bool {
        self.clients.get(&key).is_some_and(Client::registers)
    }

    /// Since all was mended everybody kept trying, and there is one without an address, or none (L1).
    pub fn returned(&self, without: Option<usize>) -> Result<(), Violation> {
        let Some(actor) = without else { return Ok(()) };
        let what = format!("a{actor} keeps trying since all is well, and has no address");
        Err(Violation::new(Invariant::L1, what))
    }

    /// The addresses that somebody may have, and does not know it.
    fn doubtful(&self) -> BTreeSet<ActorAddress> {
        let may_have = self.clients.values().filter(|client| client.may_have);
        may_have.map(|client| talk::address(client.actor)).collect()
    }

    /// Who thinks that it has its address, and the number of its actor.
    pub fn believers(
        &self,
        connections: &BTreeMap<SessionKey, Connection>,
    ) -> Vec<(SessionKey, usize)> {
        let known = self.clients.iter().filter(|(key, _)| connections.contains_key(key));
        let believes = known.filter(|(_, client)| client.registered.is_some());
        believes.map(|(key, client)| (*key, client.actor)).collect()
    }

    /// All is quiet: everybody is answered, and knows the same (I1, I13, I24, I30, I48, L1).
    pub fn rests<'h>(
        &mut self,
        engine: &Engine,
        hubs: impl Iterator<Item = &'h Hub>,
        connections: &BTreeMap<SessionKey, Connection>,
    ) -> Result<(), Violation> {
        for (key, client) in &self.clients {
            if let Some((id, word)) = client.asked.first_key_value() {
                let what = format!("{key} asked {word:?} as {id} and hears nothing");
                return Err(Violation::new(Invariant::I24, what));
            }
        }
        let mut owners = BTreeMap::new();
        for (key, actor) in self.believers(connections) {
            if let Some(other) = owners.insert(actor, key) {
                let what = format!("{other} and {key} both have {}", talk::address(actor));
                return Err(Violation::new(Invariant::I1, what));
            }
        }
        self.readers_rest(&owners)?;
        for hub in hubs {
            self.copy_rests(engine, hub, &owners)?;
            Self::indexes_agree(hub)?;
        }
        Ok(())
    }
}
