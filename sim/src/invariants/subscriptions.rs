//! Subscriptions belong to addresses and outlive connections: I13, I14, I15.

use std::collections::BTreeSet;

use signal_hub::hub::{AddressRow, Input, Output};
use signal_hub::protocol::{ActorAddress, Body, ClientFrame, Reply, Subscription, Topic, Verb};

use super::world::{After, World};
use super::{Invariant, Observer, Violation};
use crate::history::{Event, HubEvent, What};

/// I13, I14, I15.
pub struct Subscriptions;

impl Observer for Subscriptions {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        let after = After { world, event: hub };
        for (address, row) in &hub.touched.addresses {
            topics_change_by_request(hub, world, address, row.as_ref())?;
            indexed_both_ways(&after, address, row.as_ref())?;
        }
        for (topic, row) in &hub.touched.topics {
            for address in row.iter().flat_map(|row| &row.subscribers) {
                if !after.address(address).is_some_and(|row| row.topics.contains(topic)) {
                    let evidence = format!("{topic} has {address}, which does not have {topic}");
                    return Err(Violation::new(Invariant::I13, evidence));
                }
            }
        }
        unsubscribe_takes_effect(&after)?;
        resumed_with_all(&after)
    }
}

fn indexed_both_ways(
    after: &After<'_>,
    address: &ActorAddress,
    row: Option<&AddressRow>,
) -> Result<(), Violation> {
    let Some(row) = row else { return Ok(()) };
    if row.registration.is_none() && !row.topics.is_empty() {
        let evidence = format!("{address} is unknown and has the topics {:?}", row.topics);
        return Err(Violation::new(Invariant::I13, evidence));
    }
    let missing = row
        .topics
        .iter()
        .find(|topic| !after.topic(topic).is_some_and(|row| row.subscribers.contains(address)));
    match missing {
        Some(topic) => Err(Violation::new(
            Invariant::I13,
            format!("{address} has {topic}, which does not have {address}"),
        )),
        None => Ok(()),
    }
}

/// As long as the hub knows the address, its topics change by its owner's requests and only by one
/// topic at a time.
fn topics_change_by_request(
    hub: &HubEvent,
    world: &World,
    address: &ActorAddress,
    row: Option<&AddressRow>,
) -> Result<(), Violation> {
    let (Some(before), Some(after)) = (world.address(address), row) else { return Ok(()) };
    if before.registration.is_none() || after.registration.is_none() {
        return Ok(());
    }
    // A deadline that is due comes before the input: the address may have been forgotten in between.
    if world.address_due(address, hub.now) {
        return Ok(());
    }
    let gained: BTreeSet<&Topic> = after.topics.difference(&before.topics).collect();
    let mut lost: BTreeSet<&Topic> = before.topics.difference(&after.topics).collect();
    if world.address_due(address, hub.now) && lost.len() == before.topics.len() {
        // The hub forgot the address first, and then got to know it anew.
        lost.clear();
    }
    if gained.is_empty() && lost.is_empty() {
        return Ok(());
    }
    let (invariant, lawful) = match verb(hub) {
        Some(Verb::Subscribe(subscribe)) => {
            (Invariant::I14, lost.is_empty() && gained.iter().eq([&&subscribe.topic]))
        }
        Some(Verb::Unsubscribe(unsubscribe)) => {
            let named = match &unsubscribe.subscription {
                Subscription::Topic(topic) => lost.iter().eq([&topic]),
                Subscription::Id(_) => lost.len() == 1,
            };
            (Invariant::I15, gained.is_empty() && named)
        }
        _ => (Invariant::I14, false),
    };
    match lawful {
        true => Ok(()),
        false => Err(Violation::new(
            invariant,
            format!("{address} lost the topics {lost:?} and gained {gained:?}"),
        )),
    }
}

/// An accepted unsubscribe takes the topic from one address of the session that asked.
fn unsubscribe_takes_effect(after: &After<'_>) -> Result<(), Violation> {
    for reply in replies(after.event) {
        let Reply::Unsubscribed(unsubscribed) = reply else { continue };
        let topic = &unsubscribed.topic;
        let session = after.event.input.session().and_then(|key| after.world.session(key));
        let has = |row: Option<&AddressRow>| row.is_some_and(|row| row.topics.contains(topic));
        let lost = session
            .into_iter()
            .flat_map(|row| &row.addresses)
            .any(|address| has(after.world.address(address)) && !has(after.address(address)));
        if !lost {
            let evidence =
                format!("an unsubscribe from {topic} was accepted and took it from nobody");
            return Err(Violation::new(Invariant::I15, evidence));
        }
    }
    Ok(())
}

/// I14: what hub:registered tells of the subscriptions is what is there.
fn resumed_with_all(after: &After<'_>) -> Result<(), Violation> {
    for reply in replies(after.event) {
        let Reply::Registered(registered) = reply else { continue };
        let told: BTreeSet<Topic> = registered.subscriptions.iter().cloned().collect();
        let kept = after.address(&registered.actor_address).map(|row| row.topics.clone());
        if kept.as_ref() != Some(&told) {
            return Err(Violation::new(
                Invariant::I14,
                format!("{} was told {told:?}, the hub has {kept:?}", registered.actor_address),
            ));
        }
    }
    Ok(())
}

fn replies(hub: &HubEvent) -> impl Iterator<Item = &Reply> {
    hub.outputs.iter().filter_map(|output| match output {
        Output::Send(_, message) => match &message.body {
            Body::Reply { reply, .. } => Some(reply.as_ref()),
            Body::Pong | Body::Notice(_) | Body::Delivery(_) => None,
        },
        Output::Close(..) | Output::Audit(_) => None,
    })
}

fn verb(hub: &HubEvent) -> Option<&Verb> {
    match &hub.input {
        Input::Frame(_, Ok(ClientFrame::Request(request))) => request.verb.as_ref().ok(),
        _ => None,
    }
}
