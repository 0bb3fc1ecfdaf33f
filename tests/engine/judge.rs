//! Judges what nodes asked and heard against the promises of the engine, and nothing else. Revisions say in which order
//! writes were carried out, so all is linear: no order has to be searched for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use signal_hub::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, WriteOutcome,
};

use super::history::{History, What};
use super::watches::Watches;

/// One write, as its node knows it.
#[derive(Debug, Clone)]
pub struct Write {
    pub key: Key,
    pub expected: Option<Revision>,
    pub value: Option<Bytes>,
    pub asked: usize,
    pub heard: usize,
    pub outcome: Option<WriteOutcome>,
}

/// A revision of a row, as anybody saw it.
#[derive(Debug, Clone)]
pub struct Version {
    pub value: Option<Bytes>,
    /// Since when somebody knows that it was there.
    pub seen: usize,
    /// The write, if it is known which.
    pub write: Option<RequestId>,
}

#[derive(Debug, Default)]
pub struct Facts {
    pub writes: BTreeMap<RequestId, Write>,
    /// Those of unknown outcome.
    unknown: Vec<Write>,
    reads: Vec<Read>,
    pub versions: BTreeMap<Key, BTreeMap<Revision, Version>>,
    pub wrong: Vec<String>,
    stale: Vec<String>,
}

/// What a history shows, each in a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Promises that are broken.
    pub wrong: Vec<String>,
    /// Reads and refusals that do not know of a write that somebody knew of before: who decided writes did so no longer.
    pub stale: Vec<String>,
}

impl Judgement {
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// The highest revision that anybody had seen at each time.
struct Timeline(Vec<(usize, Revision)>);

impl Timeline {
    fn new<'a>(versions: impl Iterator<Item = (&'a Revision, &'a Version)>) -> Self {
        let mut seen: Vec<_> =
            versions.map(|(revision, version)| (version.seen, *revision)).collect();
        seen.sort_unstable();
        let mut highest = Revision(0);
        for (_, revision) in &mut seen {
            highest = highest.max(*revision);
            *revision = highest;
        }
        Self(seen)
    }

    fn before(&self, at: usize) -> Option<Revision> {
        let later = self.0.partition_point(|(seen, _)| *seen < at);
        Some(self.0[later.checked_sub(1)?].1)
    }
}

#[derive(Debug)]
struct Read {
    key: Key,
    asked: usize,
    heard: usize,
    row: Option<(Revision, Bytes)>,
}

/// Judges a history; of an engine without faults it is clean.
pub fn judge(history: &History) -> Judgement {
    let mut facts = Facts::default();
    facts.collect(history);
    let unknown = |write: &&Write| write.outcome == Some(WriteOutcome::Unknown);
    facts.unknown = facts.writes.values().filter(unknown).cloned().collect();
    facts.match_writes();
    facts.check_order();
    facts.check_chains();
    facts.check_conflicts();
    facts.check_reads();
    Watches::default().check(history, &mut facts);
    check_inboxes(history, &mut facts.wrong);
    Judgement { wrong: facts.wrong, stale: facts.stale }
}

impl Facts {
    /// The highest revision that anybody had seen.
    pub fn known_before(&self, at: usize) -> Option<Revision> {
        let versions = self.versions.values().flatten();
        versions.filter(|(_, version)| version.seen < at).map(|(revision, _)| *revision).max()
    }

    fn collect(&mut self, history: &History) {
        let mut open: BTreeMap<RequestId, (Key, usize)> = BTreeMap::new();
        for (at, record) in history.records.iter().enumerate() {
            match &record.what {
                What::Asked(Request::Read { id, key }) => {
                    open.insert(*id, (key.clone(), at));
                }
                What::Asked(Request::Write { id, key, expected, value }) => {
                    let (key, expected, value) = (key.clone(), *expected, value.clone());
                    let (heard, outcome) = (usize::MAX, None);
                    let write = Write { key, expected, value, asked: at, heard, outcome };
                    self.writes.insert(*id, write);
                }
                What::Heard(Event::Read { id, row }) => match (open.remove(id), row) {
                    (None, _) => self.wrong.push(format!("{id:?} is answered and was not asked")),
                    (Some((key, asked)), Ok(row)) => {
                        let row = row.clone();
                        if let Some((revision, value)) = &row {
                            self.see(&key, *revision, &Some(value.clone()), at);
                        }
                        self.reads.push(Read { key, asked, heard: at, row });
                    }
                    (Some(_), Err(_)) => {}
                },
                What::Heard(Event::Written { id, outcome }) => self.written(at, *id, *outcome),
                What::Heard(Event::Row { key, revision, value, .. }) => {
                    self.see(key, *revision, value, at);
                }
                What::Asked(Request::Send { .. } | Request::Watch { .. })
                | What::Heard(
                    Event::CaughtUp { .. } | Event::Arrived { .. } | Event::Lost | Event::Back,
                ) => {}
            }
        }
        let silent = self.writes.iter().filter(|(_, write)| write.outcome.is_none());
        let silent: Vec<RequestId> = silent.map(|(id, _)| *id).chain(open.into_keys()).collect();
        self.wrong.extend(silent.iter().map(|id| format!("{id:?} is never answered")));
    }

    fn written(&mut self, at: usize, id: RequestId, outcome: WriteOutcome) {
        let Some(write) = self.writes.get_mut(&id).filter(|write| write.outcome.is_none()) else {
            return self.wrong.push(format!("{id:?} is answered and was not asked, or twice"));
        };
        (write.heard, write.outcome) = (at, Some(outcome));
        if let WriteOutcome::Done(revision) = outcome {
            let (key, value) = (write.key.clone(), write.value.clone());
            self.see(&key, revision, &value, at);
        }
    }

    fn see(&mut self, key: &Key, revision: Revision, value: &Option<Bytes>, seen: usize) {
        let versions = self.versions.entry(key.clone()).or_default();
        let first = Version { value: value.clone(), seen, write: None };
        let version = versions.entry(revision).or_insert(first);
        if version.value != *value {
            self.wrong.push(format!("{key} {revision} holds {:?} and {value:?}", version.value));
        }
    }

    /// Which write made each version: by its revision, by its value, or, of deletions, by what it expected.
    fn match_writes(&mut self) {
        let mut places: BTreeMap<Revision, Vec<RequestId>> = BTreeMap::new();
        let by_value: BTreeMap<(Key, Bytes), RequestId> = self
            .writes
            .iter()
            .filter_map(|(id, write)| Some(((write.key.clone(), write.value.clone()?), *id)))
            .collect();
        for (id, write) in &self.writes {
            if let Some(WriteOutcome::Done(revision)) = write.outcome {
                places.entry(revision).or_default().push(*id);
            }
        }
        for (revision, ids) in &places {
            if ids.len() > 1 {
                self.wrong.push(format!("{revision} is the revision of {ids:?}"));
            }
        }
        let mut used: BTreeSet<RequestId> = places.values().flatten().copied().collect();
        for (key, versions) in &mut self.versions {
            let mut before = None;
            for (revision, version) in versions.iter_mut() {
                let done = places.get(revision).and_then(|ids| ids.first()).copied();
                let by_value =
                    || version.value.clone().and_then(|value| by_value.get(&(key.clone(), value)));
                let unknown_deletion = || {
                    let fits = |write: &Write| {
                        write.key == *key
                            && write.value.is_none()
                            && write.outcome == Some(WriteOutcome::Unknown)
                            && (write.expected == before || write.expected.is_none())
                    };
                    let fitting =
                        self.writes.iter().find(|(id, write)| fits(write) && !used.contains(*id));
                    fitting.map(|(id, _)| *id)
                };
                version.write = match version.value {
                    Some(_) => done.or_else(|| by_value().copied()),
                    None => done.or_else(unknown_deletion),
                };
                match version.write {
                    None => self.wrong.push(format!("{key} {revision} was written by nobody")),
                    Some(id) if done.is_none() && !used.insert(id) => {
                        self.wrong.push(format!("{key} {revision}: {id:?} is carried out twice"));
                    }
                    Some(_) => {}
                }
                before = Some(*revision);
            }
        }
    }

    /// A write has a revision above those of all that were done before it was asked, whatever their keys.
    fn check_order(&mut self) {
        let seen = Timeline::new(self.versions.values().flatten());
        for (id, write) in &self.writes {
            if let Some(WriteOutcome::Done(revision)) = write.outcome
                && let Some(before) = seen.before(write.asked)
                && revision <= before
            {
                self.wrong
                    .push(format!("{id:?} has {revision} although {before} was there before"));
            }
        }
    }

    /// Each write that was carried out found what it expected, and none that was refused was carried out.
    fn check_chains(&mut self) {
        let mut wrong = Vec::new();
        for (key, versions) in &self.versions {
            let mut before: Option<(Revision, &Version)> = None;
            for (revision, version) in versions {
                let write = version.write.and_then(|id| self.writes.get(&id));
                let Some(write) = write else { continue };
                if write.outcome == Some(WriteOutcome::Conflict) {
                    wrong.push(format!("{key} {revision} was refused and is there"));
                }
                let until = write.heard.max(version.seen);
                let is_as_expected = match (write.expected, before) {
                    (Some(expected), Some((at, _))) if expected > at => {
                        // A guess may hit what nobody saw.
                        self.may_be_replaced(key, at, until)
                    }
                    (Some(expected), Some((at, _))) => expected == at,
                    (Some(_), None) => self.is_asked(key, until, |write| write.expected.is_none()),
                    (None, None) => true,
                    (None, Some((at, before))) => {
                        before.value.is_none() || self.may_be_deleted(key, at, until)
                    }
                };
                if !is_as_expected {
                    let (expected, before) = (write.expected, before.map(|(before, _)| before));
                    wrong.push(format!(
                        "{key} {revision} expected {expected:?}, there was {before:?}"
                    ));
                }
                before = Some((*revision, version));
            }
        }
        self.wrong.extend(wrong);
    }

    /// Whether a write of unknown outcome may have deleted a revision that nobody saw deleted.
    fn may_be_deleted(&self, key: &Key, revision: Revision, until: usize) -> bool {
        self.is_asked(key, until, |write| write.value.is_none() && write.expected == Some(revision))
    }

    /// Whether a write of unknown outcome may have replaced a revision and be replaced itself, seen by nobody.
    pub fn may_be_replaced(&self, key: &Key, revision: Revision, until: usize) -> bool {
        let is_deleted = self.versions[key][&revision].value.is_none();
        self.is_asked(key, until, |write| {
            write.expected == Some(revision) || (is_deleted && write.expected.is_none())
        })
    }

    fn is_asked(&self, key: &Key, until: usize, fits: impl Fn(&Write) -> bool) -> bool {
        let mut unknown = self.unknown.iter();
        unknown.any(|write| write.key == *key && write.asked < until && fits(write))
    }

    /// A refused write met, at some time while it was under way, another row than it expected.
    fn check_conflicts(&mut self) {
        let none = BTreeMap::new();
        let mut stale = Vec::new();
        for (key, refused) in self.by_key(|write| write.outcome == Some(WriteOutcome::Conflict)) {
            let versions = self.versions.get(key).unwrap_or(&none);
            let seen = Timeline::new(versions.iter());
            let unjust = refused.into_iter().filter(|write| !self.is_just(write, versions, &seen));
            stale.extend(unjust.map(|write| {
                format!("{key} expected {:?} and was refused without cause", write.expected)
            }));
        }
        self.stale.extend(stale);
    }

    fn by_key(&self, is_one: impl Fn(&Write) -> bool) -> BTreeMap<&Key, Vec<&Write>> {
        let mut by_key: BTreeMap<&Key, Vec<&Write>> = BTreeMap::new();
        for write in self.writes.values().filter(|write| is_one(write)) {
            by_key.entry(&write.key).or_default().push(write);
        }
        by_key
    }

    fn is_just(
        &self,
        refused: &Write,
        versions: &BTreeMap<Revision, Version>,
        seen: &Timeline,
    ) -> bool {
        let known = seen.before(refused.asked);
        let was_expected = match (refused.expected, known) {
            (Some(_), known) => known == refused.expected,
            (None, known) => known.is_none_or(|known| versions[&known].value.is_none()),
        };
        let since = Revision(known.map_or(0, |known| known.0) + 1);
        let mut later = versions.range(since..).filter_map(|(_, version)| version.write);
        !was_expected
            || later.any(|id| self.writes[&id].asked < refused.heard)
            || self.is_asked(&refused.key, refused.heard, |_| true)
    }

    /// A read shows a row no older than what was known when it was asked, and no younger than what was asked when it was
    /// answered.
    fn check_reads(&mut self) {
        let (mut wrong, none) = (Vec::new(), BTreeMap::new());
        let timelines: BTreeMap<&Key, Timeline> =
            self.versions.iter().map(|(key, seen)| (key, Timeline::new(seen.iter()))).collect();
        for read in &self.reads {
            let versions = self.versions.get(&read.key).unwrap_or(&none);
            let known = timelines.get(&read.key).and_then(|seen| seen.before(read.asked));
            let known = known.and_then(|known| versions.get_key_value(&known));
            let is_fresh = match (&read.row, known) {
                (Some((revision, _)), known) => known.is_none_or(|(known, _)| revision >= known),
                (None, None) => true,
                (None, Some((known, version))) => {
                    let deleted = |(_, later): (&Revision, &Version)| later.value.is_none();
                    version.value.is_none()
                        || versions.range(known..).any(deleted)
                        || versions
                            .range(known..)
                            .any(|(at, _)| self.may_be_deleted(&read.key, *at, read.heard))
                }
            };
            if !is_fresh {
                let (key, row) = (&read.key, read.row.as_ref().map(|(revision, _)| revision));
                self.stale.push(format!("a read of {key} is stale: {row:?} after {known:?}"));
            }
            let write = read.row.as_ref().and_then(|(revision, _)| versions[revision].write);
            if write.is_some_and(|id| self.writes[&id].asked > read.heard) {
                wrong.push(format!("a read of {} shows what was not yet written", read.key));
            }
        }
        self.wrong.extend(wrong);
    }
}

/// Messages of a pair come at most once and in their order, but for those that were sent before one of both hears that it
/// lost the engine.
fn check_inboxes(history: &History, wrong: &mut Vec<String>) {
    let mut lost: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for (at, record) in history.records.iter().enumerate() {
        if record.what == What::Heard(Event::Lost) {
            lost.insert(&record.node, at);
        }
    }
    let loses = |node: &NodeName, after: usize| lost.get(node).is_some_and(|at| *at > after);
    let mut sent: BTreeMap<Bytes, (NodeName, NodeName, usize)> = BTreeMap::new();
    let mut last: BTreeMap<(NodeName, NodeName), usize> = BTreeMap::new();
    for (at, record) in history.records.iter().enumerate() {
        match &record.what {
            What::Asked(Request::Send { to, message }) => {
                sent.insert(message.clone(), (record.node.clone(), to.clone(), at));
            }
            What::Heard(Event::Arrived { message }) => match sent.get(message) {
                Some((from, to, asked)) if *to == record.node => {
                    let before = last.insert((from.clone(), to.clone()), *asked);
                    let is_old = before.is_some_and(|before| before >= *asked);
                    if is_old && !loses(from, *asked) && !loses(to, *asked) {
                        wrong.push(format!("{message:?} comes twice or late"));
                    }
                }
                Some(_) | None => wrong.push(format!("{message:?} was not sent there")),
            },
            What::Asked(_) | What::Heard(_) => {}
        }
    }
}
