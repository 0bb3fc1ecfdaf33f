//! What is written part by part is what serde would write as a whole, whatever the texts are.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;
use signal_hub::protocol::codec::{copy_len, encode_client_frame, encode_hub_frame};
use signal_hub::protocol::{
    Body, ClientFrame, Delivery, DeliveryAck, DeliveryStatus, FrameBytes, HeartbeatAck, Json,
    MessageId, Notice, Outgoing, Pattern, PauseNotice, Publish, Published, Reply, Request, Route,
    Topic, Verb,
};
use signal_hub::time::Timestamp;

use super::{address, hub, uuid};

fn written<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("it is JSON")
}

/// An object of values that are JSON already.
fn object<const N: usize>(entries: [(&str, String); N]) -> String {
    let entries = entries.map(|(key, value)| format!("{}:{value}", written(key)));
    format!("{{{}}}", entries.join(","))
}

/// Everything that a frame can hold.
#[derive(Debug, Clone)]
struct Parts {
    id: u128,
    time: u64,
    ttl: Option<u64>,
    name: String,
    text: String,
    data: Json,
    metadata: Json,
}

fn parts() -> impl Strategy<Value = Parts> {
    let text = || proptest::collection::vec(any::<char>(), 1..30).prop_map(String::from_iter);
    let data =
        || (text(), any::<f64>()).prop_map(|(text, n)| json!({ "t": [text], "n": n }).into());
    (any::<u128>(), any::<u64>(), any::<Option<u64>>(), "[a-z]{1,9}", text(), data(), data())
        .prop_map(|(id, time, ttl, name, text, data, metadata)| Parts {
            id,
            time,
            ttl,
            name,
            text,
            data,
            metadata,
        })
}

/// The bodies that these parts make, each with its type, payload, metadata, `correlationId` and
/// `ttl` as JSON.
fn bodies(parts: &Parts) -> Vec<(Body, [String; 5])> {
    let Parts { text, data, metadata, .. } = parts;
    let id = MessageId::parse(text).expect("an id");
    let topic = Topic::parse(text).expect("a topic");
    let ttl = parts.ttl.map(Duration::from_millis);
    let now = Timestamp::from_millis(parts.time);
    let none = || "null".to_owned();

    let replies = [
        Reply::DeliveryAck(DeliveryAck {
            message_id: id.clone(),
            delivered_at: now,
            status: DeliveryStatus::Delivered,
        }),
        Reply::Published(Published { topic: topic.clone(), subscriber_count: 7, queued_count: 0 }),
        Reply::HeartbeatAck(HeartbeatAck { timestamp: data.clone(), server_time: now }),
    ];
    let payloads = [
        object([
            ("messageId", written(text)),
            ("deliveredAt", written(&now)),
            ("status", written("delivered")),
        ]),
        object([("topic", written(text)), ("subscriberCount", written(&7))]),
        object([("timestamp", data.to_string()), ("serverTime", written(&now))]),
    ];
    let trace: Arc<str> = text.as_str().into();
    let replies = replies.into_iter().zip(payloads).map(|(reply, payload)| {
        let kind = written(reply.type_name());
        let (correlation, trace_id) = (Some(id.clone()), Some(Arc::clone(&trace)));
        let metadata = object([("traceId", written(text))]);
        let body = Body::Reply { correlation, trace_id, reply: Box::new(reply) };
        (body, [kind, payload, metadata, written(text), none()])
    });

    let routes = [Route::Send, Route::Publication { topic }, Route::Broadcast].into_iter();
    let deliveries = routes.map(|route| {
        let (kind, from) = (text.as_str(), address("bob"));
        let copy =
            Delivery::new(from, kind, data.clone(), metadata.clone(), route, id.clone(), ttl);
        let written =
            [written(kind), data.to_string(), metadata.to_string(), none(), written(&parts.ttl)];
        (Body::Delivery(Arc::new(copy)), written)
    });

    let pause = PauseNotice { reason: text.clone(), actor_address: address("bob"), queue_depth: 5 };
    let payload = object([
        ("reason", written(text)),
        ("actorAddress", written("@(bob)")),
        ("queueDepth", written(&5)),
    ]);
    let pause = (
        Body::Notice(Notice::Pause(pause)),
        [written("hub:pause"), payload, "{}".to_owned(), none(), none()],
    );
    replies.chain(deliveries).chain([pause]).collect()
}

proptest! {
    #[test]
    fn the_hub_writes_what_serde_would(parts in parts()) {
        let to = address(&parts.name);
        for (body, [kind, payload, metadata, correlation, ttl]) in bodies(&parts) {
            let from = if let Body::Delivery(copy) = &body { copy.from.clone() } else { hub() };
            let expected = object([
                ("id", written(&uuid(parts.id))),
                ("to", written(&to)),
                ("from", written(&from)),
                ("type", kind),
                ("pattern", written("tell")),
                ("timestamp", written(&parts.time)),
                ("payload", payload),
                ("metadata", metadata),
                ("correlationId", correlation),
                ("ttl", ttl),
                ("signature", "null".to_owned()),
            ]);
            let (id, timestamp) = (uuid(parts.id), Timestamp::from_millis(parts.time));
            let outgoing = Outgoing::new(id, to.clone(), timestamp, body);
            prop_assert_eq!(&encode_hub_frame(&outgoing, &hub()), &expected);
            if let Body::Delivery(copy) = &outgoing.body {
                prop_assert_eq!(&encode_hub_frame(&outgoing, &hub()), &expected, "a second time");
                let told = copy_len(copy, to.as_str().len(), timestamp);
                prop_assert_eq!(told, expected.len(), "{}", expected);
            }
        }
    }

    #[test]
    fn a_client_writes_what_serde_would(parts in parts()) {
        let Parts { time, ttl, name, text, data, metadata, .. } = parts;
        let publish = Verb::Publish(Publish {
            topic: Topic::parse(&text).expect("a topic"),
            kind: text.as_str().into(),
            data: data.clone(),
        });
        let request = Request {
            id: MessageId::parse(&text).expect("an id"),
            from: address(&name),
            to: hub(),
            type_name: publish.type_name().into(),
            pattern: Pattern::Ask,
            timestamp: Timestamp::from_millis(time),
            ttl: ttl.map(Duration::from_millis),
            metadata: metadata.clone(),
            frame_bytes: FrameBytes::default(),
            verb: Ok(publish),
        };
        let expected = object([
            ("id", written(&text)),
            ("from", written(&address(&name))),
            ("to", written(&hub())),
            ("type", written("hub:publish")),
            ("pattern", written("ask")),
            ("timestamp", written(&time)),
            ("payload", object([
                ("topic", written(&text)),
                ("type", written(&text)),
                ("data", data.to_string()),
            ])),
            ("metadata", metadata.to_string()),
            ("correlationId", "null".to_owned()),
            ("ttl", written(&ttl)),
            ("signature", "null".to_owned()),
        ]);
        prop_assert_eq!(encode_client_frame(&ClientFrame::Request(Arc::new(request))), expected);
    }
}
