use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use proptest::prelude::*;

use super::Settings;
use super::output::{Answer, Output};
use super::state::State;
use crate::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, Unanswered, WriteOutcome,
};
use WriteOutcome::{Conflict, Done, Unknown};

const NOW: Duration = Duration::from_secs(100);
const WRONG: &str = r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 7"},"stream":"KV_hubs","seq":0}"#;
const BUSY: &str = r#"{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}"#;
const NONE: &str = r#"{"error":{"code":404,"err_code":10037,"description":"no message found"}}"#;
/// A row of revision 7 that holds `2`, and its deletion.
const ROW: &str = r#"{"message":{"subject":"$KV.hubs.k","seq":7,"data":"Mg=="}}"#;
const DELETION: &str = r#"{"message":{"subject":"$KV.hubs.k","seq":7,"hdrs":"TkFUUy8xLjANCktWLU9wZXJhdGlvbjogREVMDQoNCg=="}}"#;

fn settings() -> Settings {
    let name = |text| NodeName::parse(text).unwrap();
    Settings::new(Vec::new(), name("hubs"), name("n"))
}

fn state() -> State {
    let mut state = State::new(settings(), "_INBOX.x".to_owned());
    state.connected();
    assert_eq!(events(&mut state), [Event::Back]);
    state
}

fn key() -> Key {
    Key::parse("k").unwrap()
}

fn write(expected: Option<u64>) -> Request {
    let (id, value) = (RequestId(1), Some(Bytes::from_static(b"1")));
    Request::Write { id, key: key(), expected: expected.map(Revision), value }
}

fn message(payload: &str) -> Message {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    let (subject, length) = ("$KV.hubs.k".into(), payload.len());
    let (reply, headers, status, description) = (None, None, None, None);
    Message { subject, reply, payload, headers, status, description, length }
}

/// A row of a watch at its place, with so many that follow.
fn row(revision: u64, in_watch: u64, left: u64) -> Message {
    let reply = format!("$JS.ACK.KV_hubs.n-x-1.1.{revision}.{in_watch}.0.{left}");
    Message { reply: Some(reply.into()), ..message("1") }
}

fn outputs(state: &mut State) -> Vec<Output> {
    std::iter::from_fn(|| state.next_output()).collect()
}

fn events(state: &mut State) -> Vec<Event> {
    let outputs = outputs(state).into_iter();
    let events = outputs.filter_map(|output| match output {
        Output::Event(event) => Some(event),
        Output::Publish(_) | Output::Hear(_) | Output::Deafen => None,
    });
    events.collect()
}

/// What is published, and the number of its answer.
fn published(state: &mut State) -> (String, u64, String) {
    let mut outputs = outputs(state);
    outputs.retain(|output| matches!(output, Output::Publish(_)));
    let [Output::Publish(one)] = &outputs[..] else { panic!("{outputs:?}") };
    let Answer::To(token) = one.answer else { panic!("it asks for an answer") };
    let expected = one.headers.first().map(|(_, expected)| expected.clone());
    (one.subject.clone(), token, expected.unwrap_or_default())
}

fn written(state: &mut State, answer: &str) -> Vec<Event> {
    let (_, token, _) = published(state);
    state.answered(NOW, token, &message(answer));
    events(state)
}

fn outcome(outcome: WriteOutcome) -> [Event; 1] {
    [Event::Written { id: RequestId(1), outcome }]
}

#[test]
fn only_a_wrong_revision_is_a_conflict_and_what_is_unsure_is_unknown() {
    for (answer, became) in [
        (r#"{"stream":"KV_hubs","seq":9}"#, Done(Revision(9))),
        (WRONG, Conflict),
        (r#"{"stream":"KV_hubs","seq":0}"#, Unknown),
        (r#"{"error":{"code":503,"err_code":10008,"description":"unavailable"}}"#, Unknown),
        (r#"{"error":{"code":400}}"#, Unknown),
        ("", Unknown),
        ("[]", Unknown),
    ] {
        let mut state = state();
        state.request(NOW, write(Some(3)));
        assert_eq!(written(&mut state, answer), outcome(became), "{answer}");
    }
}

#[test]
fn nobody_who_answers_leaves_a_write_unknown() {
    let mut state = state();
    state.request(NOW, write(None));
    let (subject, token, expected) = published(&mut state);
    assert_eq!((subject.as_str(), expected.as_str()), ("$KV.hubs.k", "0"));
    let status = Some(StatusCode::NO_RESPONDERS);
    state.answered(NOW, token, &Message { status, ..message("") });
    assert_eq!(events(&mut state), outcome(Unknown));
}

#[test]
fn a_write_that_expects_no_row_follows_a_deletion_and_no_row() {
    let mut state = state();
    state.request(NOW, write(None));
    assert_eq!(written(&mut state, WRONG), []);
    state.tick(NOW);
    for (found, expected) in [(DELETION, "7"), (NONE, "0")] {
        let mut state = self::state();
        state.request(NOW, write(None));
        let (_, token, _) = published(&mut state);
        state.answered(NOW, token, &message(WRONG));
        let (subject, token, _) = published(&mut state);
        assert_eq!(subject, "$JS.API.STREAM.MSG.GET.KV_hubs");
        state.answered(NOW, token, &message(found));
        let (_, token, tried) = published(&mut state);
        assert_eq!(tried, expected);
        state.answered(NOW, token, &message(r#"{"seq":8}"#));
        assert_eq!(events(&mut state), outcome(Done(Revision(8))));
    }
    state = self::state();
    state.request(NOW, write(None));
    let (_, token, _) = published(&mut state);
    state.answered(NOW, token, &message(WRONG));
    assert_eq!(written(&mut state, ROW), outcome(Conflict));
}

#[test]
fn a_write_waits_for_another_that_is_not_yet_decided() {
    let mut state = state();
    state.request(NOW, write(Some(3)));
    assert_eq!(written(&mut state, BUSY), []);
    let later = state.next_deadline().unwrap();
    assert_eq!(later - NOW, Duration::from_millis(10));
    state.tick(later);
    assert_eq!(written(&mut state, WRONG), outcome(Conflict));
}

#[test]
fn each_request_is_answered_once_whatever_comes_late() {
    let mut state = state();
    state.request(NOW, write(Some(3)));
    let (_, token, _) = published(&mut state);
    state.request(NOW, Request::Read { id: RequestId(2), key: key() });
    let at = state.next_deadline().unwrap();
    assert_eq!(at - NOW, settings().request_timeout);
    state.tick(at);
    let unanswered = Event::Read { id: RequestId(2), row: Err(Unanswered) };
    assert_eq!(events(&mut state), [outcome(Unknown)[0].clone(), unanswered]);
    state.answered(at, token, &message(r#"{"seq":8}"#));
    assert_eq!(events(&mut state), []);
    assert_eq!(state.next_deadline(), None);
}

#[test]
fn who_loses_the_engine_asks_nothing_until_it_is_back() {
    let mut state = state();
    state.request(NOW, write(Some(3)));
    published(&mut state);
    state.lost();
    assert_eq!(events(&mut state), [outcome(Unknown)[0].clone(), Event::Lost]);
    state.request(NOW, write(Some(3)));
    state.request(NOW, Request::Watch { id: RequestId(2) });
    let outputs = outputs(&mut state);
    assert!(matches!(outputs[..], [Output::Event(Event::Written { .. })]), "{outputs:?}");
    state.connected();
    assert_eq!(events(&mut state), [Event::Back]);
}

#[test]
fn what_is_asked_before_the_hub_has_heard_that_the_engine_is_back_is_not_carried_out() {
    let mut state = state();
    state.lost();
    state.connected();
    assert_eq!(events(&mut state), [Event::Lost, Event::Back]);
    state.request_after(NOW, 1, write(Some(3)));
    assert_eq!(events(&mut state), outcome(Unknown));
    state.request_after(NOW, 2, write(Some(3)));
    assert_eq!(published(&mut state).2, "3");
}

fn watching() -> State {
    let mut state = state();
    state.request(NOW, Request::Watch { id: RequestId(5) });
    begins(&mut state, 1, 4);
    state
}

/// A watch writes its mark, which gets a revision, and is asked for.
fn begins(state: &mut State, token: u64, mark: u64) {
    assert_eq!(published(state).0, "$KV.hubs.w.n");
    state.answered(NOW, token, &message(&format!(r#"{{"stream":"KV_hubs","seq":{mark}}}"#)));
    let asked = format!("$JS.API.CONSUMER.CREATE.KV_hubs.n-x-{}", token + 1);
    assert_eq!(published(state).0, asked);
}

/// What a watch wrote.
fn mark(revision: u64, in_watch: u64, left: u64) -> Message {
    Message { subject: "$KV.hubs.w.n".into(), ..row(revision, in_watch, left) }
}

#[test]
fn a_watch_is_caught_up_once_nothing_is_left() {
    let mut state = watching();
    state.watched(NOW, &row(3, 1, 1));
    state.watched(NOW, &row(4, 2, 0));
    state.watched(NOW, &row(6, 3, 0));
    let (watch, value) = (RequestId(5), Some(Bytes::from_static(b"1")));
    let row = |revision| {
        let (key, value) = (key(), value.clone());
        Event::Row { watch, key, revision: Revision(revision), value }
    };
    let caught_up = Event::CaughtUp { watch, revision: Revision(4) };
    assert_eq!(events(&mut state), [row(3), row(4), caught_up, row(6)]);
}

#[test]
fn a_watch_that_is_behind_is_caught_up_once_it_has_shown_its_mark() {
    let mut state = watching();
    state.watched(NOW, &row(2, 1, 0));
    let key = key();
    assert!(matches!(&events(&mut state)[..], [Event::Row { key: shown, .. }] if *shown == key));
    state.watched(NOW, &mark(4, 2, 0));
    let caught_up = Event::CaughtUp { watch: RequestId(5), revision: Revision(4) };
    assert_eq!(events(&mut state), [caught_up], "and its mark is no row");
}

#[test]
fn a_watch_of_nothing_is_caught_up_by_its_mark_alone() {
    let mut state = watching();
    state.answered(NOW, 2, &message(r#"{"num_pending":0,"delivered":{"stream_seq":3}}"#));
    assert_eq!(events(&mut state), [], "whoever shows it is behind");
    state.answered(NOW, 2, &message(r#"{"num_pending":0,"delivered":{"stream_seq":4}}"#));
    let caught_up = Event::CaughtUp { watch: RequestId(5), revision: Revision(4) };
    assert_eq!(events(&mut state), [caught_up]);
}

#[test]
fn a_watch_that_misses_a_row_or_falls_silent_ends() {
    let mut state = watching();
    state.watched(NOW, &row(3, 2, 0));
    assert_eq!(events(&mut state), [Event::Lost, Event::Back]);

    let mut state = watching();
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Last-Consumer", "1");
    let status = Some(StatusCode::IDLE_HEARTBEAT);
    state.watched(NOW, &Message { status, headers: Some(headers), ..message("") });
    assert_eq!(events(&mut state), [Event::Lost, Event::Back]);

    let mut state = watching();
    state.watched(NOW, &row(3, 1, 1));
    let at = state.next_deadline().unwrap();
    assert_eq!(at - NOW, settings().heartbeat * 3);
    state.tick(at);
    assert_eq!(events(&mut state)[1..], [Event::Lost, Event::Back]);
}

#[test]
fn a_watch_that_does_not_begin_is_asked_for_again() {
    let mut state = watching();
    let at = state.next_deadline().unwrap();
    state.tick(at);
    begins(&mut state, 3, 5);
    state.request(NOW, Request::Watch { id: RequestId(6) });
    assert_eq!(published(&mut state).0, "$KV.hubs.w.n");
    state.tick(state.next_deadline().unwrap());
    begins(&mut state, 6, 6);
}

fn any_message() -> impl Strategy<Value = Message> {
    let answers = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        "\\{\"(seq|error|message|num_pending)\":(-?[0-9]{1,25}|\\{\"(err_code|seq|data)\":[0-9\"]{0,9}\\})\\}"
            .prop_map(String::into_bytes),
    ];
    let reply = proptest::option::of("(\\$JS\\.ACK\\.)?([a-z0-9]{0,22}\\.){0,12}[0-9]{0,22}");
    let header = proptest::option::of(("Nats-Last-Consumer|KV-Operation", "[0-9A-Z-]{0,22}"));
    let (subject, status) = ("(\\$KV\\.hubs\\.)?[a-z.*]{0,9}", proptest::option::of(100..600_u16));
    (subject, reply, answers, header, status).prop_map(
        |(subject, reply, payload, header, status)| {
            let headers = header.map(|(name, value)| {
                let mut headers = HeaderMap::new();
                headers.insert(name.as_str(), value.as_str());
                headers
            });
            let (payload, reply) = (Bytes::from(payload), reply.map(Into::into));
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            Message { subject: subject.into(), reply, payload, headers, status, ..message("") }
        },
    )
}

proptest! {
    /// Each of three requests is answered once, and there is no panic.
    #[test]
    fn any_answers_leave_each_request_answered_once(
        messages in proptest::collection::vec((1..9_u64, any::<bool>(), any_message()), 0..20),
    ) {
        let mut state = watching();
        state.request(NOW, write(None));
        state.request(NOW, Request::Read { id: RequestId(2), key: key() });
        let mut heard = Vec::new();
        for (token, is_row, message) in messages {
            if is_row {
                state.watched(NOW, &message);
            } else {
                state.answered(NOW, token, &message);
            }
            heard.extend(events(&mut state));
        }
        state.lost();
        heard.extend(events(&mut state));
        let writes = heard.iter().filter(|event| matches!(event, Event::Written { .. })).count();
        let reads = heard.iter().filter(|event| matches!(event, Event::Read { .. })).count();
        prop_assert_eq!((writes, reads), (1, 1));
    }
}

fn send(to: &str, text: &'static str) -> Request {
    Request::Send { to: NodeName::parse(to).unwrap(), message: Bytes::from_static(text.as_bytes()) }
}

#[test]
fn messages_that_are_sent_together_arrive_one_by_one() {
    let mut state = state();
    for (to, text) in [("a", "one"), ("b", "other"), ("a", ""), ("a", "a\nb")] {
        state.request(NOW, send(to, text));
    }
    assert!(outputs(&mut state).is_empty(), "nothing leaves before the flush");
    state.flush();
    let mut parcels = outputs(&mut state).into_iter().map(|output| match output {
        Output::Publish(publication) => (publication.subject, publication.payload),
        other => panic!("{other:?} is no publication"),
    });
    let (subject, parcel) = parcels.next().unwrap();
    assert_eq!(subject, "hubs.node.a");
    state.arrived(parcel);
    let arrived =
        |text: &'static str| Event::Arrived { message: Bytes::from_static(text.as_bytes()) };
    assert_eq!(events(&mut state), [arrived("one"), arrived(""), arrived("a\nb")]);
    assert_eq!((parcels.next().unwrap().0, parcels.next()), ("hubs.node.b".to_owned(), None));
}

#[test]
fn a_parcel_has_a_bound_and_a_large_message_goes_alone() {
    let mut state = state();
    let large = Bytes::from(vec![b'x'; 100_000]);
    let to = NodeName::parse("a").unwrap();
    state.request(NOW, send("a", "small"));
    state.request(NOW, Request::Send { to, message: large });
    state.request(NOW, send("a", "last"));
    state.flush();
    assert_eq!(outputs(&mut state).len(), 3);
}

proptest! {
    #[test]
    fn whatever_arrives_is_told_and_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut state = state();
        let is_empty = bytes.is_empty();
        state.arrived(Bytes::from(bytes));
        prop_assert_eq!(events(&mut state).is_empty(), is_empty);
    }
}
