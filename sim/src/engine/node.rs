//! What one node has not yet heard, by lane.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use signal_hub::cluster::engine::{
    Event, Key, NodeName, RequestId, Revision, Unanswered, WriteOutcome,
};

use super::{Lane, Way, log::Log};

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Whose messages it gets.
    pub(super) answers_to: Option<NodeName>,
    is_connected: bool,
    cut: BTreeSet<Way>,
    connection: VecDeque<Event>,
    answers: BTreeMap<RequestId, Event>,
    watch: Option<Watch>,
    pub(super) is_watch_held: bool,
    pub(super) inboxes: BTreeMap<NodeName, Inbox>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Watch {
    id: RequestId,
    /// All writes up to here are shown, on their way, or replaced.
    shown: Revision,
    /// Until it has shown this, it knows of nothing later.
    behind: Revision,
    /// Shown whatever replaces it.
    on_their_way: VecDeque<Event>,
    is_caught_up: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Inbox {
    pub(super) waiting: VecDeque<Bytes>,
    pub(super) last: Option<Bytes>,
}

impl Node {
    /// Returns whether it was not connected before.
    pub(super) fn connect(&mut self) -> bool {
        let connects = !std::mem::replace(&mut self.is_connected, true);
        self.connection.extend(connects.then_some(Event::Back));
        connects
    }

    pub(super) fn disconnect(&mut self) {
        if self.is_connected {
            self.is_connected = false;
            self.connection.push_back(Event::Lost);
            self.leave_unanswered();
            self.watch = None;
            self.inboxes.values_mut().for_each(|inbox| inbox.waiting.clear());
        }
    }

    pub(super) fn reaches_engine(&self) -> bool {
        self.is_connected && self.connection.is_empty() && !self.cut.contains(&Way::ToEngine)
    }

    fn is_reached(&self) -> bool {
        self.is_connected && !self.cut.contains(&Way::FromEngine)
    }

    pub(super) fn cut(&mut self, way: Way) {
        self.cut.insert(way);
        if way == Way::FromEngine {
            self.leave_unanswered();
        }
    }

    pub(super) fn heal(&mut self, way: Way) {
        self.cut.remove(&way);
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Event) {
        let arrives = self.reaches_engine() && self.is_reached();
        let answer = if arrives { answer } else { unanswered(answer) };
        let before = self.answers.insert(id, answer);
        assert!(before.is_none(), "a hub gives each number once");
    }

    pub(super) fn lose_answer(&mut self, id: RequestId) {
        if let Some(answer) = self.answers.remove(&id) {
            self.answers.insert(id, unanswered(answer));
        }
    }

    fn leave_unanswered(&mut self) {
        let answers = std::mem::take(&mut self.answers);
        self.answers = answers.into_iter().map(|(id, answer)| (id, unanswered(answer))).collect();
    }

    /// The watch before ends, whether this one begins or not. First it shows what was there at a revision.
    pub(super) fn watch(&mut self, id: RequestId, behind: Revision) {
        let (shown, on_their_way) = (Revision(0), VecDeque::new());
        let watch = Watch { id, shown, behind, on_their_way, is_caught_up: false };
        self.watch = self.reaches_engine().then_some(watch);
    }

    pub(super) fn end_watch(&mut self) {
        self.watch = None;
    }

    pub(super) fn push_rows(&mut self, log: &Log) {
        if let Some(watch) = &mut self.watch {
            while let Some(event) = watch.next(log) {
                watch.on_their_way.push_back(event);
            }
        }
    }

    pub(super) fn receive(&mut self, from: &NodeName, message: Bytes) {
        if self.is_connected {
            let inbox = self.inboxes.entry(from.clone()).or_default();
            inbox.waiting.push_back(message.clone());
            inbox.last = Some(message);
        }
    }

    pub(super) fn ready(&self, log: &Log) -> Vec<Lane> {
        if !self.connection.is_empty() {
            return vec![Lane::Connection];
        }
        let mut lanes: Vec<Lane> = self.answers.keys().map(|id| Lane::Answer(*id)).collect();
        if !self.is_reached() {
            return lanes;
        }
        let has_rows = self.watch.as_ref().is_some_and(|watch| watch.has_next(log));
        if has_rows && !self.is_watch_held {
            lanes.push(Lane::Watch);
        }
        let waiting = self.inboxes.iter().filter(|(_, inbox)| !inbox.waiting.is_empty());
        lanes.extend(waiting.map(|(from, _)| Lane::From(from.clone())));
        lanes
    }

    pub(super) fn next_row<'l>(&self, log: &'l Log) -> Option<(&'l Key, Option<&'l Bytes>)> {
        let watch = self.watch.as_ref().filter(|watch| watch.on_their_way.is_empty())?;
        log.next(watch.shown).map(|(_, (key, value))| (key, value.as_ref()))
    }

    pub(super) fn unheard(&self, log: &Log) -> (usize, usize) {
        let rows = self.watch.as_ref().map_or(0, |watch| {
            let mut shown = watch.shown;
            let next = || log.next(shown).map(|(revision, _)| shown = revision);
            watch.on_their_way.len() + std::iter::from_fn(next).count()
        });
        (self.answers.len(), rows)
    }

    pub(super) fn draw(&mut self, log: &Log, lane: &Lane) -> Option<Event> {
        if !self.ready(log).contains(lane) {
            return None;
        }
        match lane {
            Lane::Connection => self.connection.pop_front(),
            Lane::Answer(id) => self.answers.remove(id),
            Lane::Watch => {
                let watch = self.watch.as_mut()?;
                watch.on_their_way.pop_front().or_else(|| watch.next(log))
            }
            Lane::From(node) => {
                let message = self.inboxes.get_mut(node)?.waiting.pop_front()?;
                Some(Event::Arrived { message })
            }
        }
    }
}

impl Watch {
    fn next_write<'l>(&self, log: &'l Log) -> Option<(Revision, &'l (Key, Option<Bytes>))> {
        log.next_until(self.shown, self.behind).or_else(|| log.next(self.shown))
    }

    fn has_next(&self, log: &Log) -> bool {
        !self.on_their_way.is_empty() || !self.is_caught_up || self.next_write(log).is_some()
    }

    fn next(&mut self, log: &Log) -> Option<Event> {
        if let Some((revision, (key, value))) = self.next_write(log) {
            self.shown = revision;
            let (watch, key, value) = (self.id, key.clone(), value.clone());
            return Some(Event::Row { watch, key, revision, value });
        }
        let catches_up = !std::mem::replace(&mut self.is_caught_up, true);
        catches_up.then(|| Event::CaughtUp { watch: self.id, revision: log.revision() })
    }
}

fn unanswered(answer: Event) -> Event {
    match answer {
        Event::Read { id, .. } => Event::Read { id, row: Err(Unanswered) },
        Event::Written { id, .. } => Event::Written { id, outcome: WriteOutcome::Unknown },
        Event::Row { .. }
        | Event::CaughtUp { .. }
        | Event::Arrived { .. }
        | Event::Lost
        | Event::Back => unreachable!("it answers a request"),
    }
}
