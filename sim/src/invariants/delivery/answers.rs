//! I57: what a reply says of the request, of the address and of the session is so; I15 for a subscription
//! that is named by its id.

use std::collections::BTreeMap;

use signal_hub::hub::{AddressRow, Config, Entry, ForgetReason, Input, Record};
use signal_hub::protocol::{
    ActorAddress, Registered, Reply, Subscription, SubscriptionId, Topic, Unsubscribed, Verb,
};

use super::super::shadow::is_open;
use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
use crate::history::HubEvent;

/// I57. Remembers the id of each subscription.
pub struct Answers {
    thresholds: (usize, usize),
    subscriptions: BTreeMap<ActorAddress, BTreeMap<Topic, SubscriptionId>>,
}

impl Answers {
    pub fn new(config: &Config) -> Self {
        let thresholds = (config.pause_threshold, config.resume_threshold);
        Self { thresholds, subscriptions: BTreeMap::new() }
    }
}

impl HubObserver for Answers {
    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        if let Some(asked) = &transition.asked {
            traced(asked)?;
            if let (Some(verb), Some(reply)) = (asked.accepted(), asked.reply) {
                self.by_id(transition, asked, reply)?;
                if !self.is_so(transition, asked, verb, reply) {
                    return broken(
                        Invariant::I57,
                        format!(
                            "to the {} {} the hub says {reply:?}, and that is not so",
                            asked.request.type_name, asked.request.id
                        ),
                    );
                }
            }
        }
        self.follow(transition);
        self.told_as_it_is(transition)
    }

    fn hub_restarted(&mut self) {
        self.subscriptions.clear();
    }

    fn hub_restored(&mut self, hub: &HubEvent) -> Verdict {
        let Input::Restored(entries) = &hub.input else { return Ok(()) };
        for entry in entries {
            if let Entry::Subscription(address, topic, Some(subscription)) = entry {
                let of = self.subscriptions.entry(address.clone()).or_default();
                of.insert(topic.clone(), subscription.id);
            }
        }
        Ok(())
    }
}

/// A trace id comes back as it came.
fn traced(asked: &RequestTransition<'_>) -> Verdict {
    if asked.reply.is_none() || asked.trace_id == asked.request.trace_id().as_deref() {
        return Ok(());
    }
    let (request, trace_id) = (asked.request, asked.trace_id);
    broken(Invariant::I57, format!("the reply to {} bears the trace id {trace_id:?}", request.id))
}

impl Answers {
    fn is_so(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        verb: &Verb,
        reply: &Reply,
    ) -> bool {
        let request = asked.request;
        let row = |address: &ActorAddress| transition.after.address(address);
        let until =
            |row: Option<&AddressRow>| row.and_then(|row| row.registration).map(|r| r.until);
        match (verb, reply) {
            (Verb::Heartbeat(heartbeat), Reply::HeartbeatAck(ack)) => {
                ack.timestamp == heartbeat.timestamp && ack.server_time == transition.now
            }
            (Verb::Register(register), Reply::Registered(told)) => {
                told.actor_address == register.actor_address
                    && until(row(&told.actor_address)) == Some(told.expires_at)
                    && is_resumed_as_told(transition, told)
            }
            (Verb::Renew(_), Reply::Renewed(told)) => {
                let renewed = |record: &Record| matches!(record, Record::RegistrationRenewed { actor_address, .. } if *actor_address == told.actor_address);
                until(row(&told.actor_address)) == Some(told.expires_at)
                    && transition.records().any(renewed)
            }
            (Verb::Unregister(_), Reply::Unregistered(told)) => {
                row(&told.actor_address).is_none_or(|row| row.registration.is_none())
            }
            (Verb::Disconnect(_), Reply::Disconnected(_)) => {
                let was = transition.was(asked.session);
                let mut own = was.into_iter().flat_map(|row| row.addresses.iter());
                !transition.is(asked.session).is_some_and(is_open)
                    && own.all(|address| row(address).is_none_or(|row| row.registration.is_none()))
            }
            (Verb::Recover(recover), Reply::Recovered(told)) => {
                let actor = || transition.before.acting_identity(asked.session, &request.from);
                let meant = recover.actor_address.clone().unwrap_or_else(actor);
                meant == told.actor_address || transition.is_due(&meant)
            }
            (Verb::Subscribe(subscribe), Reply::Subscribed(told)) => told.topic == subscribe.topic,
            (Verb::Publish(publish), Reply::Published(told)) => told.topic == publish.topic,
            (Verb::Send(_), Reply::DeliveryAck(ack)) => ack.message_id == request.id,
            (Verb::Send(send), Reply::UnknownActor(told)) => told.actor_address == send.to,
            (Verb::Broadcast(_), Reply::BroadcastAck(ack)) => ack.message_id == request.id,
            (Verb::QueueStats, Reply::QueueStats(told)) => {
                let depth = transition.was(asked.session).map(|row| row.queued.messages);
                depth == Some(told.queue_depth)
                    && (told.pause_threshold, told.resume_threshold) == self.thresholds
            }
            // What a token says is the business of I53 to I55, of pages and counts that of I33 and I28.
            (
                Verb::Connect(_)
                | Verb::Discover(_)
                | Verb::ListActors(_)
                | Verb::Unsubscribe(_)
                | Verb::Metrics
                | Verb::RefreshToken(_),
                _,
            ) => true,
            (_, Reply::Error(_)) => true,
            (_, _) => false,
        }
    }

    /// An id names a subscription of whoever acts, or nothing.
    fn by_id(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        reply: &Reply,
    ) -> Verdict {
        let (Some(Verb::Unsubscribe(unsubscribe)), Reply::Unsubscribed(Unsubscribed { topic, .. })) =
            (asked.verb(), reply)
        else {
            return Ok(());
        };
        let Subscription::Id(id) = &unsubscribe.subscription else { return Ok(()) };
        let actor = transition.before.acting_identity(asked.session, &asked.request.from);
        let own = self.subscriptions.get(&actor).into_iter().flatten();
        let meant = own.into_iter().find(|(_, known)| *known == id).map(|(topic, _)| topic);
        let removed = transition.records().find_map(|record| match record {
            Record::SubscriptionRemoved { topic, .. } => Some(topic),
            _ => None,
        });
        let is_told = match meant {
            Some(meant) => meant == topic,
            None => topic.as_str() == id.to_string(),
        };
        if transition.is_due(&actor) || meant == removed && is_told {
            Ok(())
        } else {
            broken(
                Invariant::I15,
                format!("an unsubscribe by the id of {meant:?} ends {removed:?} and tells {topic}"),
            )
        }
    }

    fn follow(&mut self, transition: &Transition<'_>) {
        for record in transition.records() {
            match record {
                Record::SubscriptionAdded { actor_address, topic, subscription_id, .. } => {
                    let of = self.subscriptions.entry(actor_address.clone()).or_default();
                    of.insert(topic.clone(), *subscription_id);
                }
                Record::SubscriptionRemoved { actor_address, topic, .. } => {
                    if let Some(of) = self.subscriptions.get_mut(actor_address) {
                        of.remove(topic);
                    }
                }
                Record::ActorForgotten { actor_address, .. } => {
                    self.subscriptions.remove(actor_address);
                }
                _ => {}
            }
        }
    }

    /// A repeated subscription gives the same one.
    fn told_as_it_is(&self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = &transition.asked else { return Ok(()) };
        let (Some(Verb::Subscribe(_)), Some(Reply::Subscribed(told))) =
            (asked.accepted(), asked.reply)
        else {
            return Ok(());
        };
        let actor = transition.before.acting_identity(asked.session, &asked.request.from);
        let known = self.subscriptions.get(&actor).and_then(|of| of.get(&told.topic));
        if transition.is_due(&actor) || known == Some(&told.subscription_id) {
            Ok(())
        } else {
            broken(
                Invariant::I57,
                format!("{actor} is told an id for {} that is not its subscription's", told.topic),
            )
        }
    }
}

/// Resumed is what was detached, and is not claimed by another principal.
fn is_resumed_as_told(transition: &Transition<'_>, told: &Registered) -> bool {
    let address = &told.actor_address;
    let before = transition.before.address(address).and_then(|row| row.registration);
    let claimed = |record: &Record| matches!(record, Record::ActorForgotten { actor_address, why: ForgetReason::Claimed } if actor_address == address);
    let was_detached = before.is_some_and(|row| row.owner.is_none());
    transition.is_due(address)
        || told.resumed == (was_detached && !transition.records().any(claimed))
}
