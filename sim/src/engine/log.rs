//! The rows: every write that was carried out, in order. A write's revision is its place.

use std::collections::BTreeMap;

use bytes::Bytes;
use signal_hub::cluster::engine::{Key, Revision, WriteOutcome};

use super::Check;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Log {
    check: Check,
    writes: Vec<(Key, Option<Bytes>)>,
    last_of_key: BTreeMap<Key, Revision>,
}

impl Log {
    pub(super) fn new(check: Check) -> Self {
        Self { check, writes: Vec::new(), last_of_key: BTreeMap::new() }
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.writes.len() as u64)
    }

    /// The last write of a row, which may be its deletion.
    pub(super) fn last(&self, key: &Key) -> Option<Revision> {
        self.last_of_key.get(key).copied()
    }

    /// Carries out a write if the row is what it expects. A deleted row has the revision of its deletion, and where no row is
    /// expected, there must have been none since the write was asked for.
    pub(super) fn write(
        &mut self,
        key: Key,
        (expected, asked_at): (Option<Revision>, Option<Revision>),
        value: Option<Bytes>,
    ) -> WriteOutcome {
        let last = self.last(&key);
        let is_as_expected = match expected {
            None => last == asked_at && last.is_none_or(|last| self.at(last).1.is_none()),
            Some(_) => last == expected,
        };
        if self.check == Check::Expected && !is_as_expected {
            return WriteOutcome::Conflict;
        }
        self.writes.push((key.clone(), value));
        let revision = self.revision();
        self.last_of_key.insert(key, revision);
        WriteOutcome::Done(revision)
    }

    /// The last write of each key.
    pub(super) fn present(&self) -> Vec<(Revision, &(Key, Option<Bytes>))> {
        self.last_of_key.values().map(|last| (*last, self.at(*last))).collect()
    }

    /// A row as it was at a revision.
    pub(super) fn row(&self, key: &Key, at: Revision) -> Option<(Revision, Bytes)> {
        let last = self.last_of_key.get(key).copied()?;
        let before = || {
            let until = self.writes.iter().take(at.0 as usize);
            let place = until.rev().position(|(written, _)| written == key)?;
            Some(Revision(at.0 - place as u64))
        };
        let revision = if last <= at { last } else { before()? };
        self.at(revision).1.clone().map(|value| (revision, value))
    }

    /// The first write after a revision that no later one replaced.
    pub(super) fn next(&self, after: Revision) -> Option<(Revision, &(Key, Option<Bytes>))> {
        let later = (after.0 + 1..=self.revision().0).map(Revision);
        later
            .map(|revision| (revision, self.at(revision)))
            .find(|(revision, (key, _))| self.last_of_key.get(key) == Some(revision))
    }

    /// The same as it was at a revision: the first write after another that none up to there replaced.
    pub(super) fn next_until(
        &self,
        after: Revision,
        until: Revision,
    ) -> Option<(Revision, &(Key, Option<Bytes>))> {
        let written = &self.writes[..(until.0 as usize).min(self.writes.len())];
        let mut later = written.iter().enumerate().skip(after.0 as usize);
        let is_last = |(at, (key, _)): &(usize, &(Key, Option<Bytes>))| {
            written[at + 1..].iter().all(|(other, _)| other != key)
        };
        later.find(is_last).map(|(at, write)| (Revision(at as u64 + 1), write))
    }

    pub(super) fn after(
        &self,
        after: Revision,
    ) -> impl Iterator<Item = (Revision, &Key, Option<&Bytes>)> {
        let writes = self.writes.iter().zip(1..).skip(after.0 as usize);
        writes.map(|((key, value), place)| (Revision(place), key, value.as_ref()))
    }

    /// Forgets every write after a revision: the next one gets its place.
    pub(super) fn cut(&mut self, after: Revision) {
        self.writes.truncate(after.0 as usize);
        let places = self.writes.iter().zip(1..);
        self.last_of_key = places.map(|((key, _), place)| (key.clone(), Revision(place))).collect();
    }

    fn at(&self, revision: Revision) -> &(Key, Option<Bytes>) {
        &self.writes[revision.0 as usize - 1]
    }
}
