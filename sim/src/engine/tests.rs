use bytes::Bytes;
use signal_hub::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, Unanswered, WriteOutcome,
};

use super::{Check, Engine, Kept, Lane, Way};
use WriteOutcome::{Conflict, Done, Unknown};

/// An engine with two nodes, which number their requests together.
struct Pair {
    engine: Engine,
    requests: u64,
}

fn name(node: &str) -> NodeName {
    NodeName::parse(node).unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn row(watch: RequestId, key_text: &str, revision: u64, held: Option<&str>) -> Event {
    let (key, revision) = (key(key_text), Revision(revision));
    Event::Row { watch, key, revision, value: held.map(value) }
}

fn caught_up(watch: RequestId, revision: u64) -> Event {
    Event::CaughtUp { watch, revision: Revision(revision) }
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self { engine: Engine::default(), requests: 0 };
        for node in ["a", "b"] {
            pair.engine.connect(&name(node));
            assert_eq!(pair.hear(node), [Event::Back]);
        }
        pair
    }

    fn id(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn write_request(&mut self, at: &str, expected: Option<u64>, held: Option<&str>) -> Request {
        let (id, key, expected) = (self.id(), key(at), expected.map(Revision));
        Request::Write { id, key, expected, value: held.map(value) }
    }

    fn write(&mut self, at: &str, expected: Option<u64>, held: Option<&str>) -> WriteOutcome {
        let request = self.write_request(at, expected, held);
        self.engine.request(&name("a"), request);
        self.outcome()
    }

    fn write_late(&mut self, at: &str, expected: Option<u64>, held: Option<&str>) {
        let request = self.write_request(at, expected, held);
        self.engine.request_late(&name("a"), request);
        assert_eq!(self.outcome(), Unknown);
    }

    fn outcome(&mut self) -> WriteOutcome {
        let lane = Lane::Answer(RequestId(self.requests));
        let Some(Event::Written { outcome, .. }) = self.engine.draw(&name("a"), &lane) else {
            panic!("it is answered")
        };
        outcome
    }

    fn read(&mut self, at: &str) -> Result<Option<(Revision, Bytes)>, Unanswered> {
        self.read_behind(at, 0)
    }

    fn read_behind(
        &mut self,
        at: &str,
        behind: u64,
    ) -> Result<Option<(Revision, Bytes)>, Unanswered> {
        let (id, key) = (self.id(), key(at));
        self.engine.request_stale(&name("a"), Request::Read { id, key }, behind);
        let Some(Event::Read { row, .. }) = self.engine.draw(&name("a"), &Lane::Answer(id)) else {
            panic!("it is answered")
        };
        row
    }

    fn watch(&mut self, node: &str) -> RequestId {
        let id = self.id();
        self.engine.request(&name(node), Request::Watch { id });
        id
    }

    fn send(&mut self, from: &str, to: &str, text: &str) {
        let (to, message) = (name(to), value(text));
        self.engine.request(&name(from), Request::Send { to, message });
    }

    /// All that a node can hear, lane by lane.
    fn hear(&mut self, node: &str) -> Vec<Event> {
        let node = name(node);
        let mut heard = Vec::new();
        while let Some(lane) = self.engine.ready(&node).first() {
            heard.extend(self.engine.draw(&node, lane));
        }
        heard
    }

    fn messages(&mut self, node: &str) -> Vec<String> {
        let heard = self.hear(node).into_iter();
        let texts = heard.filter_map(|event| match event {
            Event::Arrived { message } => Some(String::from_utf8_lossy(&message).into_owned()),
            _ => None,
        });
        texts.collect()
    }
}

#[test]
fn a_write_is_done_only_if_the_row_is_what_it_expects() {
    let mut pair = Pair::new();
    assert_eq!(pair.write("k", None, Some("1")), Done(Revision(1)));
    assert_eq!(pair.write("k", None, Some("2")), Conflict);
    assert_eq!(pair.write("other", None, Some("x")), Done(Revision(2)));
    assert_eq!(pair.write("k", Some(2), Some("2")), Conflict);
    assert_eq!(pair.write("k", Some(1), None), Done(Revision(3)));
    assert_eq!(pair.read("k"), Ok(None));
    assert_eq!(pair.write("k", None, Some("again")), Done(Revision(4)));
    assert_eq!(pair.read("k"), Ok(Some((Revision(4), value("again")))));
}

#[test]
fn without_the_check_any_write_is_done() {
    let mut pair = Pair::new();
    pair.engine = Engine::new(Check::Nothing);
    pair.engine.connect(&name("a"));
    pair.hear("a");
    assert_eq!(pair.write("k", Some(7), Some("1")), Done(Revision(1)));
    assert_eq!(pair.write("k", None, Some("2")), Done(Revision(2)));
}

#[test]
fn a_watch_shows_the_rows_then_that_it_has_caught_up_then_each_write() {
    let mut pair = Pair::new();
    for (at, held) in [("k", Some("1")), ("gone", Some("1"))] {
        pair.write(at, None, held);
    }
    pair.write("k", Some(1), Some("2"));
    pair.write("gone", Some(2), None);
    let watch = pair.watch("b");
    let rows = [row(watch, "k", 3, Some("2")), row(watch, "gone", 4, None), caught_up(watch, 4)];
    assert_eq!(pair.hear("b"), rows);
    pair.write("k", Some(3), Some("3"));
    assert_eq!(pair.hear("b"), [row(watch, "k", 5, Some("3"))]);
}

#[test]
fn a_watch_of_nothing_catches_up_and_another_takes_its_place() {
    let mut pair = Pair::new();
    let first = pair.watch("b");
    assert_eq!(pair.hear("b"), [caught_up(first, 0)]);
    let second = pair.watch("b");
    assert_eq!(pair.hear("b"), [caught_up(second, 0)]);
}

#[test]
fn a_slow_watch_skips_what_was_replaced_and_shows_what_was_on_its_way() {
    let mut pair = Pair::new();
    let watch = pair.watch("b");
    pair.hear("b");
    pair.engine.hold_watch(&name("b"));
    pair.write("k", None, Some("1"));
    pair.write("k", Some(1), Some("2"));
    pair.engine.push_rows(&name("b"));
    pair.write("k", Some(2), Some("3"));
    assert_eq!(pair.hear("b"), []);
    pair.engine.release_watch(&name("b"));
    assert_eq!(pair.hear("b"), [row(watch, "k", 2, Some("2")), row(watch, "k", 3, Some("3"))]);
}

#[test]
fn a_watch_that_has_ended_says_nothing() {
    let mut pair = Pair::new();
    pair.watch("b");
    pair.engine.end_watch(&name("b"));
    pair.write("k", None, Some("1"));
    assert_eq!(pair.hear("b"), []);
}

#[test]
fn an_answer_can_be_lost_though_the_write_was_carried_out() {
    let mut pair = Pair::new();
    let request = pair.write_request("k", None, Some("1"));
    pair.engine.request(&name("a"), request);
    pair.engine.lose_answer(&name("a"), RequestId(pair.requests));
    assert_eq!(pair.outcome(), Unknown);
    assert_eq!(pair.read("k"), Ok(Some((Revision(1), value("1")))));
}

#[test]
fn a_late_write_is_carried_out_once_if_the_row_is_then_what_it_expects() {
    let mut pair = Pair::new();
    pair.write_late("k", None, Some("late"));
    pair.write_late("k", None, Some("later"));
    pair.write_late("k", None, Some("never"));
    assert_eq!(pair.read("k"), Ok(None));
    pair.engine.drop_late(2);
    assert_eq!(pair.engine.carry_out_late(0), Done(Revision(1)));
    assert_eq!(pair.engine.carry_out_late(0), Conflict);
    assert_eq!(pair.engine.late_writes(), []);
    assert_eq!(pair.read("k"), Ok(Some((Revision(1), value("late")))));
}

#[test]
fn a_stale_read_does_not_know_the_last_writes() {
    let mut pair = Pair::new();
    pair.write("k", None, Some("1"));
    pair.write("other", None, Some("x"));
    pair.write("k", Some(1), Some("2"));
    assert_eq!(pair.read_behind("k", 1), Ok(Some((Revision(1), value("1")))));
    assert_eq!(pair.read_behind("k", 9), Ok(None));
}

#[test]
fn messages_of_a_pair_keep_their_order_and_those_of_two_come_in_any() {
    let mut pair = Pair::new();
    pair.send("a", "b", "1");
    pair.send("b", "b", "own");
    pair.send("a", "b", "2");
    pair.send("a", "nobody", "lost");
    let lanes = [Lane::From(name("a")), Lane::From(name("b"))];
    assert_eq!(pair.engine.ready(&name("b")), lanes);
    assert_eq!(pair.messages("b"), ["1", "2", "own"]);
}

#[test]
fn a_message_can_be_lost_or_come_twice() {
    let mut pair = Pair::new();
    pair.send("a", "b", "1");
    pair.send("a", "b", "2");
    pair.engine.lose_message(&name("a"), &name("b"));
    assert_eq!(pair.messages("b"), ["2"]);
    pair.engine.double_message(&name("a"), &name("b"));
    assert_eq!(pair.messages("b"), ["2"]);
}

#[test]
fn who_loses_the_engine_hears_so_first_and_of_nothing_that_waited() {
    let mut pair = Pair::new();
    pair.watch("a");
    pair.send("b", "a", "lost");
    let request = pair.write_request("k", None, Some("1"));
    let id = RequestId(pair.requests);
    pair.engine.request(&name("a"), request);
    pair.engine.disconnect(&name("a"));
    let written = Event::Written { id, outcome: Unknown };
    assert_eq!(pair.hear("a"), [Event::Lost, written]);
    assert_eq!(pair.write("k", Some(1), Some("2")), Unknown);
    assert_eq!(pair.read("k"), Err(Unanswered));
    pair.watch("a");
    pair.engine.connect(&name("a"));
    assert_eq!(pair.hear("a"), [Event::Back]);
    assert_eq!(pair.read("k"), Ok(Some((Revision(1), value("1")))));
}

#[test]
fn a_cut_way_to_the_engine_lets_no_request_through() {
    let mut pair = Pair::new();
    pair.engine.cut(&name("a"), Way::ToEngine);
    assert_eq!(pair.write("k", None, Some("1")), Unknown);
    pair.send("a", "b", "lost");
    pair.send("b", "a", "heard");
    assert_eq!(pair.messages("a"), ["heard"]);
    pair.engine.heal(&name("a"), Way::ToEngine);
    assert_eq!(pair.read("k"), Ok(None));
    assert_eq!(pair.messages("b"), [""; 0]);
}

#[test]
fn a_cut_way_from_the_engine_loses_answers_and_delays_the_rest() {
    let mut pair = Pair::new();
    let watch = pair.watch("a");
    pair.engine.cut(&name("a"), Way::FromEngine);
    assert_eq!(pair.write("k", None, Some("1")), Unknown);
    pair.send("b", "a", "later");
    assert_eq!(pair.hear("a"), []);
    pair.engine.heal(&name("a"), Way::FromEngine);
    let message = Event::Arrived { message: value("later") };
    assert_eq!(pair.hear("a"), [row(watch, "k", 1, Some("1")), caught_up(watch, 1), message]);
}

#[test]
fn during_an_election_writes_are_late_and_messages_arrive() {
    let mut pair = Pair::new();
    pair.engine.begin_election();
    assert_eq!(pair.write("k", None, Some("1")), Unknown);
    pair.send("a", "b", "heard");
    assert_eq!(pair.messages("b"), ["heard"]);
    pair.engine.end_election();
    assert_eq!(pair.engine.carry_out_late(0), Done(Revision(1)));
}

#[test]
fn a_restart_forgets_what_it_is_told_to_and_gives_revisions_again() {
    let kept =
        [(Kept::All, Some("2"), 3), (Kept::AllBut(1), Some("1"), 2), (Kept::Nothing, None, 1)];
    for (kept, held, next) in kept {
        let mut pair = Pair::new();
        pair.write("k", None, Some("1"));
        pair.write("k", Some(1), Some("2"));
        pair.engine.restart(kept);
        assert_eq!(pair.hear("b"), [Event::Lost]);
        pair.engine.connect(&name("a"));
        assert_eq!(pair.hear("a"), [Event::Lost, Event::Back]);
        assert_eq!(pair.read("k").unwrap().map(|(_, held)| held), held.map(value), "{kept:?}");
        assert_eq!(pair.write("new", None, Some("x")), Done(Revision(next)), "{kept:?}");
    }
}

#[test]
fn a_node_that_ended_hears_nothing_when_it_starts_again() {
    let mut pair = Pair::new();
    pair.send("a", "b", "lost");
    pair.engine.forget(&name("b"));
    pair.engine.connect(&name("b"));
    assert_eq!(pair.hear("b"), [Event::Back]);
}

#[test]
fn a_watch_that_is_behind_shows_what_was_there_before_what_is() {
    let mut pair = Pair::new();
    assert_eq!(pair.write("k", None, Some("old")), Done(Revision(1)));
    assert_eq!(pair.write("gone", None, Some("soon")), Done(Revision(2)));
    assert_eq!(pair.write("k", Some(1), Some("new")), Done(Revision(3)));
    assert_eq!(pair.write("gone", Some(2), None), Done(Revision(4)));
    let id = pair.id();
    pair.engine.request_stale(&name("b"), Request::Watch { id }, 2);
    let old = [row(id, "k", 1, Some("old")), row(id, "gone", 2, Some("soon"))];
    let new = [row(id, "k", 3, Some("new")), row(id, "gone", 4, None), caught_up(id, 4)];
    assert_eq!(pair.hear("b"), [&old[..], &new].concat());
}
