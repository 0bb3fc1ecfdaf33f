use std::time::Duration;

use super::*;
use crate::cluster::engine::Request;

const START: Timestamp = Timestamp::from_millis(1_000_000);

/// A node, and its row in a log that answers at once.
struct Node {
    life: Life,
    requests: Requests,
    revision: u64,
}

impl Node {
    /// It lives, and the watch has shown its row.
    fn living() -> Self {
        let name = NodeName::parse("a").expect("a name");
        let life = Life::new(ClusterConfig::new(name), Incarnation(1));
        let mut node = Self { life, requests: Requests::default(), revision: 0 };
        assert_eq!(node.life.caught_up(START, &BTreeSet::new()), []);
        assert_eq!(node.writes(START), [Change::Begun(NodeEpoch(1))]);
        node
    }

    /// Does what is due; its writes are carried out, and shown.
    fn writes(&mut self, now: Timestamp) -> Vec<Change> {
        self.life.act(now, true, &mut self.requests);
        let asked: Vec<Request> = self.requests.take().collect();
        let mut changes = Vec::new();
        for request in asked {
            let Request::Write { id, key, value: Some(value), .. } = request else {
                panic!("{request:?} is no write of a row")
            };
            self.revision += 1;
            let revision = Revision(self.revision);
            let outcome = WriteOutcome::Done(revision);
            changes.extend(self.life.written(now, id, outcome).expect("it is one of these"));
            let Some(RowKey::Node(node)) = RowKey::decode(&key) else { panic!("{key} is no node") };
            let row = NodeRow::decode(&value).expect("a row");
            changes.extend(self.life.shown((now, true), node, revision, row));
        }
        changes
    }

    /// Another node's row.
    fn hears(&mut self, now: Timestamp, epoch: u64, alive: bool) -> Vec<Change> {
        self.revision += 1;
        let row = NodeRow {
            format: Format,
            epoch: NodeEpoch(epoch),
            incarnation: Incarnation(2),
            beat: self.revision,
            alive,
        };
        self.life.shown((now, true), b(), Revision(self.revision), row)
    }
}

fn b() -> NodeName {
    NodeName::parse("b").expect("a name")
}

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

#[test]
fn a_node_that_sees_no_echo_fences_itself_before_its_lease_is_over() {
    let mut node = Node::living();
    assert!(!node.life.is_fenced(after(7)));
    assert!(node.life.is_fenced(after(8)));
    assert_eq!(node.writes(after(9)), []);
    assert!(!node.life.is_fenced(after(9)), "it renewed its row, and goes on");
}

#[test]
fn a_silent_node_is_declared_dead_once_a_lease_has_passed_in_the_log() {
    let mut node = Node::living();
    let place = Place { node: b(), epoch: NodeEpoch(1) };
    assert_eq!(node.hears(after(1), 1, true), [Change::Appeared(place.clone())]);
    assert_eq!(node.writes(after(10)), [], "what was sent then is 9 s after its row");
    assert_eq!(node.writes(after(12)), [], "its own renewal has to be shown first");
    assert_eq!(node.writes(after(12)), [Change::Died(place.clone())]);
    assert!(!node.life.lives(&place));
}

#[test]
fn who_renews_is_not_declared_dead() {
    let mut node = Node::living();
    for second in (2..60).step_by(2) {
        node.hears(after(second), 1, true);
        node.writes(after(second));
        assert_eq!(node.writes(after(second)), [], "after {second} s");
    }
}

#[test]
fn who_was_declared_dead_begins_another_life() {
    let mut node = Node::living();
    node.revision += 1;
    let (own, row) = (node.life.place(), node.life.row_of(&node.life.place().node));
    let row = NodeRow { alive: false, ..row.expect("its row").1.clone() };
    assert_eq!(
        node.life.shown((after(1), true), own.node.clone(), Revision(node.revision), row),
        []
    );
    assert!(node.life.is_fenced(after(1)));
    assert_eq!(node.writes(after(1)), [Change::Begun(NodeEpoch(2))]);
    assert!(!node.life.lives(&own), "what was at the first life is not at the second");
}

#[test]
fn of_two_processes_with_one_name_the_older_ends() {
    let mut node = Node::living();
    let row = NodeRow {
        format: Format,
        epoch: NodeEpoch(2),
        incarnation: Incarnation(9),
        beat: 1,
        alive: true,
    };
    let changes = node.life.shown((after(1), true), node.life.place().node, Revision(9), row);
    assert_eq!(changes, [Change::Superseded]);
    assert_eq!(node.life.phase(), LifePhase::Ended);
    assert!(node.life.is_superseded());
}

#[test]
fn who_leaves_before_it_lives_is_not_superseded() {
    let name = NodeName::parse("a").expect("a name");
    let mut life = Life::new(ClusterConfig::new(name.clone()), Incarnation(1));
    let (epoch, incarnation) = (NodeEpoch(4), Incarnation(9));
    let before = NodeRow { format: Format, epoch, incarnation, beat: 7, alive: false };
    assert_eq!(life.shown((START, false), name, Revision(1), before), []);
    life.leave(&mut Requests::default());
    assert!(!life.is_superseded());
}

#[test]
fn who_leaves_is_not_superseded() {
    let mut node = Node::living();
    node.life.leave(&mut node.requests);
    assert_eq!(node.life.phase(), LifePhase::Ended);
    assert!(!node.life.is_superseded());
}

#[test]
fn an_echo_in_a_snapshot_counts_once_that_is_whole() {
    let mut node = Node::living();
    node.life.act(after(9), true, &mut node.requests);
    assert!(node.life.is_fenced(after(9)));
    let Some(Request::Write { id, value: Some(value), .. }) = node.requests.take().next() else {
        panic!("it renews its row")
    };
    let (own, row) = (node.life.place().node, NodeRow::decode(&value).expect("a row"));
    let done = WriteOutcome::Done(Revision(2));
    assert_eq!(node.life.written(after(9), id, done), Some(Vec::new()));
    assert_eq!(node.life.shown((after(9), false), own.clone(), Revision(2), row), []);
    assert!(node.life.is_fenced(after(9)), "what others wrote may be yet to come");
    assert_eq!(node.life.caught_up(after(9), &BTreeSet::from([own])), []);
    assert!(!node.life.is_fenced(after(9)));
}

#[test]
fn lives_of_another_process_with_its_name_are_not_its_own() {
    let mut node = Node::living();
    let a = |epoch| Place { node: NodeName::parse("a").expect("a name"), epoch: NodeEpoch(epoch) };
    node.life.went_back();
    assert_eq!(node.life.caught_up(START, &BTreeSet::new()), []);
    assert_eq!(node.writes(START), [Change::Begun(NodeEpoch(2))]);
    let lived = [0, 1, 2, 3].map(|epoch| node.life.lived(&a(epoch)));
    assert_eq!(lived, [false, true, true, false]);
    assert!(!node.life.lived(&Place { node: b(), epoch: NodeEpoch(1) }));
}
