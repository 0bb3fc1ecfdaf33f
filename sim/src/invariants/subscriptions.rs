//! Subscriptions belong to addresses and outlive connections: I13, I14, I15.

use std::collections::BTreeSet;

use signal_hub::hub::{AddressRow, ForgetReason, Record, TopicRow};
use signal_hub::protocol::{ActorAddress, Reply, Subscription, Topic, Verb};

use super::{HubObserver, Invariant, Transition, Verdict, broken};
use crate::history::HubEvent;

/// I13, I14, I15.
#[derive(Default)]
pub struct Subscriptions {
    /// Those that were acknowledged as durable.
    durable: BTreeSet<(ActorAddress, Topic)>,
}

impl HubObserver for Subscriptions {
    fn hub_restarted(&mut self) {
        self.durable.clear();
    }

    fn hub_restored(&mut self, hub: &HubEvent) -> Verdict {
        // I59 holds them against the last life.
        for (topic, row) in &hub.touched.topics {
            let durable = row.iter().flat_map(|row| &row.durable);
            self.durable.extend(durable.map(|address| (address.clone(), topic.clone())));
        }
        Ok(())
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let touched = &transition.hub.touched;
        for (address, row) in &touched.addresses {
            topics_change_by_request(transition, address, row.as_ref())?;
            indexed_both_ways(transition, address, row.as_ref())?;
        }
        for (topic, row) in &touched.topics {
            for address in row.iter().flat_map(|row| &row.subscribers) {
                if !transition.after.address(address).is_some_and(|row| row.topics.contains(topic))
                {
                    let evidence = format!("{topic} has {address}, which does not have {topic}");
                    return broken(Invariant::I13, evidence);
                }
            }
        }
        if touched.addresses.is_empty() {
            return Ok(());
        }
        unsubscribe_takes_effect(transition)?;
        self.durable_outlive_the_window(transition)?;
        resumed_with_all(transition)
    }
}

impl Subscriptions {
    /// What the window's end leaves of an address is what was acknowledged as durable.
    fn durable_outlive_the_window(&mut self, transition: &Transition<'_>) -> Verdict {
        for record in transition.records() {
            let (address, why) = match record {
                Record::ActorForgotten { actor_address, why } => (actor_address, Some(*why)),
                Record::ActorDormant { actor_address } => (actor_address, None),
                _ => continue,
            };
            let of = self.durable.iter().filter(|(of, _)| of == address);
            let durable: BTreeSet<Topic> = of.map(|(_, topic)| topic.clone()).collect();
            let left = transition.after.address(address).map(|row| row.topics.clone());
            let lawful = match why {
                Some(ForgetReason::ResumeWindowEnded) => durable.is_empty(),
                Some(_) => true,
                None => left.is_none_or(|left| left.is_superset(&durable)),
            };
            if !lawful {
                let evidence = format!("{address} is away for too long and loses {durable:?}");
                return broken(Invariant::I14, evidence);
            } else if why.is_some() {
                self.durable.retain(|(of, _)| of != address);
            }
        }
        for (address, row) in &transition.hub.touched.addresses {
            let has = |topic: &Topic| row.as_ref().is_some_and(|row| row.topics.contains(topic));
            self.durable.retain(|(of, topic)| of != address || has(topic));
        }
        let Some(asked) = &transition.asked else { return Ok(()) };
        if let (Some(Verb::Subscribe(_)), Some(Reply::Subscribed(told))) =
            (asked.accepted(), asked.reply)
            && told.durable == Some(true)
        {
            let actor = transition.before.acting_identity(asked.session, &asked.request.from);
            let row = transition.after.topic(&told.topic);
            let passes =
                |row: &TopicRow| row.subscribers.contains(&actor) && !row.durable.contains(&actor);
            if row.is_some_and(passes) && !transition.is_due(&actor) {
                let evidence =
                    format!("{actor} is told that {} is durable, and it is not", told.topic);
                return broken(Invariant::I14, evidence);
            }
            self.durable.insert((actor, told.topic.clone()));
        }
        Ok(())
    }
}

fn indexed_both_ways(
    transition: &Transition<'_>,
    address: &ActorAddress,
    row: Option<&AddressRow>,
) -> Verdict {
    let Some(row) = row else { return Ok(()) };
    if row.registration.is_none() && !row.topics.is_empty() {
        let evidence = format!("{address} is unknown and has the topics {:?}", row.topics);
        return broken(Invariant::I13, evidence);
    }
    let has_it = |topic: &Topic| {
        transition.after.topic(topic).is_some_and(|row| row.subscribers.contains(address))
    };
    match row.topics.iter().find(|topic| !has_it(topic)) {
        Some(topic) => {
            broken(Invariant::I13, format!("{address} has {topic}, which does not have {address}"))
        }
        None => Ok(()),
    }
}

/// As long as the hub knows the address, its topics change by its owner's requests and only by one
/// topic at a time.
fn topics_change_by_request(
    transition: &Transition<'_>,
    address: &ActorAddress,
    row: Option<&AddressRow>,
) -> Verdict {
    let (Some(before), Some(after)) = (transition.before.address(address), row) else {
        return Ok(());
    };
    if before.registration.is_none() || after.registration.is_none() {
        return Ok(());
    }
    if before.topics == after.topics || is_claimed(transition, address) {
        return Ok(());
    }
    // A deadline that is due comes before the input: who is forgotten begins without topics (I17).
    let forgotten = transition.records().any(|record| match record {
        Record::ActorForgotten { actor_address, why } => {
            actor_address == address && *why == ForgetReason::ResumeWindowEnded
        }
        _ => false,
    });
    let is_dormant = transition.records().any(|record| {
        matches!(record, Record::ActorDormant { actor_address } if actor_address == address)
    });
    if forgotten && after.topics.is_empty() || is_dormant && after.topics.is_subset(&before.topics)
    {
        return Ok(());
    }
    let gained: BTreeSet<&Topic> = after.topics.difference(&before.topics).collect();
    let lost: BTreeSet<&Topic> = before.topics.difference(&after.topics).collect();
    let (invariant, lawful) = match transition.asked.as_ref().and_then(|asked| asked.verb()) {
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
    if lawful {
        Ok(())
    } else {
        broken(invariant, format!("{address} lost the topics {lost:?} and gained {gained:?}"))
    }
}

/// Returns whether the bearer of a token that names the address registers it in another principal's
/// place.
fn is_claimed(transition: &Transition<'_>, address: &ActorAddress) -> bool {
    transition.records().any(|record| {
        matches!(record, Record::ActorForgotten { actor_address, why: ForgetReason::Claimed }
            if actor_address == address)
    })
}

/// An accepted unsubscribe takes the topic from whoever acts, if that has it.
fn unsubscribe_takes_effect(transition: &Transition<'_>) -> Verdict {
    for (_, reply) in transition.replies() {
        let Reply::Unsubscribed(unsubscribed) = reply else { continue };
        let topic = &unsubscribed.topic;
        let Some(asked) = &transition.asked else { continue };
        let address = transition.before.acting_identity(asked.session, &asked.request.from);
        let has = |row: Option<&AddressRow>| row.is_some_and(|row| row.topics.contains(topic));
        let kept =
            has(transition.before.address(&address)) && has(transition.after.address(&address));
        if kept && !transition.is_due(&address) {
            let evidence =
                format!("an unsubscribe from {topic} was accepted and took it from nobody");
            return broken(Invariant::I15, evidence);
        }
    }
    Ok(())
}

/// I14: what hub:registered tells of the subscriptions is what is there.
fn resumed_with_all(transition: &Transition<'_>) -> Verdict {
    for (_, reply) in transition.replies() {
        let Reply::Registered(registered) = reply else { continue };
        let told = &registered.subscriptions;
        let kept = transition.after.address(&registered.actor_address).map(|row| &row.topics);
        // A message lists no more than it has room for, but counts them all.
        let so_far = |kept: &BTreeSet<Topic>| kept.iter().take(told.len()).eq(told.iter());
        let count = registered.subscription_count.unwrap_or(told.len());
        let all = |kept: &BTreeSet<Topic>| kept.len() == count;
        if !kept.is_some_and(|kept| so_far(kept) && all(kept)) {
            let who = &registered.actor_address;
            return broken(
                Invariant::I14,
                format!("{who} was told {told:?}, the hub has {kept:?}"),
            );
        }
    }
    Ok(())
}
