//! What the dialect says, as this hub reads it, and what it hears, as this hub writes it.

use std::time::Duration;

use serde_json::json;
use signal_hub::protocol::codec::{Bounds, decode_client_frame, encode_hub_frame};
use signal_hub::protocol::{
    Body, BroadcastAck, Delivery, DisconnectNotice, ErrorCode, Json, Outgoing, Pattern,
    PauseNotice, Published, Refusal as HubRefusal, Registered, Renewed, Route, Subscribed,
    Subscription, UnknownActor, UnregisterReason, UnregisteredNotice, Unsubscribe,
};
use uuid::Uuid;

use super::reading::{counted, done};
use super::*;
use crate::against::dialect::{Heard, Notice, Refusal};
use crate::scenario::NOTE;

fn at(name: &str) -> ActorAddress {
    address(name).expect("an address")
}

fn dialect() -> Own {
    let mut own = Own::new(&Config::default());
    own.opened(1, "alice/1");
    own
}

fn says(own: &mut Own, verb: Verb) -> Request {
    let operation = Operation { id: "a-1".to_owned(), speaker: "alice".to_owned(), verb };
    let turn = own.say(1, &operation).expect("the dialect has words for it");
    let [Frame::Text(text)] = turn.frames.as_slice() else { panic!("not one text") };
    match decode_client_frame(text.as_bytes(), &Bounds::default()) {
        Ok(ClientFrame::Request(request)) => (*request).clone(),
        other => panic!("no request: {other:?}"),
    }
}

fn hears(own: &mut Own, body: Body) -> Heard {
    let timestamp = Timestamp::from_millis(5);
    let outgoing = Outgoing::new(Uuid::nil(), at("alice"), timestamp, body);
    let frame = Frame::Text(encode_hub_frame(&outgoing, &Config::default().hub_address));
    let mut turn = own.hear(1, &frame).expect("the dialect goes on");
    turn.heard.pop().expect("it says something")
}

fn reply(own: &mut Own, reply: Reply) -> Report {
    let correlation = Some(MessageId::parse("a-1").expect("an id"));
    hears(own, Body::Reply { correlation, trace_id: None, reply: Box::new(reply) }).report
}

fn token(number: u128) -> RenewalToken {
    RenewalToken::new(Uuid::from_u128(number))
}

#[test]
fn what_is_asked_is_a_request_of_this_protocol() {
    let payload = || json!({ "step": 3 });
    let ttl = Some(Duration::from_secs(2));
    let (to, topic) = ("bob".to_owned(), "news".to_owned());
    let address = "alice".to_owned();
    for (verb, kind, pattern) in [
        (Verb::Connect { version: None }, "hub:connect", Pattern::Ask),
        (
            Verb::Register {
                address: address.clone(),
                ttl: Duration::from_secs(9),
                renew_on_heartbeat: true,
                capability: None,
            },
            "hub:register",
            Pattern::Ask,
        ),
        (Verb::Unregister { address: address.clone() }, "hub:unregister", Pattern::Ask),
        (Verb::Subscribe { topic: topic.clone() }, "hub:subscribe", Pattern::Ask),
        (Verb::Unsubscribe { topic: topic.clone(), by_id: false }, "hub:unsubscribe", Pattern::Ask),
        (Verb::Tell { to: to.clone(), payload: payload(), ttl }, "hub:send", Pattern::Tell),
        (Verb::Ask { to, payload: payload(), ttl }, "hub:send", Pattern::Ask),
        (Verb::Publish { topic, payload: payload(), ttl }, "hub:publish", Pattern::Ask),
        (
            Verb::Broadcast { payload: payload(), exclude_self: true, capability: None, ttl },
            "hub:broadcast",
            Pattern::Ask,
        ),
        (Verb::Discover { pattern: "a*".to_owned() }, "hub:discover", Pattern::Ask),
        (Verb::Query { what: "list_actors".to_owned() }, "hub:list_actors", Pattern::Ask),
        (Verb::Heartbeat, "hub:heartbeat", Pattern::Ask),
        (Verb::Disconnect, "hub:disconnect", Pattern::Ask),
    ] {
        let (speaks, carries) = (verb.word(), verb.payload().is_some());
        let request = says(&mut dialect(), verb);
        let said = (request.id.as_str(), request.from.as_str(), &*request.type_name);
        assert_eq!(said, ("a-1", "@(alice)", kind), "{speaks}");
        assert_eq!(request.pattern, pattern, "{speaks}");
        assert_eq!(request.ttl, ttl.filter(|_| carries), "{speaks}");
        let data = request.verb.as_ref().expect("it is valid").carries_data();
        let data = data.map(|(kind, data)| (kind.to_string(), data.to_string()));
        let note = || (NOTE.to_owned(), payload().to_string());
        assert_eq!(data, carries.then(note), "{speaks}");
    }
}

#[test]
fn a_renewal_shows_the_token_that_the_connection_was_told() {
    let mut own = dialect();
    let expires_at = Timestamp::from_millis(9);
    let actor_address = at("alice");
    let registered = Registered {
        actor_address: actor_address.clone(),
        expires_at,
        renewal_token: token(1),
        version: 4,
        resumed: true,
        subscriptions: vec![Topic::parse("news").expect("a topic")],
        subscription_count: None,
        recovery: None,
    };
    let owned = Report::Owned {
        operation: "a-1".to_owned(),
        address: "alice".to_owned(),
        version: Some(4),
        resumed: Some(true),
        topics: Some(["news".to_owned()].into()),
    };
    assert_eq!(reply(&mut own, Reply::Registered(registered)), owned);
    reply(&mut own, Reply::Renewed(Renewed { actor_address, expires_at, renewal_token: token(2) }));
    for (which, shown) in [
        (WhichToken::Latest, Some(token(2))),
        (WhichToken::Used, Some(token(1))),
        (WhichToken::None, None),
    ] {
        let address = "alice".to_owned();
        let request = says(&mut own, Verb::Renew { address, token: which });
        let renew = protocol::Verb::Renew(protocol::Renew { renewal_token: shown });
        assert_eq!(request.verb, Ok(renew), "{which:?}");
    }
}

#[test]
fn answers_count_refuse_and_bear_the_operation() {
    let own = &mut dialect();
    let operation = || "a-1".to_owned();
    let message_id = MessageId::parse("a-1").expect("an id");
    let topic = Topic::parse("news").expect("a topic");
    let published = Published { topic, subscriber_count: 3, queued_count: 0 };
    assert_eq!(reply(own, Reply::Published(published)), counted(operation(), 3, None));
    let ack = BroadcastAck { message_id, delivered_count: 2, failed_count: 1, queued_count: 0 };
    assert_eq!(reply(own, Reply::BroadcastAck(ack)), counted(operation(), 2, Some(1)));
    let unknown = UnknownActor { actor_address: at("bob").into(), message: String::new() };
    let refused = |why| Report::Refused { operation: Some(operation()), why };
    assert_eq!(reply(own, Reply::UnknownActor(unknown)), refused(Refusal::UnknownRecipient));
    for (code, why) in [
        (ErrorCode::Unauthorized, Refusal::Unauthorized),
        (ErrorCode::RateLimited, Refusal::RateLimited),
        (ErrorCode::MessageExpired, Refusal::Expired),
        (ErrorCode::VersionMismatch, Refusal::NotConnected),
    ] {
        let error = Reply::Error(Box::new(HubRefusal::new(code, "", "")));
        assert_eq!(reply(own, error), refused(why), "{code:?}");
    }
}

#[test]
fn what_comes_unasked_says_of_which_address() {
    let own = &mut dialect();
    let told =
        |what, address: Option<&str>| Report::Told { what, address: address.map(str::to_owned) };
    let goodbye = |reason: &str| {
        let (reason, message) = (reason.to_owned(), String::new());
        protocol::Notice::Disconnect(DisconnectNotice { reason, message })
    };
    let lost = |reason| {
        let actor_address = at("phone");
        protocol::Notice::Unregistered(UnregisteredNotice { actor_address, reason })
    };
    let pause = PauseNotice {
        reason: PauseNotice::SLOW_CONSUMER.to_owned(),
        actor_address: at("bob"),
        queue_depth: 9,
    };
    for (notice, report) in [
        (goodbye("duplicate_connection"), told(Notice::Superseded, Some("alice"))),
        (goodbye("server_shutdown"), told(Notice::Shutdown, None)),
        (lost(UnregisterReason::DuplicateConnection), told(Notice::Superseded, Some("phone"))),
        (lost(UnregisterReason::Expired), told(Notice::Expired, Some("phone"))),
        (protocol::Notice::Pause(pause), told(Notice::Pause, Some("bob"))),
        (protocol::Notice::Resume, told(Notice::Resume, None)),
    ] {
        assert_eq!(hears(own, Body::Notice(notice)).report, report);
    }
    let (kind, origin) = (NOTE.to_owned(), MessageId::parse("b-1").expect("an id"));
    let route = Route::Publication { topic: Topic::parse("news").expect("a topic") };
    let payload = Json::from(json!({ "step": 3 }));
    let metadata = json!({ "topic": "news", "publication": true }).into();
    let delivery = Delivery::new(at("bob"), kind, payload, metadata, route, origin, None);
    let delivered = Report::Delivered {
        from: Some("bob".to_owned()),
        to: Some("alice".to_owned()),
        topic: Some("news".to_owned()),
        payload: json!({ "step": 3 }),
    };
    let heard = hears(own, Body::Delivery(delivery.into()));
    assert_eq!((heard.report, heard.kind.as_deref()), (delivered, Some(NOTE)));
}

#[test]
fn a_pong_answers_the_oldest_ping() {
    let mut own = dialect();
    for id in ["p-1", "p-2"] {
        let (id, speaker) = (id.to_owned(), "alice".to_owned());
        let turn = own.say(1, &Operation { id, speaker, verb: Verb::Ping });
        let frames = vec![Frame::Text(r#"{"type":"ping"}"#.to_owned())];
        assert_eq!(turn, Ok(Turn { frames, heard: Vec::new() }));
    }
    let reports = [done("p-1".to_owned()), done("p-2".to_owned()), Report::Other];
    assert_eq!([(); 3].map(|()| hears(&mut own, Body::Pong).report), reports);
}

#[test]
fn garbage_is_unreadable_and_a_name_that_is_none_is_not_said() {
    let mut own = dialect();
    let turn = own.hear(1, &Frame::Binary(vec![0xff, 0])).expect("the dialect goes on");
    assert!(matches!(turn.heard[0].report, Report::Unreadable { .. }));
    let verb = Verb::Unregister { address: "no address".to_owned() };
    let operation = Operation { id: "a-1".to_owned(), speaker: "alice".to_owned(), verb };
    assert!(matches!(own.say(1, &operation), Err(Mute::NoWords(_))));
}

#[test]
fn a_hub_promises_what_its_settings_have_room_for() {
    let all: std::collections::BTreeSet<Promise> = Promise::ALL.into();
    assert_eq!(promises_of(&Config::default()).keeps, all);
    let config = Config {
        resume_window: Duration::ZERO,
        dedupe_window: Duration::ZERO,
        queue_messages_max: 8,
        ..Config::default()
    };
    let weaker = [Promise::Resume, Promise::Dedupe];
    let left_out: Vec<Promise> = all.difference(&promises_of(&config).keeps).copied().collect();
    assert_eq!(left_out, weaker);
}

#[test]
fn what_is_named_by_its_id_was_told_to_the_connection() {
    let mut own = dialect();
    let topic = Topic::parse("news").expect("a topic");
    let unsubscribe = || Verb::Unsubscribe { topic: "news".to_owned(), by_id: true };
    let by = |subscription| Ok(protocol::Verb::Unsubscribe(Unsubscribe { subscription }));
    let before = says(&mut own, unsubscribe()).verb;
    assert_eq!(before, by(Subscription::Topic(topic.clone())));
    let subscription_id = SubscriptionId::new(Uuid::from_u128(3));
    reply(&mut own, Reply::Subscribed(Subscribed { topic, subscription_id, durable: None }));
    assert_eq!(says(&mut own, unsubscribe()).verb, by(Subscription::Id(subscription_id)));
}
