//! What the nodes of an engine asked and heard, in the order in which it happened, and how they choose what to ask.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use signal_hub::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, WriteOutcome,
};

/// One node asked or heard something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub node: NodeName,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Asked(Request),
    Heard(Event),
}

/// What happened, for whoever judges it.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub records: Vec<Record>,
}

impl History {
    pub fn asked(&mut self, node: &NodeName, request: &Request) {
        let what = What::Asked(request.clone());
        self.records.push(Record { node: node.clone(), what });
    }

    pub fn heard(&mut self, node: &NodeName, event: &Event) {
        let what = What::Heard(event.clone());
        self.records.push(Record { node: node.clone(), what });
    }
}

pub fn name(node: &str) -> NodeName {
    NodeName::parse(node).unwrap()
}

pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub fn nodes(count: usize) -> Vec<NodeName> {
    (0..count).map(|index| name(&format!("n{index}"))).collect()
}

pub const KEYS: [&str; 3] = ["a.bob", "a.eve", "n.n0"];

/// A node that asks by chance, and by what it knows.
pub struct Asker {
    pub node: NodeName,
    peers: Vec<NodeName>,
    known: BTreeMap<Key, Revision>,
    written: BTreeMap<RequestId, Key>,
    read: BTreeMap<RequestId, Key>,
    last: u64,
}

impl Asker {
    pub fn new(index: usize, peers: &[NodeName]) -> Self {
        Self {
            node: peers[index].clone(),
            peers: peers.to_vec(),
            known: BTreeMap::new(),
            written: BTreeMap::new(),
            read: BTreeMap::new(),
            last: index as u64 * 1_000_000,
        }
    }

    /// How many reads and writes are under way.
    pub fn unanswered(&self) -> usize {
        self.read.len() + self.written.len()
    }

    pub fn id(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }

    pub fn watch(&mut self) -> Request {
        Request::Watch { id: self.id() }
    }

    pub fn read_of(&mut self, key: Key) -> Request {
        let id = self.id();
        self.read.insert(id, key.clone());
        Request::Read { id, key }
    }

    /// A write that expects no row.
    #[cfg(feature = "cluster")]
    pub fn write_of(&mut self, key: Key) -> Request {
        self.write(key, None, Some(()))
    }

    pub fn next(&mut self, dice: &mut ChaCha8Rng) -> Request {
        let key = key(KEYS[dice.random_range(0..KEYS.len())]);
        let known = self.known.get(&key).copied();
        match dice.random_range(0..100) {
            0..15 => self.read_of(key),
            15..35 => self.write(key, None, Some(())),
            35..60 => self.write(key, known, Some(())),
            60..75 => self.write(key, known, None),
            75..79 => {
                let guess = Revision(dice.random_range(1..40));
                self.write(key, Some(guess), Some(()))
            }
            79..82 => self.watch(),
            _ => {
                let to = self.peers[dice.random_range(0..self.peers.len())].clone();
                let number = self.id().0;
                Request::Send { to, message: text(&format!("{} {number}", self.node)) }
            }
        }
    }

    pub fn write(&mut self, key: Key, expected: Option<Revision>, held: Option<()>) -> Request {
        let id = self.id();
        self.written.insert(id, key.clone());
        // No two writes hold the same.
        let value = held.map(|()| text(&format!("{} {}", self.node, id.0)));
        Request::Write { id, key, expected, value }
    }

    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Read { id, row } => {
                if let (Some(key), Ok(Some((revision, _)))) = (self.read.remove(id), row) {
                    self.known.insert(key, *revision);
                }
            }
            Event::Written { id, outcome } => {
                if let (Some(key), WriteOutcome::Done(revision)) =
                    (self.written.remove(id), outcome)
                {
                    self.known.insert(key, *revision);
                }
            }
            Event::Row { key, revision, .. } => {
                self.known.insert(key.clone(), *revision);
            }
            Event::CaughtUp { .. } | Event::Arrived { .. } | Event::Lost | Event::Back => {}
        }
    }
}

pub fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
