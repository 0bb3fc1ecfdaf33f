//! I59 to I61: a hub with a store begins with what it was when it ended, or a little before: after all
//! that anybody was told. Rows are held against rows; what lies on the disk is nobody's evidence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signal_hub::hub::{AddressRow, Input, LogRow, Output, OwnerRow, TopicRow, View};
use signal_hub::protocol::codec::HubFrame;
use signal_hub::protocol::{ActorAddress, MessageId, Outgoing, Topic};
use signal_hub::server::StoreSync;
use signal_hub::store::StoreError;

use super::{Invariant, Verdict, Violation, broken};
use crate::history::{ClientEvent, Event, HubEvent, Stop, What};
use crate::scenario::{self, HubAction, What as Doing};

/// Whether each start is as good as it must be.
pub struct Store {
    sync: StoreSync,
    /// What is there after any crash.
    kept: BTreeMap<Row, Value>,
    /// What later inputs changed, the oldest first, while nobody was told.
    open: VecDeque<Change>,
    /// Which input said what, of the open ones.
    said: BTreeMap<MessageId, u64>,
    inputs: u64,
    began: bool,
    in_order: bool,
    /// Bytes of rows from which on it is full.
    bytes_max: u64,
    /// All, as they are, and what they take at least.
    rows: BTreeMap<Row, Value>,
    bytes: u64,
    /// The fewest of this moment, whose inputs may be stored together or one by one.
    fewest_bytes: (Duration, u64),
    disk_fails: bool,
}

struct Change {
    input: u64,
    said: Vec<MessageId>,
    rows: Vec<(Row, Option<Value>)>,
}

/// What outlives a hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Address(ActorAddress),
    Topic(Topic),
    Log(ActorAddress),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Address(Known),
    Topic(TopicRow),
    Log(LogRow),
}

/// An address, whoever owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    version: u64,
    content: u64,
}

impl Value {
    /// The bytes of its rows, at least.
    fn bytes_min(&self) -> u64 {
        let bytes = match self {
            Value::Address(_) => 180,
            Value::Topic(topic) => 120 * topic.subscribers.len(),
            Value::Log(log) => {
                let stored = stored(log);
                let bytes = if stored < log.messages { 0 } else { log.bytes };
                let data = bytes.saturating_sub(Outgoing::ENVELOPE_WEIGHT * stored);
                120 + data + 200 * stored
            }
        };
        bytes as u64
    }
}

/// The messages of a log that the store has: what the floor has passed waits for its replay in memory alone, and is
/// nobody's after a restart.
fn stored(log: &LogRow) -> usize {
    log.messages.min((log.last - log.floor) as usize)
}

/// Returns whether rows are added, and not changed or removed.
fn adds(before: Option<&Value>, after: Option<&Value>) -> bool {
    match (before, after) {
        (None, Some(Value::Address(_) | Value::Topic(_))) => true,
        (Some(Value::Topic(before)), Some(Value::Topic(after))) => {
            after.subscribers.len() > before.subscribers.len()
        }
        (Some(Value::Log(before)), Some(Value::Log(after))) => stored(after) > stored(before),
        _ => false,
    }
}

/// A hub that cannot start on what its last life left (I59).
pub fn cannot_start(error: &StoreError) -> Violation {
    Violation::new(Invariant::I59, format!("the hub cannot start again: {error}"))
}

impl Store {
    /// That of a hub whose store is set like this.
    pub fn new(settings: &scenario::Store) -> Self {
        Self {
            sync: settings.sync,
            bytes_max: settings.bytes_max,
            rows: BTreeMap::new(),
            bytes: 0,
            fewest_bytes: (Duration::ZERO, 0),
            disk_fails: false,
            kept: BTreeMap::new(),
            open: VecDeque::new(),
            said: BTreeMap::new(),
            inputs: 0,
            began: false,
            in_order: true,
        }
    }

    /// Reads one event, after everybody else.
    pub fn observe(&mut self, event: &Event) -> Verdict {
        match &event.what {
            What::Hub(hub) => self.hub(event.at, hub),
            What::HubStarted { .. } => {
                (self.began, self.disk_fails) = (false, false);
                Ok(())
            }
            What::HubStopped { how } => self.stopped(*how),
            What::Client { event: ClientEvent::Received(HubFrame::Message(message)), .. } => {
                if self.sync.is_durable()
                    && let Some(input) = self.said.get(&message.id).copied()
                {
                    self.settle(input);
                }
                Ok(())
            }
            What::Step { step, .. } => {
                let fails = matches!(step.what, Doing::Hub(HubAction::DiskFails { .. }));
                self.disk_fails |= fails;
                Ok(())
            }
            What::Client { .. } | What::Net(_) | What::Run(_) => Ok(()),
        }
    }

    fn hub(&mut self, at: Duration, hub: &HubEvent) -> Verdict {
        if let Input::Restored(_) = hub.input {
            return self.restored(hub);
        } else if !self.began {
            return broken(Invariant::I59, "the hub begins without what its store holds");
        }
        let said = hub.outputs.iter().filter_map(|output| match output {
            Output::Send(_, message) => Some(MessageId::from(message.id)),
            Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
        });
        self.inputs += 1;
        let (input, said, rows) = (self.inputs, said.collect::<Vec<_>>(), rows(&hub.touched));
        self.said.extend(said.iter().map(|id| (id.clone(), input)));
        let bounded = self.is_bounded(at, &rows);
        self.open.push_back(Change { input, said, rows });
        bounded
    }

    /// What a store that is full beyond doubt takes is no row more.
    fn is_bounded(&mut self, at: Duration, rows: &[(Row, Option<Value>)]) -> Verdict {
        let (moment, fewest) = self.fewest_bytes;
        let fewest = if moment < at { self.bytes } else { fewest.min(self.bytes) };
        self.fewest_bytes = (at, fewest);
        // What waits for a later sync is not counted yet.
        let counts = !matches!(self.sync, StoreSync::Within(_));
        let full = counts && fewest > self.bytes_max;
        for (row, value) in rows {
            let before = self.rows.get(row);
            if full && adds(before, value.as_ref()) {
                let (bytes, most) = (self.bytes, self.bytes_max);
                let evidence = format!("{row:?} is added to {bytes} bytes, and {most} are full");
                return broken(Invariant::I61, evidence);
            }
            let before = before.map_or(0, Value::bytes_min);
            self.bytes = self.bytes + value.as_ref().map_or(0, Value::bytes_min) - before;
            put(&mut self.rows, row.clone(), value.clone());
        }
        Ok(())
    }

    /// What the input said has arrived: it is there after any crash, and all before it.
    fn settle(&mut self, input: u64) {
        while let Some(change) = self.open.pop_front_if(|change| change.input <= input) {
            for id in &change.said {
                self.said.remove(id);
            }
            change.rows.into_iter().for_each(|(row, value)| put(&mut self.kept, row, value));
        }
    }

    fn stopped(&mut self, how: Stop) -> Verdict {
        self.in_order = how == Stop::InOrder;
        if self.in_order {
            self.settle(self.inputs);
        }
        let fails = std::mem::take(&mut self.disk_fails);
        if how == Stop::Failed && !fails {
            return broken(Invariant::I61, "the hub gives up, and its disk does not fail");
        }
        Ok(())
    }

    /// The hub is what it was after one of the open inputs, or before them.
    fn restored(&mut self, hub: &HubEvent) -> Verdict {
        let logs_end = !self.in_order && !self.sync.is_durable();
        let mut found = BTreeMap::new();
        rows(&hub.touched).into_iter().for_each(|(row, value)| put(&mut found, row, value));
        let mut was = std::mem::take(&mut self.kept);
        let mut best = differing(&was, &found, logs_end);
        for change in self.open.drain(..) {
            if best.is_empty() {
                break;
            }
            change.rows.into_iter().for_each(|(row, value)| put(&mut was, row, value));
            let differ = differing(&was, &found, logs_end);
            if differ.len() <= best.len() {
                best = differ;
            }
        }
        (self.kept, self.began, self.in_order) = (found, true, false);
        self.rows = self.kept.clone();
        self.bytes = self.rows.values().map(Value::bytes_min).sum();
        self.open.clear();
        self.said.clear();
        match best.into_iter().next() {
            None => Ok(()),
            Some((invariant, evidence)) => broken(invariant, evidence),
        }
    }
}

fn put(rows: &mut BTreeMap<Row, Value>, row: Row, value: Option<Value>) {
    match value {
        Some(value) => drop(rows.insert(row, value)),
        None => drop(rows.remove(&row)),
    }
}

/// Of what was touched, what a store keeps.
fn rows(touched: &View) -> Vec<(Row, Option<Value>)> {
    let known = |row: &AddressRow| {
        let OwnerRow { version, content, .. } = row.registration?;
        Some(Value::Address(Known { version, content }))
    };
    let addresses = touched.addresses.iter();
    let addresses = addresses
        .map(|(address, row)| (Row::Address(address.clone()), row.as_ref().and_then(known)));
    let topics = touched
        .topics
        .iter()
        .map(|(topic, row)| (Row::Topic(topic.clone()), row.clone().map(Value::Topic)));
    let logs =
        touched.logs.iter().map(|(address, row)| (Row::Log(address.clone()), row.map(Value::Log)));
    addresses.chain(topics).chain(logs).collect()
}

/// What is not as it was, and what that breaks.
fn differing(
    was: &BTreeMap<Row, Value>,
    found: &BTreeMap<Row, Value>,
    logs_end: bool,
) -> Vec<(Invariant, String)> {
    let both: BTreeSet<&Row> = was.keys().chain(found.keys()).collect();
    let differs = |row: &Row| match (row, was.get(row), found.get(row)) {
        (Row::Log(address), _, found) if logs_end => {
            let log = found?;
            Some((Invariant::I60, format!("{address} has {log:?}, and nothing was synced")))
        }
        (Row::Log(address), Some(Value::Log(was)), Some(Value::Log(found))) => {
            log_differs(address, was, found)
        }
        (_, was, found) if was == found => None,
        (Row::Address(address), Some(Value::Address(was)), Some(Value::Address(found))) => {
            Some(address_differs(address, was, found))
        }
        (row, was, found) => {
            Some((Invariant::I59, format!("{row:?} was {was:?} and is {found:?}")))
        }
    };
    both.into_iter().filter_map(differs).collect()
}

fn address_differs(address: &ActorAddress, was: &Known, found: &Known) -> (Invariant, String) {
    let [before, after] = [was.version, found.version];
    if after < before {
        (Invariant::I60, format!("{address} was at version {before} and is at {after}"))
    } else if after == before {
        let what = "its capabilities, metadata, principal, peer or the epoch that was taken over";
        (Invariant::I59, format!("{address} comes back, and of {what} not all are what they were"))
    } else {
        (Invariant::I59, format!("{address} was at version {before} and is at {after}"))
    }
}

/// It goes on where it was, and its window begins anew.
fn log_differs(
    address: &ActorAddress,
    was: &LogRow,
    found: &LogRow,
) -> Option<(Invariant, String)> {
    if found.epoch != was.epoch || found.last < was.last {
        let evidence = format!(
            "{address} was at {} of {} and is at {} of {}",
            was.last, was.epoch, found.last, found.epoch
        );
        return Some((Invariant::I60, evidence));
    }
    let [before, after] = [was, found].map(|row| (row.last, row.floor, row.aged, stored(row)));
    let evidence = || format!("{address} kept {was:?} and keeps {found:?}");
    (before != after).then(|| (Invariant::I59, evidence()))
}
