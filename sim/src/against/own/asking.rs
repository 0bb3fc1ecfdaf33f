//! What operations say in the words of the protocol.

use std::time::Duration;

use serde_json::Value;
use signal_hub::protocol::{
    self, ActorAddress, Connect, Discover, Glob, Json, ListActors, PROTOCOL_VERSION, Pattern,
    Subscribe, Subscription, Topic, Unregister, Unsubscribe,
};

use super::{Session, address, no_words};
use crate::against::dialect::{Mute, Verb};
use crate::scenario::NOTE;

/// A request, apart from who makes it.
type Words = (protocol::Verb, Pattern, Option<Duration>);

/// What the protocol calls it.
pub(super) fn verb(
    session: Option<&Session>,
    speaker: &ActorAddress,
    verb: &Verb,
) -> Result<Words, Mute> {
    let capabilities = |more: &Option<String>| {
        std::iter::once("messaging".to_owned()).chain(more.clone()).collect()
    };
    let verb = match verb {
        Verb::Connect { version } => protocol::Verb::Connect(Connect {
            protocol_version: version.as_deref().unwrap_or(PROTOCOL_VERSION).to_owned(),
            capabilities: capabilities(&None),
            auth_token: None,
            client_metadata: None,
        }),
        Verb::Register { address: name, ttl, renew_on_heartbeat, capability } => {
            protocol::Verb::Register(protocol::Register {
                actor_address: address(name)?,
                capabilities: capabilities(capability),
                metadata: Json::EMPTY_OBJECT,
                ttl: *ttl,
                renew_on_heartbeat: *renew_on_heartbeat,
                recovery: None,
            })
        }
        Verb::Unregister { address: name } => {
            let actor_address = Some(address(name)?);
            protocol::Verb::Unregister(Unregister { actor_address })
        }
        Verb::Renew { address: name, token } => {
            let address = address(name)?;
            let renewal_token = session.and_then(|session| session.token(&address, *token));
            protocol::Verb::Renew(protocol::Renew { renewal_token })
        }
        Verb::Subscribe { topic: name } => {
            protocol::Verb::Subscribe(Subscribe { topic: topic(name)?, durable: false })
        }
        Verb::Unsubscribe { topic: name, by_id } => {
            let topic = topic(name)?;
            let id = session.and_then(|session| session.subscriptions.get(&topic));
            let id = id.filter(|_| *by_id).map(|id| Subscription::Id(*id));
            let subscription = id.unwrap_or(Subscription::Topic(topic));
            protocol::Verb::Unsubscribe(Unsubscribe { subscription })
        }
        Verb::Tell { .. } | Verb::Ask { .. } | Verb::Publish { .. } | Verb::Broadcast { .. } => {
            return said(verb);
        }
        Verb::Discover { pattern } => {
            let pattern = Glob::new(pattern);
            protocol::Verb::Discover(Discover { pattern, ..Discover::default() })
        }
        Verb::Query { what } => match what.as_str() {
            "list_actors" => protocol::Verb::ListActors(ListActors::default()),
            "queue_stats" => protocol::Verb::QueueStats,
            "metrics" => protocol::Verb::Metrics,
            other => return Err(Mute::NoWords(format!("there is no hub:{other}"))),
        },
        Verb::Heartbeat => protocol::Verb::Heartbeat(protocol::Heartbeat { timestamp: Json::NULL }),
        Verb::Ping => return Err(Mute::NoWords(format!("a ping of {speaker} is no request"))),
        Verb::Disconnect => protocol::Verb::Disconnect(protocol::Disconnect { reason: None }),
    };
    Ok((verb, Pattern::Ask, None))
}

/// The same of what is said to others.
fn said(verb: &Verb) -> Result<Words, Mute> {
    let data = |payload: &Value| Json::from(payload.clone());
    let send = |to: &str, payload: &Value| {
        let to = address(to)?.into();
        let data = data(payload);
        Ok(protocol::Verb::Send(protocol::Send { to, kind: NOTE.into(), data, queue: true }))
    };
    Ok(match verb {
        Verb::Tell { to, payload, ttl } => (send(to, payload)?, Pattern::Tell, *ttl),
        Verb::Ask { to, payload, ttl } => (send(to, payload)?, Pattern::Ask, *ttl),
        Verb::Publish { topic: name, payload, ttl } => {
            let (topic, data) = (topic(name)?, data(payload));
            let publish = protocol::Publish { topic, kind: NOTE.into(), data };
            (protocol::Verb::Publish(publish), Pattern::Ask, *ttl)
        }
        Verb::Broadcast { payload, exclude_self, capability, ttl } => {
            let broadcast = protocol::Broadcast {
                exclude_self: *exclude_self,
                target_capability: capability.clone(),
                ..protocol::Broadcast::new(NOTE, data(payload))
            };
            (protocol::Verb::Broadcast(broadcast), Pattern::Ask, *ttl)
        }
        other => return Err(Mute::NoWords(format!("{} says nothing to others", other.word()))),
    })
}

fn topic(name: &str) -> Result<Topic, Mute> {
    Topic::parse(name).map_err(|why| no_words(name, &why))
}
