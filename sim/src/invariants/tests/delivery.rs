//! I8, I16, I18 to I27.

use std::time::Duration;

use signal_hub::client::DisconnectReason;
use signal_hub::hub::{Output, Record, SessionKey};
use signal_hub::protocol::{
    Body, ErrorCode, Json, MessageId, Outgoing, Pattern, Reply, Topic, Verb,
};
use signal_hub::time::Timestamp;

use super::super::Invariant;
use super::{Story, at, is_delivery, publish, register_as_hub, request, send, subscribe};
use crate::history::{ClientEvent, Milestone};

fn is_drop(output: &Output) -> bool {
    matches!(output, Output::Audit(Record::MessageDropped { .. }))
}

fn is_copy(output: &Output) -> bool {
    is_delivery(output) || matches!(output, Output::Audit(Record::MessageDelivered { .. }))
}

/// Bob has said something to Alice.
fn sent() -> Story {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(2, "bob", send("alice"));
    story
}

/// Bob has said two things to Alice, and her connection is open.
fn two_sent() -> (Story, Vec<Outgoing>) {
    let mut story = sent();
    let mut messages = story.last().sent_to(1);
    story.asks(2, "bob", send("alice"));
    messages.extend(story.last().sent_to(1));
    story.at_client(ClientEvent::Opened { connection: 1 });
    (story, messages)
}

/// Alice, who has gone, and Carol are subscribed to what Bob publishes on.
fn published() -> Story {
    let mut story = Story::of(["alice", "bob", "carol"]);
    story.asks(1, "alice", subscribe("news"));
    story.asks(3, "carol", subscribe("news"));
    story.closes(1);
    story.asks(2, "bob", publish("news"));
    story
}

#[test]
fn a_sender_is_who_it_says_it_is() {
    let mut story = sent();
    story.holds();
    story.last().delivery().from = at("alice");
    story.breaks(Invariant::I8);
}

#[test]
fn a_copy_has_the_metadata_of_its_sender() {
    let mut story = Story::of(["alice", "bob"]);
    let id = MessageId::parse("with-metadata").unwrap();
    let mut said = request(story.now(), id, "bob", Pattern::Ask, send("alice"));
    said.metadata = Json::parse(r#"{"thread":1.0,"via":"bob"}"#).unwrap();
    story.sends(2, said);
    story.holds();
    let copy = story.last().sent_to(1).remove(0);
    story.at_client(ClientEvent::Opened { connection: 1 });
    story.receives(&copy);
    story.holds();
    story.events.truncate(story.events.len() - 2);
    let metadata = &mut story.last().delivery().metadata;
    *metadata = Json::parse(metadata.as_str().replace("1.0", "1")).unwrap();
    story.breaks(Invariant::I19);
}

#[test]
fn whoever_is_subscribed_gets_a_copy() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", subscribe("news"));
    story.asks(2, "bob", publish("news"));
    story.holds();
    story.last().without(is_copy);
    story.breaks(Invariant::I16);
}

#[test]
fn an_accepted_subscribe_takes_effect() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", subscribe("news"));
    story.last().touched.addresses = Default::default();
    story.last().touched.topics = Default::default();
    story.breaks(Invariant::I16);
}

#[test]
fn a_retried_ask_is_delivered_once() {
    let mut story = sent();
    let copies: Vec<Output> = story.last().outputs.iter().filter(|o| is_copy(o)).cloned().collect();
    let again = story.last().request().clone();
    story.sends(2, again);
    story.holds();
    story.last().outputs.extend(copies);
    story.breaks(Invariant::I18);
}

#[test]
fn an_ask_is_known_until_others_take_its_place() {
    let mut story = Story::with(|config| config.dedupe_entries_max = 2);
    story.all_registered(["alice", "bob"]);
    let mut asks = Vec::new();
    for _ in 0..3 {
        story.asks(2, "bob", send("alice"));
        asks.push(story.last().request().clone());
    }
    let copies: Vec<Output> = story.last().outputs.iter().filter(|o| is_copy(o)).cloned().collect();
    let [first, _, latest] = asks.try_into().unwrap();
    story.sends(2, first);
    assert!(story.last().outputs.iter().any(is_copy), "the oldest is forgotten");
    story.sends(2, latest);
    assert!(!story.last().outputs.iter().any(is_copy), "the latest is known");
    story.holds();
    story.last().outputs.extend(copies);
    story.breaks(Invariant::I18);
}

#[test]
fn a_told_message_is_delivered_once() {
    let mut story = Story::of(["alice", "bob"]);
    story.tells(2, "bob", send("alice"));
    let again = story.last().request().clone();
    story.sends(2, again);
    story.holds();
    let copies: Vec<Output> = story.last().outputs.iter().filter(|o| is_copy(o)).cloned().collect();
    story.last().outputs.extend(copies);
    story.breaks(Invariant::I18);
}

#[test]
fn a_copy_arrives_once() {
    let (mut story, messages) = two_sent();
    story.receives(&messages[0]);
    story.holds();
    story.receives(&messages[0]);
    story.breaks(Invariant::I18);
}

#[test]
fn a_copy_is_what_was_sent() {
    let mut story = sent();
    story.last().delivery().payload = Json::EMPTY_OBJECT;
    story.breaks(Invariant::I19);
}

#[test]
fn a_copy_is_of_the_request_at_hand() {
    let mut story = sent();
    story.last().delivery().origin = MessageId::parse("an older one").unwrap();
    story.breaks(Invariant::I19);
}

#[test]
fn nothing_arrives_that_was_not_handed_over() {
    let (mut story, messages) = two_sent();
    let id = MessageId::parse("unheard of").unwrap();
    let uuid = story.last().sent_to(2)[0].id;
    assert_ne!(MessageId::from(uuid), id);
    story.receives(&Outgoing { id: uuid, ..messages[0].clone() });
    story.breaks(Invariant::I19);
}

#[test]
fn copies_arrive_in_the_order_of_sending() {
    let (mut story, messages) = two_sent();
    story.receives(&messages[1]);
    story.holds();
    story.receives(&messages[0]);
    story.breaks(Invariant::I20);
}

#[test]
fn no_copy_is_missing_between_two_that_arrive() {
    let lost = || ClientEvent::Lost { connection: 1, why: DisconnectReason::Silent };
    let (mut story, messages) = two_sent();
    story.receives(&messages[0]);
    story.at_client(lost());
    story.holds();
    let (mut story, messages) = two_sent();
    story.receives(&messages[1]);
    story.at_client(lost());
    story.breaks(Invariant::I21);
}

#[test]
fn what_is_written_has_arrived_when_it_is_calm() {
    let (mut story, messages) = two_sent();
    story.drains(1, 4);
    story.receives(&messages[0]);
    story.receives(&messages[1]);
    story.passes(Duration::from_secs(6));
    story.reaches(Milestone::Calm);
    story.holds();
    story.events.remove(story.events.len() - 2);
    story.breaks(Invariant::I21);
}

#[test]
fn a_dropped_copy_has_a_record() {
    let mut story = Story::with(|config| config.queue_messages_max = 2);
    story.all_registered(["alice", "bob"]);
    story.tells(2, "bob", send("alice"));
    story.holds();
    assert!(story.last().outputs.iter().any(is_drop), "her two replies fill her queue");
    story.last().without(is_drop);
    story.breaks(Invariant::I21);
}

#[test]
fn whoever_is_gone_takes_nobody_elses_copy_away() {
    let mut story = published();
    story.holds();
    story.last().without(is_copy);
    story.breaks(Invariant::I22);
}

#[test]
fn an_acknowledgement_counts_the_copies() {
    let mut story = published();
    let Reply::Published(told) = story.last().reply() else { panic!() };
    told.subscriber_count += 1;
    story.breaks(Invariant::I23);
}

#[test]
fn a_broadcast_leaves_nobody_out() {
    let mut story = Story::of(["alice", "bob"]);
    let note = signal_hub::protocol::Broadcast::new("note", Json::NULL);
    story.asks(2, "bob", Verb::Broadcast(note));
    story.holds();
    let to_alice = |output: &Output| match output {
        Output::Send(key, _) => key.0 == 1,
        Output::Audit(Record::MessageDelivered { to, .. }) => *to == at("alice"),
        _ => false,
    };
    story.last().without(to_alice);
    story.breaks(Invariant::I23);
}

#[test]
fn an_ask_gets_a_reply() {
    let mut story = sent();
    story.last().without(|output| matches!(output, Output::Send(key, _) if key.0 == 2));
    story.breaks(Invariant::I24);
}

#[test]
fn an_ask_gets_one_reply() {
    let mut story = sent();
    let reply = story.last().sent_to(2)[0].clone();
    story.last().outputs.push(Output::Send(SessionKey(2), reply));
    story.breaks(Invariant::I24);
}

#[test]
fn a_retry_gets_the_first_answer() {
    let mut story = Story::of(["bob"]);
    story.asks(1, "bob", publish("news"));
    let again = story.last().request().clone();
    story.sends(1, again);
    story.holds();
    let Reply::Published(told) = story.last().reply() else { panic!() };
    told.topic = Topic::parse("art").unwrap();
    story.breaks(Invariant::I24);
}

#[test]
fn nobody_is_unknown_who_is_registered() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(2, "bob", send("nobody"));
    story.holds();
    let Ok(Verb::Send(asked)) = &mut story.last().request().verb else { panic!() };
    asked.to = at("alice").into();
    story.breaks(Invariant::I25);
}

#[test]
fn a_refusal_says_why() {
    let mut story = Story::of(["bob"]);
    story.asks(1, "bob", register_as_hub());
    story.holds();
    for output in &mut story.last().outputs {
        if let Output::Audit(Record::RequestRefused { code, .. }) = output {
            *code = ErrorCode::RateLimited;
        }
    }
    let Reply::Error(refusal) = story.last().reply() else { panic!() };
    refusal.code = ErrorCode::RateLimited;
    story.breaks(Invariant::I25);
}

#[test]
fn whoever_asks_too_much_is_refused() {
    let mut story = Story::with(|config| config.rate_limit_burst = 2);
    story.all_registered(["bob"]);
    story.asks(1, "bob", send("nobody"));
    story.asks(1, "bob", send("nobody"));
    story.holds();
    assert!(matches!(story.last().reply(), Reply::Error(_)), "the third within a transition");
    let mut patient = Story::of(["bob"]);
    patient.asks(1, "bob", send("nobody"));
    patient.asks(1, "bob", send("nobody"));
    patient.holds();
    patient.scenario.hub.rate_limit_burst = 2;
    patient.breaks(Invariant::I25);
}

#[test]
fn a_tell_is_quiet() {
    let mut story = Story::of(["bob"]);
    let word = story.last().sent_to(1)[0].clone();
    story.asks(1, "bob", register_as_hub());
    let error = story.last().reply().clone();
    story.tells(1, "bob", register_as_hub());
    story.holds();
    let correlation = Some(story.last().request().id.clone());
    let body = Body::Reply { correlation, trace_id: None, reply: Box::new(error) };
    story.last().outputs.push(Output::Send(SessionKey(1), Outgoing { body, ..word }));
    story.breaks(Invariant::I26);
}

#[test]
fn a_message_that_comes_too_late_goes_nowhere() {
    let mut story = Story::of(["alice", "bob"]);
    let id = MessageId::parse("in time").unwrap();
    let mut asked = request(story.now(), id, "bob", Pattern::Ask, send("alice"));
    asked.ttl = Some(Duration::from_secs(1));
    story.sends(2, asked);
    story.holds();
    let late = Timestamp::from_millis(story.now().as_millis() - 6_001);
    story.last().request().timestamp = late;
    story.breaks(Invariant::I27);
}

#[test]
fn a_message_that_waited_too_long_is_not_written() {
    let waits = |time: Duration| {
        let mut story = Story::of(["alice", "bob"]);
        let id = MessageId::parse("in time").unwrap();
        let mut asked = request(story.now(), id, "bob", Pattern::Ask, send("alice"));
        asked.ttl = Some(Duration::from_secs(10));
        story.sends(2, asked);
        story.passes(time);
        // First the two replies to her own requests, then the copy.
        let part = signal_hub::hub::Written { messages: 2, ..Default::default() };
        story.happens(signal_hub::hub::Input::Drained(SessionKey(1), part));
        story.drains(1, 1);
        story
    };
    waits(Duration::from_secs(9)).holds();
    waits(Duration::from_secs(12)).breaks(Invariant::I27);
}
