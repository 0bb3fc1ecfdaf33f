//! What the words of the protocol say.

use serde_json::Value;
use signal_hub::protocol::codec::{HubBody, HubMessage, payload_text};
use signal_hub::protocol::{
    self, ActorAddress, DisconnectNotice, ErrorCode, MessageId, Reply, Route, Topic,
    UnregisterReason,
};

use super::name;
use crate::against::dialect::{Heard, Notice, Refusal, Report};

/// What the answer to this ping says.
pub fn pong(ping: Option<String>) -> Heard {
    let kind = Some("pong".to_owned());
    Heard { kind, ..Heard::from(ping.map_or(Report::Other, done)) }
}

/// What a message from the hub says, in neutral words.
pub fn heard(message: &HubMessage) -> Heard {
    let kind = Some(message.type_name().to_owned());
    let report = match &message.body {
        HubBody::Reply { correlation, reply } => {
            answer(correlation.as_ref().map(MessageId::to_string), reply)
        }
        HubBody::Notice(notice) => told(message, notice),
        HubBody::Delivery { payload, route, .. } => {
            let topic = match route {
                Route::Publication { topic } => Some(topic.to_string()),
                Route::Send | Route::Broadcast => None,
            };
            let (from, to) = (Some(name(&message.from)), Some(name(&message.to)));
            let report = Report::Delivered { from, to, topic, payload: value(payload.as_str()) };
            return Heard { kind, ..Heard::from(report) };
        }
        HubBody::Unknown { .. } => Report::Other,
    };
    let body = Some(value(&payload_text(&message.body)));
    Heard { report, kind, sender: Some(name(&message.from)), body }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

pub(super) fn done(operation: String) -> Report {
    Report::Done { operation, delivered: None, failed: None, addresses: None, more: false }
}

pub(super) fn counted(operation: String, copies: usize, dropped: Option<usize>) -> Report {
    let count = |number: usize| u64::try_from(number).ok();
    let (delivered, failed) = (count(copies), dropped.and_then(count));
    Report::Done { operation, delivered, failed, addresses: None, more: false }
}

fn page<'a>(
    operation: String,
    actors: impl Iterator<Item = &'a ActorAddress>,
    more: bool,
) -> Report {
    let addresses = Some(actors.map(name).collect());
    Report::Done { operation, delivered: None, failed: None, addresses, more }
}

/// What a reply says of the operation.
fn answer(operation: Option<String>, reply: &Reply) -> Report {
    let Some(operation) = operation else {
        return match reply {
            Reply::Error(refusal) => Report::Refused { operation: None, why: reason(refusal.code) },
            _ => Report::Other,
        };
    };
    match reply {
        Reply::Connected(_) => Report::Connected { operation },
        Reply::Registered(registered) => {
            let all = registered.subscription_count.is_none();
            let listed = || registered.subscriptions.iter().map(Topic::to_string).collect();
            Report::Owned {
                operation,
                address: name(&registered.actor_address),
                version: Some(registered.version),
                resumed: Some(registered.resumed),
                topics: all.then(listed),
            }
        }
        Reply::Renewed(renewed) => {
            let address = name(&renewed.actor_address);
            Report::Owned { operation, address, version: None, resumed: None, topics: None }
        }
        Reply::Discovered(page_of) => {
            let actors = page_of.actors.iter().map(|actor| &actor.address);
            page(operation, actors, page_of.has_more)
        }
        Reply::ActorList(list) => {
            let actors = list.actors.iter().map(|actor| &actor.address);
            page(operation, actors, list.has_more)
        }
        Reply::DeliveryAck(_) => counted(operation, 1, None),
        Reply::BroadcastAck(ack) => counted(operation, ack.delivered_count, Some(ack.failed_count)),
        Reply::Published(published) => counted(operation, published.subscriber_count, None),
        Reply::UnknownActor(_) => {
            Report::Refused { operation: Some(operation), why: Refusal::UnknownRecipient }
        }
        Reply::Error(refusal) => {
            Report::Refused { operation: Some(operation), why: reason(refusal.code) }
        }
        Reply::HeartbeatAck(_)
        | Reply::Recovered(_)
        | Reply::Disconnected(_)
        | Reply::Unregistered(_)
        | Reply::Subscribed(_)
        | Reply::Unsubscribed(_)
        | Reply::QueueStats(_)
        | Reply::Metrics(_)
        | Reply::TokenRefreshed(_) => done(operation),
    }
}

const fn reason(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::VersionMismatch => Refusal::NotConnected,
        ErrorCode::Unauthorized | ErrorCode::InvalidToken => Refusal::Unauthorized,
        ErrorCode::RateLimited | ErrorCode::BroadcastLimitExceeded => Refusal::RateLimited,
        ErrorCode::UnknownActor => Refusal::UnknownRecipient,
        ErrorCode::MessageTooLarge | ErrorCode::InternalError => Refusal::Invalid,
        ErrorCode::MessageExpired => Refusal::Expired,
        ErrorCode::Timeout => Refusal::Timeout,
        ErrorCode::Unavailable | ErrorCode::Other => Refusal::Unavailable,
    }
}

/// What a notice says.
fn told(message: &HubMessage, notice: &protocol::Notice) -> Report {
    let (what, address) = match notice {
        protocol::Notice::Disconnect(notice) => match notice.reason.as_str() {
            DisconnectNotice::DUPLICATE_CONNECTION => (Notice::Superseded, Some(&message.to)),
            DisconnectNotice::SERVER_SHUTDOWN => (Notice::Shutdown, None),
            _ => return Report::Other,
        },
        protocol::Notice::Unregistered(notice) => match notice.reason {
            UnregisterReason::DuplicateConnection => {
                (Notice::Superseded, Some(&notice.actor_address))
            }
            UnregisterReason::Expired => (Notice::Expired, Some(&notice.actor_address)),
            UnregisterReason::TokenNarrowed | UnregisterReason::Other => return Report::Other,
        },
        protocol::Notice::Pause(notice) => (Notice::Pause, Some(&notice.actor_address)),
        protocol::Notice::Resume => (Notice::Resume, None),
    };
    Report::Told { what, address: address.map(name) }
}
