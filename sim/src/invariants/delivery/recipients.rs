//! I16, I21, I22, I23: who gets a copy of what was accepted. Each recipient gets one, or there is
//! one record of why not.

use std::collections::BTreeSet;

use signal_hub::hub::{Config, DropReason, Queued, Record};
use signal_hub::protocol::{
    ActorAddress, Body, Broadcast, ErrorCode, MessageId, Outgoing, Recipient, Verb,
};

use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I16, I21, I22, I23.
pub struct Recipients {
    queue_messages_max: usize,
    queue_bytes_max: usize,
}

/// Whom a message is meant for.
struct Meant<'a> {
    sure: BTreeSet<&'a ActorAddress>,
    /// A deadline that was due may have taken these out, or made them others' before the message.
    perhaps: BTreeSet<&'a ActorAddress>,
}

/// What became of the copies.
#[derive(Default)]
struct Copies<'a> {
    handed_over: Vec<&'a ActorAddress>,
    recorded: usize,
    /// Kept for who is to recover them.
    queued: Vec<&'a ActorAddress>,
    dropped: Vec<&'a Recipient>,
}

impl Recipients {
    pub fn new(config: &Config) -> Self {
        let (queue_messages_max, queue_bytes_max) =
            (config.queue_messages_max, config.queue_bytes_max);
        Self { queue_messages_max, queue_bytes_max }
    }
}

impl HubObserver for Recipients {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = &transition.asked else { return Ok(()) };
        match asked.verb() {
            Some(Verb::Subscribe(subscribe)) => {
                if asked.accepted().is_none() || transition.ended(asked.session) {
                    return Ok(());
                }
                let row = transition.is(asked.session);
                let mut owned = row.into_iter().flat_map(|row| row.addresses.iter());
                let has_it = |address| {
                    let row = transition.after.address(address);
                    row.is_some_and(|row| row.topics.contains(&subscribe.topic))
                };
                if owned.any(has_it) {
                    Ok(())
                } else {
                    broken(
                        Invariant::I16,
                        format!("{} subscribed to {} in vain", asked.session, subscribe.topic),
                    )
                }
            }
            Some(Verb::Send(send)) => self.sent(transition, asked, &send.to),
            Some(Verb::Publish(publish)) => {
                let row = transition.before.topic(&publish.topic);
                let subscribers = row.into_iter().flat_map(|row| &row.subscribers);
                self.all(transition, asked, subscribers, Invariant::I16)
            }
            Some(Verb::Broadcast(broadcast)) => {
                let live = transition.before.address_rows().filter(|(address, row)| {
                    let recovers = transition.before.log(address).is_some();
                    row.registration.is_some_and(|known| recovers || known.owner.is_some())
                        && wants(transition, broadcast, address)
                });
                self.all(transition, asked, live.map(|(address, _)| address), Invariant::I23)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Recipients {
    fn sent(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        to: &Recipient,
    ) -> Verdict {
        let mut copies = Copies::read(transition, &asked.request.id);
        copies.once_and_recorded(&asked.request.id)?;
        let (reached, dropped) = (copies.handed_over.len(), copies.dropped.len());
        let delivered = reached + copies.queued.len();
        let silently = match asked.refused {
            _ if !asked.heard || asked.retried => (delivered, dropped) != (0, 0),
            None => delivered + dropped != 1,
            // A queue at its bound: the drop has its record, whether or not the sender hears of it.
            Some(ErrorCode::RateLimited) if !asked.rate_limited => (delivered, dropped) != (0, 1),
            Some(ErrorCode::MessageExpired) => (delivered, dropped) != (0, 1),
            Some(_) => (delivered, dropped) != (0, 0),
        };
        if silently {
            broken(
                Invariant::I21,
                format!(
                    "{} for {to}: {delivered} copies and {dropped} records of a drop",
                    asked.request.id
                ),
            )
        } else {
            Ok(())
        }
    }

    /// A message for many; `missing` is what it breaks if one is left out for no reason at all.
    fn all<'a>(
        &self,
        transition: &'a Transition<'_>,
        asked: &RequestTransition<'_>,
        recipients: impl Iterator<Item = &'a ActorAddress>,
        missing: Invariant,
    ) -> Verdict {
        let mut copies = Copies::read(transition, &asked.request.id);
        copies.once_and_recorded(&asked.request.id)?;
        if asked.accepted().is_none() {
            let expired = asked.refused == Some(ErrorCode::MessageExpired);
            let delivered = copies.handed_over.len() + copies.queued.len();
            return match (delivered, copies.dropped.len()) {
                (0, dropped) if dropped == usize::from(expired) => Ok(()),
                (delivered, dropped) => broken(
                    Invariant::I21,
                    format!(
                        "{} was not carried out: {delivered} copies, {dropped} records of a drop",
                        asked.request.id
                    ),
                ),
            };
        }
        let meant = Meant::of(transition, asked, recipients);
        let dropped: Vec<ActorAddress> =
            copies.dropped.iter().filter_map(|to| to.address()).collect();
        let a_failure = dropped.first();
        let mut reached = std::mem::take(&mut copies.handed_over);
        reached.extend(&dropped);
        reached.extend(&copies.queued);
        reached.sort_unstable();
        if let Some(twice) = reached.windows(2).find(|pair| pair[0] == pair[1]) {
            let evidence = format!("{} has two outcomes at {}", asked.request.id, twice[0]);
            return broken(Invariant::I21, evidence);
        }
        let stranger = reached
            .iter()
            .find(|address| !meant.sure.contains(*address) && !meant.perhaps.contains(*address));
        if let Some(stranger) = stranger {
            let evidence = format!("{} is not meant for {stranger}", asked.request.id);
            return broken(Invariant::I21, evidence);
        }
        let left_out = meant.sure.iter().find(|address| reached.binary_search(*address).is_err());
        match left_out {
            None => Ok(()),
            Some(left_out) => {
                let id = &asked.request.id;
                self.without_reason(transition, id, left_out, a_failure, missing)
            }
        }
    }

    fn without_reason(
        &self,
        transition: &Transition<'_>,
        id: &MessageId,
        left_out: &ActorAddress,
        a_failure: Option<&ActorAddress>,
        missing: Invariant,
    ) -> Verdict {
        let is_full = self.is_full(transition, left_out);
        match (is_full, a_failure) {
            (true, _) => broken(
                Invariant::I21,
                format!("{id} found the queue of {left_out} full and nothing tells of it"),
            ),
            (false, Some(failure)) => broken(
                Invariant::I22,
                format!("{id} did not reach {failure}, and {left_out} is left out for it"),
            ),
            (false, None) => broken(missing, format!("{id} leaves {left_out} out")),
        }
    }
}

impl Recipients {
    /// Returns whether the queue of the address's session may have been at its bound for one more copy.
    fn is_full(&self, transition: &Transition<'_>, address: &ActorAddress) -> bool {
        let Some(owner) = transition.before.owner(address) else { return false };
        let row = transition.was(owner);
        let Queued { mut messages, mut bytes } = row.map(|row| row.queued).unwrap_or_default();
        let mut weight = Outgoing::ENVELOPE_WEIGHT;
        for (key, message) in transition.sent() {
            if matches!(message.body, Body::Delivery(_)) {
                weight = message.weight();
            }
            if key == owner {
                (messages, bytes) = (messages + 1, bytes + message.weight());
            }
        }
        messages >= self.queue_messages_max || messages > 0 && bytes + weight > self.queue_bytes_max
    }
}

/// Returns whether a broadcast is meant for an address that has an owner.
fn wants(transition: &Transition<'_>, broadcast: &Broadcast, address: &ActorAddress) -> bool {
    broadcast.target_capability.as_ref().is_none_or(|wanted| {
        let registration = transition.before.registration(address);
        registration.is_some_and(|known| known.asked().capabilities.contains(wanted))
    })
}

impl<'a> Meant<'a> {
    fn of(
        transition: &'a Transition<'_>,
        asked: &RequestTransition<'_>,
        recipients: impl Iterator<Item = &'a ActorAddress>,
    ) -> Self {
        let mut meant = Self { sure: BTreeSet::new(), perhaps: BTreeSet::new() };
        let row = transition.was(asked.session);
        let own = row.map_or(&[][..], |row| row.addresses.as_slice());
        let excludes =
            matches!(asked.verb(), Some(Verb::Broadcast(broadcast)) if broadcast.exclude_self);
        // Who acts is not sure if one of the session's addresses has just expired.
        let who_acts = if own.iter().any(|address| transition.is_due(address)) {
            None
        } else {
            Some(transition.before.acting_identity(asked.session, &asked.request.from))
        };
        for address in recipients {
            let excluded = excludes
                && match &who_acts {
                    Some(actor) => actor == address,
                    None => false,
                };
            let unsure = transition.is_due(address)
                || excludes && who_acts.is_none() && own.contains(address);
            match (unsure, excluded) {
                (true, _) => drop(meant.perhaps.insert(address)),
                (false, true) => {}
                (false, false) => drop(meant.sure.insert(address)),
            }
        }
        meant
    }
}

impl<'a> Copies<'a> {
    fn read(transition: &Transition<'a>, id: &MessageId) -> Self {
        let mut copies = Self::default();
        for (_, message) in transition.sent() {
            if matches!(&message.body, Body::Delivery(delivery) if delivery.origin == *id) {
                copies.handed_over.push(&message.to);
            }
        }
        for record in transition.records() {
            match record {
                Record::MessageDelivered { message, .. } => {
                    copies.recorded += usize::from(message == id);
                }
                Record::MessageQueued { to, message, .. } if message == id => {
                    copies.queued.push(to);
                }
                Record::MessageDropped { to, message, why } if message == id => match why {
                    DropReason::QueueFull
                    | DropReason::UnknownActor
                    | DropReason::Detached
                    | DropReason::Expired
                    | DropReason::StoreFull => copies.dropped.push(to),
                    // It was queued before.
                    DropReason::Overflow | DropReason::Unclaimed => {}
                },
                _ => {}
            }
        }
        copies
    }

    fn once_and_recorded(&mut self, id: &MessageId) -> Verdict {
        self.handed_over.sort_unstable();
        if let Some(twice) = self.handed_over.windows(2).find(|pair| pair[0] == pair[1]) {
            return broken(Invariant::I18, format!("{id} goes to {} twice", twice[0]));
        }
        let (handed_over, recorded) = (self.handed_over.len(), self.recorded);
        if handed_over == recorded {
            Ok(())
        } else {
            broken(
                Invariant::I21,
                format!("{handed_over} copies of {id} are handed over and {recorded} recorded"),
            )
        }
    }
}
