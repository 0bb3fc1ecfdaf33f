//! What a node counts, and how it stands.

use serde::Serialize;

use crate::cluster::Place;
use crate::hub::{Hub, NodeChange, Output, Record};
use crate::time::Timestamp;

/// What a node counted since it joined its cluster, and how it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NodeFigures {
    /// Rows that were passed over because this release cannot read them.
    pub rows_unread: u64,
    /// Messages of other nodes that were passed over because this release cannot read them.
    pub messages_unread: u64,
    /// Copies for addresses that are not here, or no longer.
    pub copies_stale: u64,
    /// Logs of addresses that came here with them.
    pub logs_fetched: u64,
    /// Those that did not come: another node was gone, or did not answer.
    pub logs_lost: u64,
    /// Writes of which the engine did not say whether they were carried out.
    pub writes_unknown: u64,
    /// How often this node fenced itself.
    pub fencings: u64,
    /// Lives of this node that began; all but the first because it was taken for dead, or rows were lost.
    pub lives: u64,
    /// Watches that began.
    pub watches: u64,
    /// How often the engine lost rows, as far as this node knows.
    pub generation: u64,
    /// Whether it does nothing for its addresses.
    pub fenced: bool,
    /// Rows of addresses that it knows.
    pub rows: usize,
    /// The last revision that a watch has shown.
    pub revision_shown: u64,
    /// The last revision that it knows is so far ahead of that.
    pub revision_lag: u64,
    /// Addresses whose rows are being written, claims among them.
    pub writes_under_way: usize,
    /// Sessions that wait for an address.
    pub claims_under_way: usize,
}

impl Hub {
    /// The figures of this node; none if the hub is alone.
    pub fn node_figures(&self, now: Timestamp) -> Option<NodeFigures> {
        let cluster = self.cluster.as_ref()?;
        Some(NodeFigures {
            generation: cluster.generation,
            fenced: !cluster.acts(now),
            rows: cluster.rows.len(),
            revision_shown: cluster.shown.0,
            revision_lag: cluster.last.0.saturating_sub(cluster.shown.0),
            writes_under_way: cluster.writes.len(),
            claims_under_way: cluster.parked.len(),
            ..cluster.figures
        })
    }
}

impl Hub {
    /// Counts and tells if the node fenced itself, or serves again, since this was last asked. Returns whether it does.
    pub(super) fn note_fencing(&mut self, now: Timestamp) -> bool {
        let Some(cluster) = &mut self.cluster else { return false };
        let (acts, place) = (cluster.acts(now), cluster.life.place());
        if std::mem::replace(&mut cluster.acted, acts) == acts {
            return false;
        }
        cluster.figures.fencings += u64::from(!acts);
        self.tell_of(&place, if acts { NodeChange::Serves } else { NodeChange::Fenced });
        acts
    }

    /// Also without an audit: whoever runs the node is to know.
    pub(super) fn tell_of(&mut self, place: &Place, became: NodeChange) {
        let node = place.to_string();
        self.outputs.push(Output::Audit(Record::NodeChanged { node, became }));
    }
}

/// What was read, unless it is counted as unread.
pub(super) fn readable<T>(read: Result<T, String>, unread: &mut u64) -> Option<T> {
    *unread += u64::from(read.is_err());
    read.ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::cluster::ClusterConfig;
    use crate::cluster::engine::{
        Event, Key, NodeName, Request, RequestId, Revision, WriteOutcome,
    };
    use crate::hub::{Config, Ids, Input};

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn hear(hub: &mut Hub, event: Event) -> Vec<Request> {
        assert!(hub.hear(START, event).all(|output| matches!(output, Output::Audit(_))));
        hub.requests().collect()
    }

    /// A node that has reached an engine without rows, and its watch.
    fn node() -> (Hub, RequestId) {
        let mut hub = Hub::new(Config::default(), Ids::new([0; 32]));
        hub.join(ClusterConfig::new(NodeName::parse("a").expect("a name")));
        let asked = hear(&mut hub, Event::Back);
        let [Request::Watch { id }] = asked[..] else { panic!("{asked:?} is no watch") };
        (hub, id)
    }

    fn row(watch: RequestId, key: &str, revision: u64, text: &Bytes) -> Event {
        let (key, revision) = (Key::parse(key).expect("a key"), Revision(revision));
        Event::Row { watch, key, revision, value: Some(text.clone()) }
    }

    #[test]
    fn what_a_node_cannot_read_is_counted() {
        let (mut hub, watch) = node();
        let text = Bytes::from_static(b"{}");
        for (revision, key) in [(3, "n.b"), (4, "a.bob"), (5, "x.bob")] {
            hear(&mut hub, row(watch, key, revision, &text));
        }
        hear(&mut hub, Event::Arrived { message: text });
        let figures = hub.node_figures(START).expect("a node");
        assert_eq!((figures.rows_unread, figures.messages_unread), (3, 1));
        assert_eq!((figures.rows, figures.revision_shown), (0, 5));
    }

    #[test]
    fn a_node_that_sees_its_renewals_no_more_counts_a_fencing() {
        let (mut hub, watch) = node();
        let asked = hear(&mut hub, Event::CaughtUp { watch, revision: Revision(0) });
        let [Request::Write { id, value: Some(value), .. }] = &asked[..] else {
            panic!("{asked:?} is no write of a row")
        };
        let before = hub.node_figures(START).expect("a node");
        assert_eq!((before.fenced, before.fencings, before.lives), (true, 0, 0));
        hear(&mut hub, Event::Written { id: *id, outcome: WriteOutcome::Done(Revision(1)) });
        assert_eq!(hub.node_figures(START).map(|known| known.revision_lag), Some(1));
        hear(&mut hub, row(watch, "n.a", 1, value));
        let lives = hub.node_figures(START).expect("a node");
        assert_eq!((lives.fenced, lives.fencings, lives.lives), (false, 0, 1));
        let later = START + Duration::from_secs(9);
        let told: Vec<Output> = hub.handle(later, Input::Tick).collect();
        let (node, became) = ("a/1".to_owned(), NodeChange::Fenced);
        assert_eq!(told, [Output::Audit(Record::NodeChanged { node, became })]);
        let fenced = hub.node_figures(later).expect("a node");
        assert_eq!((fenced.fenced, fenced.fencings, fenced.watches), (true, 1, 1));
    }

    #[test]
    fn a_hub_alone_has_no_figures_of_a_node() {
        let hub = Hub::new(Config::default(), Ids::new([0; 32]));
        assert_eq!(hub.node_figures(START), None);
    }
}
