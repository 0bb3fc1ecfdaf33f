//! A message from the hub as a client would read it, with no bytes in between.

use std::num::NonZeroU64;

use super::read::{HubBody, HubFrame, HubMessage};
use super::write::{reply_metadata, write_notice_payload, write_reply_payload};
use crate::protocol::codec::write::text;
use crate::protocol::{ActorAddress, Body, Json, MessageId, Outgoing};

/// What a client would read if `message` were written as bytes; `hub` is the hub's own address.
pub fn hand_over(message: &Outgoing, hub: &ActorAddress) -> HubFrame {
    let (from, ttl, metadata, body) = match &message.body {
        Body::Pong => return HubFrame::Pong,
        Body::Reply { correlation, trace_id, reply } => {
            let (correlation, told) = (correlation.clone(), reply.as_ref().clone());
            (
                hub,
                None,
                reply_metadata(reply, trace_id.as_deref()),
                HubBody::Reply { correlation, reply: told },
            )
        }
        Body::Notice(notice) => (hub, None, Json::EMPTY_OBJECT, HubBody::Notice(notice.clone())),
        Body::Delivery(delivery) => {
            let body = HubBody::Delivery {
                kind: delivery.kind.to_string(),
                payload: delivery.payload.clone(),
                route: delivery.route.clone(),
                origin: Some(delivery.origin.clone()),
            };
            (&delivery.from, delivery.ttl, numbered(&delivery.metadata, message.seq), body)
        }
    };
    HubFrame::Message(Box::new(HubMessage {
        id: MessageId::from(message.id),
        from: from.clone(),
        to: message.to.clone(),
        timestamp: message.timestamp,
        ttl,
        metadata,
        seq: message.seq,
        body,
    }))
}

fn numbered(metadata: &Json, seq: Option<NonZeroU64>) -> Json {
    let Some(seq) = seq else { return metadata.clone() };
    let (open, end) = metadata.as_str().split_at(metadata.len() - 1);
    Json::copy(&format!("{open},\"seq\":{seq}{end}"))
}

/// The payload of a message from the hub, as JSON.
pub fn payload_text(body: &HubBody) -> String {
    match body {
        HubBody::Reply { reply, .. } => text(|payload| write_reply_payload(payload, reply)),
        HubBody::Notice(notice) => text(|payload| write_notice_payload(payload, notice)),
        HubBody::Delivery { payload, .. } | HubBody::Unknown { payload, .. } => {
            payload.as_str().to_owned()
        }
    }
}
