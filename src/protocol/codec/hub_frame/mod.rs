//! What the hub sends: always all eleven keys of the envelope.

mod payloads;
mod read;
mod write;

mod handover;

pub use handover::{hand_over, payload_text};
pub use read::{HubBody, HubFrame, HubMessage, InvalidHubFrame, decode_hub_frame};
pub use write::{SEQ_LEN_MAX, copy_len, encode_hub_frame, write_hub_frame};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::protocol::{
        ActorAddress, Body, Delivery, Details, ErrorCode, Json, MessageId, Notice, Outgoing,
        Refusal, Reply, Route, Topic, UnregisterReason, UnregisteredNotice,
    };
    use crate::time::Timestamp;

    fn hub() -> ActorAddress {
        ActorAddress::parse("@(hub)").expect("an address")
    }

    fn outgoing(body: Body) -> Outgoing {
        let to = ActorAddress::parse("@(a)").expect("an address");
        Outgoing::new(Uuid::nil(), to, Timestamp::from_millis(5), body)
    }

    fn round_trip(body: Body) -> HubBody {
        let outgoing = outgoing(body);
        let text = encode_hub_frame(&outgoing, &hub());
        let frame = decode_hub_frame(&Bytes::from(text)).expect("a frame of the hub");
        assert_eq!(frame, hand_over(&outgoing, &hub()), "without bytes it is the same");
        match frame {
            HubFrame::Message(message) => message.body,
            HubFrame::Pong => panic!("not a pong"),
        }
    }

    #[test]
    fn every_message_bears_all_eleven_keys() {
        let reason = UnregisterReason::Expired;
        let notice = Notice::Unregistered(UnregisteredNotice { actor_address: hub(), reason });
        let text = encode_hub_frame(&outgoing(Body::Notice(notice)), &hub());
        let envelope: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).expect("an object");
        let keys: Vec<&str> = envelope.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "correlationId",
                "from",
                "id",
                "metadata",
                "pattern",
                "payload",
                "signature",
                "timestamp",
                "to",
                "ttl",
                "type",
            ]
        );
        assert!(envelope["metadata"].is_object());
    }

    #[test]
    fn a_refusal_crosses_the_wire_with_its_details() {
        for refusal in [
            Refusal::missing("topic", "a topic"),
            Refusal::new(ErrorCode::BroadcastLimitExceeded, "m", "r"),
            Refusal::new(ErrorCode::RateLimited, "m", "r")
                .with(Details::RetryAfter { wait: Duration::from_millis(1), limit: 100 }),
            Refusal::new(ErrorCode::MessageTooLarge, "m", "r")
                .with(Details::Size { actual: 2, max: 1 }),
        ] {
            let reply = Reply::Error(Box::new(refusal));
            let reply_of = Box::new(reply.clone());
            let body = Body::Reply { correlation: None, trace_id: None, reply: reply_of };
            assert_eq!(round_trip(body), HubBody::Reply { correlation: None, reply });
        }
    }

    #[test]
    fn a_publication_names_its_topic_and_its_origin() {
        let topic = Topic::parse("news").expect("a topic");
        let origin = MessageId::parse("m\"1").expect("an id");
        let payload = Json::parse(r#"{"b": 1.0}"#).expect("JSON");
        let metadata = serde_json::json!(
            { "topic": "news", "publication": true, "originalMessageId": "m\"1" }
        );
        let route = Route::Publication { topic };
        let delivery = Delivery::new(
            hub(),
            "t".to_owned(),
            payload.clone(),
            metadata.into(),
            route.clone(),
            origin.clone(),
            None,
        );
        assert_eq!(
            round_trip(Body::Delivery(Arc::new(delivery))),
            HubBody::Delivery { kind: "t".into(), payload, route, origin: Some(origin) }
        );
    }

    #[test]
    fn a_copy_is_as_long_as_it_is_said_to_be() {
        let topic = Topic::parse("n\"ews").expect("a topic");
        let to = ActorAddress::parse("@(a)").expect("an address");
        for route in [Route::Send, Route::Publication { topic }, Route::Broadcast] {
            for ttl in [None, Some(Duration::from_millis(1_234))] {
                let delivery = Delivery::new(
                    hub(),
                    "t\u{1}ä".to_owned(),
                    Json::parse(r#"{"b": "\u00e4"}"#).expect("JSON"),
                    Json::EMPTY_OBJECT,
                    route.clone(),
                    MessageId::parse("m\"1").expect("an id"),
                    ttl,
                );
                let told = copy_len(&delivery, to.as_str().len(), Timestamp::from_millis(5));
                let text = encode_hub_frame(&outgoing(Body::Delivery(Arc::new(delivery))), &hub());
                assert_eq!(told, text.len(), "{text}");
            }
        }
    }

    #[test]
    fn a_pong_is_no_envelope() {
        let text = encode_hub_frame(&outgoing(Body::Pong), &hub());
        assert_eq!(text, r#"{"type":"pong"}"#);
        assert_eq!(decode_hub_frame(&text.into()).ok(), Some(HubFrame::Pong));
    }
}
