//! Every request that the client sends.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use signal_hub::protocol::codec::{Bounds, decode_client_frame, encode_client_frame};
use signal_hub::protocol::{
    AuthToken, Broadcast, ClientFrame, Connect, Cursor, Disconnect, Discover, FrameBytes, Glob,
    Heartbeat, Json, ListActors, Page, Pattern, Publish, RefreshToken, Register, Renew,
    RenewalToken, Request, Send, Subscribe, Subscription, SubscriptionId, Unregister, Unsubscribe,
    Verb,
};

use super::{NOW, address, data, hub, message_id, pretty, topic, uuid};

/// A frame that the hub can read.
fn request(verb: Verb) -> String {
    let request = Request {
        id: message_id(),
        from: address("alice"),
        to: hub(),
        type_name: verb.type_name().into(),
        pattern: Pattern::Ask,
        timestamp: NOW,
        ttl: None,
        metadata: Json::EMPTY_OBJECT,
        frame_bytes: FrameBytes::default(),
        verb: Ok(verb),
    };
    frame(request)
}

fn frame(request: Request) -> String {
    let text = encode_client_frame(&ClientFrame::Request(Arc::new(request.clone())));
    match decode_client_frame(text.as_bytes(), &Bounds::default()) {
        Ok(ClientFrame::Request(read)) => assert_eq!(read.verb, request.verb),
        other => panic!("the hub reads {other:?}"),
    }
    text
}

#[test]
fn a_ping() {
    assert_eq!(encode_client_frame(&ClientFrame::Ping), r#"{"type":"ping"}"#);
}

#[test]
fn requests_about_the_session() {
    let connect = Connect {
        protocol_version: "0.1.0".to_owned(),
        capabilities: vec!["chat".to_owned()],
        auth_token: Some(AuthToken::new("bearer x.y.z")),
        client_metadata: Some(data()),
    };
    assert_snapshot!("connect", pretty([request(Verb::Connect(connect))]));
    let heartbeat = Heartbeat { timestamp: serde_json::json!(5).into() };
    assert_snapshot!("heartbeat", pretty([request(Verb::Heartbeat(heartbeat))]));
    let disconnect = Disconnect { reason: Some("done".to_owned()) };
    assert_snapshot!("disconnect", pretty([request(Verb::Disconnect(disconnect))]));
}

#[test]
fn requests_about_registrations() {
    let register = Register {
        actor_address: address("alice"),
        capabilities: vec!["chat".to_owned()],
        metadata: data(),
        ttl: Duration::from_secs(300),
        renew_on_heartbeat: false,
        recovery: None,
    };
    assert_snapshot!("register", pretty([request(Verb::Register(register))]));
    let unregister = |actor_address| request(Verb::Unregister(Unregister { actor_address }));
    assert_snapshot!("unregister", pretty([unregister(Some(address("alice"))), unregister(None)]));
    let renew = |renewal_token| request(Verb::Renew(Renew { renewal_token }));
    assert_snapshot!("renew", pretty([renew(Some(RenewalToken::new(uuid(2)))), renew(None)]));
    let some = Discover {
        pattern: Glob::new("chat/*"),
        capability: Some("chat".to_owned()),
        limit: Page::new(10).unwrap(),
        ..Discover::default()
    };
    let next = Discover {
        capabilities: vec!["chat".to_owned(), "games".to_owned()],
        metadata: [("lang".to_owned(), Json::parse("\"en\"").unwrap())].into_iter().collect(),
        offset: 2,
        cursor: Some(Cursor::after(address("alice"))),
        ..Discover::default()
    };
    let discover = [some, next, Discover::default()].map(|asked| request(Verb::Discover(asked)));
    assert_snapshot!("discover", pretty(discover));
    let list = ListActors { offset: 20, limit: Page::new(10).unwrap(), ..ListActors::default() };
    assert_snapshot!("list_actors", pretty([request(Verb::ListActors(list))]));
}

#[test]
fn requests_about_messages() {
    let send =
        Send { to: address("bob").into(), kind: "chat:hello".into(), data: data(), queue: true };
    assert_snapshot!("send", pretty([request(Verb::Send(send))]));
    let all = Broadcast::new("chat:hello", data());
    let some = Broadcast {
        exclude_self: true,
        target_capability: Some("chat".to_owned()),
        ..Broadcast::new("chat:hello", data())
    };
    let broadcast = [all, some].map(|broadcast| request(Verb::Broadcast(broadcast)));
    assert_snapshot!("broadcast", pretty(broadcast));
    let subscribe = Subscribe { topic: topic(), durable: false };
    assert_snapshot!("subscribe", pretty([request(Verb::Subscribe(subscribe))]));
    let by_id = Subscription::Id(SubscriptionId::new(uuid(4)));
    let unsubscribe = [Subscription::Topic(topic()), by_id]
        .map(|subscription| request(Verb::Unsubscribe(Unsubscribe { subscription })));
    assert_snapshot!("unsubscribe", pretty(unsubscribe));
    let publish = Publish { topic: topic(), kind: "chat:hello".into(), data: data() };
    assert_snapshot!("publish", pretty([request(Verb::Publish(publish))]));
}

#[test]
fn requests_for_figures() {
    assert_snapshot!("queue_stats", pretty([request(Verb::QueueStats)]));
    assert_snapshot!("metrics", pretty([request(Verb::Metrics)]));
    let refresh = RefreshToken { token: AuthToken::new("x.y.z") };
    assert_snapshot!("refresh_token", pretty([request(Verb::RefreshToken(refresh))]));
}

#[test]
fn a_tell_with_a_time_to_live_and_metadata() {
    let verb = Verb::Send(Send {
        to: address("bob").into(),
        kind: "note".into(),
        data: Json::NULL,
        queue: true,
    });
    let text = frame(Request {
        id: message_id(),
        from: address("alice"),
        to: hub(),
        type_name: verb.type_name().into(),
        pattern: Pattern::Tell,
        timestamp: NOW,
        ttl: Some(Duration::from_secs(30)),
        metadata: data(),
        frame_bytes: FrameBytes::default(),
        verb: Ok(verb),
    });
    assert_snapshot!("tell", pretty([text]));
}
