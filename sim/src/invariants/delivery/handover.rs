//! I8, I18, I19 at the hub: each delivery is a copy of the request that the hub is handling.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::protocol::{
    ActorAddress, Body, Delivery, MessageId, Pattern, Request, Route, Verb,
};
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Moment, Verdict, broken};

/// I8, I15, I18, I19.
pub struct Handover {
    /// How long the hub promises to know an ask again.
    dedupe_window: Duration,
    delivered: BTreeSet<Copy>,
    /// The same, oldest first.
    order: VecDeque<(Timestamp, Copy)>,
}

/// One sender's message for one recipient.
type Copy = (ActorAddress, MessageId, ActorAddress);

impl Handover {
    pub fn new(config: &Config) -> Self {
        let (delivered, order) = (BTreeSet::new(), VecDeque::new());
        Self { dedupe_window: config.dedupe_window, delivered, order }
    }

    /// An id that is asked again is the same message; one that is told again is another.
    fn once(&mut self, now: Timestamp, delivery: &Delivery, to: &ActorAddress) -> Verdict {
        let copy = (delivery.from.clone(), delivery.origin.clone(), to.clone());
        self.order.push_back((now, copy.clone()));
        match self.delivered.insert(copy) {
            true => Ok(()),
            false => broken(Invariant::I18, format!("{} goes to {to} again", delivery.origin)),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, copy)) = self.order.front()
            && now.since(*at) >= self.dedupe_window
        {
            self.delivered.remove(copy);
            self.order.pop_front();
        }
    }
}

impl HubObserver for Handover {
    fn observe(&mut self, moment: &Moment<'_>) -> Verdict {
        self.forget(moment.now);
        for (_, message) in moment.sent() {
            let Body::Delivery(delivery) = &message.body else { continue };
            let asked = moment.asked.as_ref().filter(|a| a.request.id == delivery.origin);
            let Some(asked) = asked else {
                return invented(&message.to, "no request carried it");
            };
            if moment.before.owner(&delivery.from) != Some(asked.session) {
                let (session, from) = (asked.session.0, &delivery.from);
                let evidence = format!("s{session} sent as {from}, which it does not own");
                return broken(Invariant::I8, evidence);
            }
            carried_unaltered(moment, asked.request, delivery, &message.to)?;
            if asked.request.pattern == Pattern::Ask {
                self.once(moment.now, delivery, &message.to)?;
            }
        }
        Ok(())
    }

    /// A hub that begins anew cannot know what was asked of the one before.
    fn hub_restarted(&mut self) {
        self.delivered.clear();
        self.order.clear();
    }
}

fn invented(to: &ActorAddress, why: &str) -> Verdict {
    broken(Invariant::I19, format!("{to} gets a delivery: {why}"))
}

fn carried_unaltered(
    moment: &Moment<'_>,
    request: &Request,
    delivery: &Delivery,
    to: &ActorAddress,
) -> Verdict {
    let (kind, data) = match (&request.verb, &delivery.route) {
        (Ok(Verb::Send(send)), Route::Send) if send.to == *to => (&send.kind, &send.data),
        (Ok(Verb::Publish(publish)), Route::Publication { topic }) if publish.topic == *topic => {
            if !moment.before.address(to).is_some_and(|row| row.topics.contains(topic)) {
                let evidence =
                    format!("{to} gets a publication on {topic}, which it does not have");
                return broken(Invariant::I15, evidence);
            }
            (&publish.kind, &publish.data)
        }
        (Ok(Verb::Broadcast(broadcast)), Route::Broadcast) => {
            if broadcast.exclude_self && delivery.from == *to {
                return invented(to, "its sender wanted no copy");
            }
            (&broadcast.kind, &broadcast.data)
        }
        _ => return invented(to, "the request was not meant for it"),
    };
    match *kind == delivery.kind && *data == delivery.payload {
        true => Ok(()),
        false => invented(to, "it is not what was sent"),
    }
}
