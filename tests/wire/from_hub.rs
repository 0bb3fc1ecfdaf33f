//! Everything that the hub sends.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use insta::assert_snapshot;
use serde_json::json;
use signal_hub::protocol::codec::{HubBody, HubFrame, decode_hub_frame, encode_hub_frame};
use signal_hub::protocol::{
    ActorList, AuthToken, Body, BroadcastAck, CloseReason, Connected, Cursor, Delivery,
    DeliveryAck, DeliveryStatus, Details, DisconnectNotice, Disconnected, Discovered,
    DiscoveredActor, ErrorCode, HeartbeatAck, HubCapabilities, Json, ListedActor, Metrics, Notice,
    Outgoing, PauseNotice, Published, QueueStats, Refusal, Registered, RenewalToken, Renewed,
    Reply, Route, SessionId, Subscribed, SubscriptionId, TokenRefreshed, UnknownActor,
    UnregisterReason, Unregistered, UnregisteredNotice, Unsubscribed,
};

use super::{NOW, address, data, hub, message_id, pretty, topic, uuid};

/// A frame that a client can read.
fn frame(body: Body) -> String {
    let outgoing = Outgoing::new(uuid(7), address("alice"), NOW, body);
    let text = encode_hub_frame(&outgoing, &hub());
    decode_hub_frame(&Bytes::from(text.clone())).expect("clients can read it");
    text
}

fn reply(reply: Reply) -> String {
    pretty([frame(Body::Reply {
        correlation: Some(message_id()),
        trace_id: None,
        reply: Box::new(reply),
    })])
}

fn notice(notice: Notice) -> String {
    pretty([frame(Body::Notice(notice))])
}

fn delivery(metadata: serde_json::Value, route: Route, ttl: Option<Duration>) -> String {
    let (from, kind) = (address("bob"), "chat:hello".to_owned());
    let metadata = Json::from(metadata);
    let delivery = Delivery::new(from, kind, data(), metadata, route, message_id(), ttl);
    pretty([frame(Body::Delivery(Arc::new(delivery)))])
}

#[test]
fn a_pong() {
    let text = frame(Body::Pong);
    assert_eq!(text, r#"{"type":"pong"}"#);
    assert_eq!(decode_hub_frame(&Bytes::from(text)).unwrap(), HubFrame::Pong);
}

#[test]
fn replies_about_the_session() {
    let connected = |actor_identity| {
        Reply::Connected(Connected {
            session_id: SessionId::new(uuid(1)),
            server_version: "0.1.0".to_owned(),
            server_time: None,
            token_expires_at: None,
            max_message_size: 1_048_576,
            heartbeat_interval: 25_000,
            capabilities: HubCapabilities {
                max_actors_per_instance: 50_000,
                supports_backpressure: true,
                supports_recovery: true,
                supported_content_types: vec!["application/json".to_owned()],
            },
            actor_identity,
        })
    };
    assert_snapshot!("connected", reply(connected(None)));
    assert_snapshot!("connected_with_a_token", reply(connected(Some(address("alice")))));
    let timestamp: Json = json!(1_699_999_999_000_u64).into();
    let ack = Reply::HeartbeatAck(HeartbeatAck { timestamp, server_time: NOW });
    assert_snapshot!("heartbeat_ack", reply(ack));
    let goodbye = Reply::Disconnected(Disconnected { acknowledged: true });
    assert_snapshot!("disconnect_acknowledged", reply(goodbye));
}

#[test]
fn replies_about_registrations() {
    let registered = Reply::Registered(Registered {
        actor_address: address("alice"),
        expires_at: NOW,
        renewal_token: RenewalToken::new(uuid(2)),
        version: 3,
        resumed: true,
        subscriptions: vec![topic()],
        subscription_count: None,
        recovery: None,
    });
    assert_snapshot!("registered", reply(registered));
    let actor_address = address("alice");
    let unregistered = Reply::Unregistered(Unregistered { actor_address, unregistered_at: NOW });
    assert_snapshot!("unregistered", reply(unregistered));
    let renewed = Reply::Renewed(Renewed {
        actor_address: address("alice"),
        expires_at: NOW,
        renewal_token: RenewalToken::new(uuid(3)),
    });
    assert_snapshot!("renewed", reply(renewed));
    let found = DiscoveredActor {
        address: address("alice"),
        actor_address: address("alice"),
        capabilities: vec!["chat".to_owned()],
        metadata: data(),
        truncated: false,
    };
    let discovered = Reply::Discovered(Discovered {
        actors: vec![found],
        has_more: true,
        next_offset: Some(1),
        next_cursor: Some(Cursor::after(address("alice"))),
    });
    assert_snapshot!("discovered", reply(discovered));
    let listed = ListedActor {
        address: address("alice"),
        actor_address: address("alice"),
        capabilities: vec!["chat".to_owned()],
        metadata: data(),
        registered_at: NOW,
        expires_at: NOW,
        version: 3,
        truncated: false,
    };
    let (offset, limit) = (1, 100);
    let list = ActorList { actors: vec![listed], total: 2, offset, limit, ..ActorList::default() };
    assert_snapshot!("actor_list", reply(Reply::ActorList(list)));
}

#[test]
fn replies_about_messages() {
    let ack = Reply::DeliveryAck(DeliveryAck {
        message_id: message_id(),
        delivered_at: NOW,
        status: DeliveryStatus::Delivered,
    });
    assert_snapshot!("delivery_ack", reply(ack));
    let unknown = Reply::UnknownActor(UnknownActor {
        actor_address: address("carol").into(),
        message: "Actor not registered: @(carol)".to_owned(),
    });
    assert_snapshot!("unknown_actor", reply(unknown));
    let (message_id, delivered_count, failed_count) = (message_id(), 2, 1);
    let ack = BroadcastAck { message_id, delivered_count, failed_count, queued_count: 0 };
    assert_snapshot!("broadcast_ack", reply(Reply::BroadcastAck(ack)));
    let subscription_id = SubscriptionId::new(uuid(4));
    let subscribed =
        Reply::Subscribed(Subscribed { topic: topic(), subscription_id, durable: None });
    assert_snapshot!("subscribed", reply(subscribed));
    let unsubscribed = Reply::Unsubscribed(Unsubscribed { topic: topic(), unsubscribed_at: NOW });
    assert_snapshot!("unsubscribed", reply(unsubscribed));
    let published =
        Reply::Published(Published { topic: topic(), subscriber_count: 3, queued_count: 0 });
    assert_snapshot!("published", reply(published));
}

#[test]
fn replies_with_figures() {
    let stats = Reply::QueueStats(QueueStats {
        queue_depth: 5,
        processing_rate: 40,
        pause_threshold: 768,
        resume_threshold: 256,
    });
    assert_snapshot!("queue_stats_response", reply(stats));
    let metrics = Reply::Metrics(Metrics {
        messages_received: 6,
        messages_sent: 5,
        errors: 4,
        connections_opened: 3,
        connections_closed: 2,
        window_start: NOW,
        timestamp: NOW,
    });
    assert_snapshot!("metrics_response", reply(metrics));
}

#[test]
fn refusals_with_all_their_details() {
    let wait = Duration::from_millis(1_500);
    let field = |name: &'static str| Details::Field {
        field: Cow::Borrowed(name),
        expected: Cow::Borrowed("a string"),
        received: "7".to_owned(),
    };
    for (name, code, details) in [
        ("error_without_details", ErrorCode::Unauthorized, Details::None),
        ("error_about_a_field", ErrorCode::InternalError, field("topic")),
        (
            "error_about_a_rate_limit",
            ErrorCode::RateLimited,
            Details::RetryAfter { wait, limit: 100 },
        ),
        ("error_about_size", ErrorCode::MessageTooLarge, Details::Size { actual: 9, max: 8 }),
        ("error_about_a_bound", ErrorCode::BroadcastLimitExceeded, Details::Limit { limit: 10 }),
        (
            "error_about_a_token",
            ErrorCode::Unauthorized,
            Details::Reason { reason: Cow::Borrowed("expired") },
        ),
    ] {
        let refusal = Refusal::new(code, "what is wrong", "What to try.").with(details);
        assert_snapshot!(name, reply(Reply::Error(Box::new(refusal))));
    }
    let refusal = Refusal::new(ErrorCode::InternalError, "no JSON", "Send JSON.");
    let reply = Box::new(Reply::Error(Box::new(refusal)));
    let body = Body::Reply { correlation: None, trace_id: None, reply };
    assert_snapshot!("error_to_no_envelope", pretty([frame(body)]));
}

#[test]
fn every_error_code_has_its_name() {
    let codes = [
        ErrorCode::VersionMismatch,
        ErrorCode::Unauthorized,
        ErrorCode::RateLimited,
        ErrorCode::UnknownActor,
        ErrorCode::MessageTooLarge,
        ErrorCode::MessageExpired,
        ErrorCode::Timeout,
        ErrorCode::InternalError,
        ErrorCode::InvalidToken,
        ErrorCode::BroadcastLimitExceeded,
    ];
    let names: Vec<String> =
        codes.iter().map(|code| serde_json::to_string(code).unwrap()).collect();
    assert_snapshot!("error_codes", names.join("\n"));
    assert!(codes.iter().zip(&names).all(|(code, name)| format!("\"{}\"", code.as_str()) == *name));
}

#[test]
fn the_page_for_who_writes_a_client_tells_of_every_close() {
    let page = include_str!("../../docs/CLIENTS.md");
    let (_, table) = page.split_once("<!-- close codes -->\n").expect("it has a table");
    let (table, _) = table.split_once("<!-- end of close codes -->").expect("it ends");
    let told: Vec<String> =
        table.lines().skip(2).map(|row| row.split(" | ").take(2).collect()).collect();
    let told: Vec<&str> = told.iter().map(|row| row.trim_start_matches("| ")).collect();
    let said = CloseReason::ALL.map(|reason| format!("{}`{}`", reason.code(), reason.text()));
    assert_eq!(told, said);
}

/// What a client reads in place of the reply once `word` of it is one that only newer hubs know.
fn read_with_a_new_word(said: Reply, word: &str) -> Reply {
    let (correlation, reply) = (Some(message_id()), Box::new(said));
    let text = frame(Body::Reply { correlation, trace_id: None, reply });
    assert!(text.contains(word), "{text}");
    let newer = Bytes::from(text.replace(word, "\"quarantined\""));
    let Ok(HubFrame::Message(message)) = decode_hub_frame(&newer) else {
        panic!("clients cannot read {newer:?}")
    };
    match message.body {
        HubBody::Reply { reply, .. } => reply,
        body => panic!("no reply: {body:?}"),
    }
}

#[test]
fn what_only_newer_hubs_answer_is_an_answer_all_the_same() {
    let refusal = Refusal::new(ErrorCode::RateLimited, "what is wrong", "What to try.");
    match read_with_a_new_word(Reply::Error(Box::new(refusal)), "\"rate_limited\"") {
        Reply::Error(refusal) => assert_eq!(refusal.code, ErrorCode::Other),
        other => panic!("{other:?}"),
    }
    let (message_id, status) = (message_id(), DeliveryStatus::Delivered);
    let ack = Reply::DeliveryAck(DeliveryAck { message_id, delivered_at: NOW, status });
    match read_with_a_new_word(ack, "\"delivered\"") {
        Reply::DeliveryAck(ack) => assert_eq!(ack.status, DeliveryStatus::Other),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refreshed_token() {
    let token = AuthToken::new("x.y.z");
    let refreshed = TokenRefreshed { token, expires_at: NOW + Duration::from_secs(60) };
    assert_snapshot!("token_refreshed", reply(Reply::TokenRefreshed(refreshed)));
}

#[test]
fn notices() {
    let (reason, message) = ("server_shutdown".to_owned(), "Connect again later.".to_owned());
    let goodbye = Notice::Disconnect(DisconnectNotice { reason, message });
    assert_snapshot!("disconnect_announced", notice(goodbye));
    let lost = |reason| {
        Notice::Unregistered(UnregisteredNotice { actor_address: address("alice"), reason })
    };
    assert_snapshot!("taken_over", notice(lost(UnregisterReason::DuplicateConnection)));
    assert_snapshot!("expired", notice(lost(UnregisterReason::Expired)));
    assert_snapshot!("token_narrowed", notice(lost(UnregisterReason::TokenNarrowed)));
    let pause = Notice::Pause(PauseNotice {
        reason: PauseNotice::SLOW_CONSUMER.to_owned(),
        actor_address: address("bob"),
        queue_depth: 769,
    });
    assert_snapshot!("pause", notice(pause));
    assert_snapshot!("resume", notice(Notice::Resume));
}

#[test]
fn application_messages() {
    let sent = json!({
        "trace": "t", "forwarded": true, "via": hub(), "originalMessageId": message_id(),
    });
    let ttl = Some(Duration::from_secs(30));
    assert_snapshot!("delivery_by_send", delivery(sent, Route::Send, ttl));
    let published = json!({
        "topic": topic(), "publication": true, "via": hub(), "originalMessageId": message_id(),
    });
    let route = Route::Publication { topic: topic() };
    assert_snapshot!("delivery_by_publish", delivery(published, route, None));
    let broadcast = json!({ "broadcast": true, "via": hub(), "originalMessageId": message_id() });
    assert_snapshot!("delivery_by_broadcast", delivery(broadcast, Route::Broadcast, None));
}
