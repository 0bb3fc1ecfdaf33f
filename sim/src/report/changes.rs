//! The rows of the hub's state that events change: as they were, and as they are.

use signal_hub::hub::{AddressRow, SessionKey, SessionRow, TopicRow};
use signal_hub::protocol::{ActorAddress, Topic};

use crate::history::{Event, What};
use crate::invariants::Shadow;

/// One row before and after an event; nothing where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<K, R> {
    pub key: K,
    pub was: Option<R>,
    pub is: Option<R>,
}

/// All rows that one event changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    pub addresses: Vec<Change<ActorAddress, AddressRow>>,
    pub sessions: Vec<Change<SessionKey, SessionRow>>,
    pub topics: Vec<Change<Topic, TopicRow>>,
}

/// The hub's state, event by event.
#[derive(Debug, Default)]
pub struct Tables(Shadow);

impl Tables {
    /// Goes on by one event and tells what it changed.
    pub fn pass(&mut self, event: &Event) -> Changes {
        let changes = self.changes(event);
        if let What::Hub(hub) = &event.what {
            self.0.put_off(&hub.input);
        }
        self.0.apply(event);
        changes
    }

    fn changes(&self, event: &Event) -> Changes {
        let What::Hub(hub) = &event.what else { return Changes::default() };
        let (before, touched) = (&self.0, &hub.touched);
        Changes {
            addresses: changed(touched.addresses.iter(), |key| before.address(key)),
            sessions: changed(touched.sessions.iter(), |key| before.session(*key)),
            topics: changed(touched.topics.iter(), |key| before.topic(key)),
        }
    }
}

fn changed<'a, K: Clone + 'a, R: Clone + PartialEq + 'a>(
    touched: impl Iterator<Item = (&'a K, &'a Option<R>)>,
    before: impl Fn(&K) -> Option<&'a R>,
) -> Vec<Change<K, R>> {
    let differing = touched.filter(|(key, is)| before(key) != is.as_ref());
    let change = |(key, is): (&'a K, &'a Option<R>)| Change {
        key: key.clone(),
        was: before(key).cloned(),
        is: is.clone(),
    };
    differing.map(change).collect()
}

impl Changes {
    /// Forgets the rows of which nothing was known before: they may have been there.
    pub fn retain_known(&mut self) {
        self.addresses.retain(|change| change.was.is_some());
        self.sessions.retain(|change| change.was.is_some());
        self.topics.retain(|change| change.was.is_some());
    }

    /// A line for each row, by what happened to it; a time that only moves is left out.
    pub fn lines(&self) -> Vec<String> {
        let addresses = self.addresses.iter().filter_map(|change| change.line(address_cells));
        let sessions = self.sessions.iter().filter_map(|change| change.line(session_cells));
        let topics = self.topics.iter().filter_map(|change| change.line(topic_cells));
        addresses.chain(sessions).chain(topics).collect()
    }
}

impl Change<SessionKey, SessionRow> {
    /// Returns whether more changed than its times and its queue.
    pub fn is_more_than_time(&self) -> bool {
        let told = |row: &SessionRow| (row.phase, row.addresses.clone());
        self.was.as_ref().map(told) != self.is.as_ref().map(told)
    }
}

impl Change<ActorAddress, AddressRow> {
    /// Returns whether more changed than its times.
    pub fn is_more_than_time(&self) -> bool {
        let told = |row: &AddressRow| {
            (row.registration.map(|known| (known.owner, known.version)), row.topics.clone())
        };
        self.was.as_ref().map(told) != self.is.as_ref().map(told)
    }
}

type Cells = Vec<(&'static str, String)>;

impl<K: ToString, R> Change<K, R> {
    fn line(&self, cells: fn(&R) -> Cells) -> Option<String> {
        let key = self.key.to_string();
        let (was, is) = match (&self.was, &self.is) {
            (None, None) => return None,
            (Some(_), None) => return Some(format!("{key}: gone")),
            (None, Some(is)) => {
                let told = cells(is).into_iter().filter(|(_, cell)| cell != NONE && cell != "{}");
                let told: Vec<String> = told.map(|(name, cell)| format!("{name} {cell}")).collect();
                return Some(format!("{key}: new, {}", told.join(", ")));
            }
            (Some(was), Some(is)) => (cells(was), cells(is)),
        };
        let differing = was.iter().zip(&is).filter(|(was, is)| was != is);
        let told: Vec<String> =
            differing.map(|((name, was), (_, is))| format!("{name} {was} -> {is}")).collect();
        (!told.is_empty()).then(|| format!("{key}: {}", told.join(", ")))
    }
}

const NONE: &str = "none";
/// Of a long list the first ones are told, and how many more there are.
const SET_MAX: usize = 6;

fn address_cells(row: &AddressRow) -> Cells {
    let owner = row.registration.map(|known| match known.owner {
        Some(session) => session.to_string(),
        None => "detached".to_owned(),
    });
    let version = row.registration.map(|known| known.version.to_string());
    let or_none = |cell: Option<String>| cell.unwrap_or_else(|| NONE.to_owned());
    vec![
        ("owner", or_none(owner)),
        ("version", or_none(version)),
        ("topics", set(&row.topics)),
        ("deadline", or_none(row.deadline.map(|_| "armed".to_owned()))),
    ]
}

fn session_cells(row: &SessionRow) -> Cells {
    let phase = serde_json::to_value(row.phase).expect("a phase is a word");
    let deadlines = &row.deadlines;
    let armed = [
        ("connect", deadlines.connect),
        ("idle", deadlines.idle),
        ("slow consumer", deadlines.slow_consumer),
        ("token", deadlines.token),
    ];
    vec![
        ("phase", phase.as_str().unwrap_or_default().to_lowercase()),
        ("addresses", set(row.addresses.iter())),
        ("queued", row.queued.messages.to_string()),
        ("deadlines", set(armed.iter().filter_map(|(name, at)| at.map(|_| name)))),
    ]
}

fn topic_cells(row: &TopicRow) -> Cells {
    vec![("subscribers", set(&row.subscribers))]
}

fn set<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let mut all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    if all.len() > SET_MAX {
        let more = all.len() - SET_MAX;
        all.truncate(SET_MAX);
        return format!("{{{} and {more} more}}", all.join(", "));
    }
    format!("{{{}}}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use signal_hub::hub::OwnerRow;
    use signal_hub::time::Timestamp;

    use super::*;

    fn address(owner: Option<u64>, topics: &[&str], until: u64) -> AddressRow {
        let until = Timestamp::from_millis(until);
        let owner = owner.map(SessionKey);
        let topics: BTreeSet<Topic> =
            topics.iter().map(|topic| Topic::parse(topic).expect("a topic")).collect();
        let registration = Some(OwnerRow { owner, version: 1, until, weight: 9, content: 0 });
        AddressRow { registration, topics, deadline: Some(until) }
    }

    fn line(was: Option<AddressRow>, is: Option<AddressRow>) -> Option<String> {
        let key = ActorAddress::parse("@(bob)").expect("an address");
        Changes { addresses: vec![Change { key, was, is }], ..Changes::default() }.lines().pop()
    }

    #[test]
    fn a_row_that_changes_tells_the_cells_that_differ_and_no_time_that_moves() {
        let was = address(Some(1), &["chess"], 5);
        let is = address(Some(0), &[], 7);
        assert_eq!(
            line(Some(was.clone()), Some(is)).as_deref(),
            Some("@(bob): owner s1 -> s0, topics {chess} -> {}")
        );
        let later = address(Some(1), &["chess"], 9);
        assert_eq!(line(Some(was.clone()), Some(later)), None);
        assert_eq!(line(Some(was.clone()), None).as_deref(), Some("@(bob): gone"));
        assert_eq!(
            line(None, Some(was)).as_deref(),
            Some("@(bob): new, owner s1, version 1, topics {chess}, deadline armed")
        );
    }
}
