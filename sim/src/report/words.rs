//! The words of a story: what was asked for, and what became of it.

use signal_hub::hub::{CloseCause, DropReason, Record};
use signal_hub::protocol::{Request, Subscription, Verb};

pub(super) const fn why_gone(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Hub => "the hub closed it",
        CloseCause::Client => "the client closed it",
        CloseCause::Lost => "it broke",
        CloseCause::Protocol => "no WebSocket",
    }
}

/// What became of an address or a message, where no arrow shows it.
pub(super) fn noted(record: &Record) -> Option<String> {
    match record {
        Record::DuplicateConnectionDetected { actor_address, old_session, new_session, .. } => {
            Some(format!("{actor_address} goes from {old_session} to {new_session}"))
        }
        Record::ActorTakenElsewhere { actor_address, old_session, by, .. } => {
            let by = by.as_deref().unwrap_or("another node");
            Some(format!("{actor_address} goes from {old_session} to {by}"))
        }
        Record::NodeChanged { node, became } => Some(format!("{node}: {}", became.word())),
        Record::ActorDetached { actor_address, .. } => Some(format!("{actor_address} is detached")),
        Record::ActorResumed { actor_address, session } => {
            Some(format!("{actor_address} is resumed by {session}"))
        }
        Record::ActorForgotten { actor_address, .. } => {
            Some(format!("{actor_address} is forgotten"))
        }
        Record::ActorDormant { actor_address } => Some(format!("{actor_address} is dormant")),
        Record::MessageDropped { to, why, .. } => {
            let why = match why {
                DropReason::QueueFull => "queue full",
                DropReason::UnknownActor => "unknown",
                DropReason::Detached => "detached",
                DropReason::Expired => "expired",
                DropReason::Overflow => "no room to keep it",
                DropReason::Unclaimed => "kept in vain",
                DropReason::StoreFull => "store full",
            };
            Some(format!("drops one for {to}: {why}"))
        }
        Record::MessageQueued { to, .. } => Some(format!("keeps one for {to}")),
        Record::MessageReplayed { to, seq, .. } => Some(format!("replays {seq} for {to}")),
        Record::RecoveryAnswered { actor_address, recovered: true, replayed, .. } => {
            Some(format!("{actor_address} recovers {replayed}"))
        }
        Record::RecoveryAnswered { actor_address, reason: Some(_), .. } => {
            Some(format!("{actor_address} recovers nothing"))
        }
        Record::RetryAnswered { message, .. } => Some(format!("knows the answer to {message}")),
        Record::RecoveryAnswered { .. }
        | Record::SessionOpened { .. }
        | Record::SessionConnected { .. }
        | Record::SessionClosed { .. }
        | Record::ActorRegistered { .. }
        | Record::RegistrationRenewed { .. }
        | Record::SubscriptionAdded { .. }
        | Record::SubscriptionRemoved { .. }
        | Record::MessageDelivered { .. }
        | Record::RequestRefused { .. }
        | Record::SenderPaused { .. }
        | Record::SenderResumed { .. }
        | Record::TokenRefreshed { .. } => None,
    }
}

pub(super) fn id(request: &Request) -> String {
    let id: String = request.id.as_str().chars().take(8).collect();
    format!("({id})")
}

/// What is asked for, and about what.
pub(super) fn said(request: &Request) -> String {
    let about = match &request.verb {
        Ok(Verb::Register(register)) => register.actor_address.to_string(),
        Ok(Verb::Send(send)) => format!("to {} {}", send.to, send.data),
        Ok(Verb::Publish(publish)) => format!("{} {}", publish.topic, publish.data),
        Ok(Verb::Subscribe(subscribe)) => subscribe.topic.to_string(),
        Ok(Verb::Unsubscribe(unsubscribe)) => match &unsubscribe.subscription {
            Subscription::Topic(topic) => topic.to_string(),
            Subscription::Id(id) => id.to_string(),
        },
        Ok(_) => String::new(),
        Err(refusal) => refusal.message.to_string(),
    };
    format!("{} {} {about}", request.pattern.as_str(), request.type_name).trim_end().to_owned()
}
