//! I8, I18, I19 at the hub: each delivery is a copy of the request that the hub is handling.

use std::sync::Arc;

use signal_hub::hub::{Config, Record};
use signal_hub::protocol::{ActorAddress, Body, Delivery, Pattern, Request, Route, Verb};

use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
use super::metadata::{self, Entry};
use super::remembered::{Ask, Remembered, reached_nobody};

/// I8, I15, I18, I19. Remembers whom the copies of each ask went to.
pub struct Handover {
    asks: Remembered<Vec<ActorAddress>>,
    hub_address: ActorAddress,
}

impl Handover {
    pub fn new(config: &Config) -> Self {
        Self { asks: Remembered::new(config), hub_address: config.hub_address.clone() }
    }
}

impl HubObserver for Handover {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        self.asks.see(transition);
        let (mut copies, mut of_latest) = (Vec::new(), None::<&Arc<Delivery>>);
        for (_, message) in transition.sent() {
            let Body::Delivery(delivery) = &message.body else { continue };
            let asked = transition.asked.as_ref().filter(|a| a.request.id == delivery.origin);
            let Some(asked) = asked else {
                // What is replayed has a number, and is the business of I37.
                if message.seq.is_some() {
                    continue;
                }
                return invented(&message.to, "no request carried it");
            };
            if transition.before.owner(&delivery.from) != Some(asked.session) {
                let (session, from) = (asked.session, &delivery.from);
                let evidence = format!("{session} sent as {from}, which it does not own");
                return broken(Invariant::I8, evidence);
            }
            carried_unaltered(transition, asked.request, delivery, &message.to)?;
            // Many copies share one.
            if !of_latest.is_some_and(|latest| Arc::ptr_eq(latest, delivery)) {
                self.metadata_is_the_senders(asked.request, delivery, &message.to)?;
                of_latest = Some(delivery);
            }
            if asked.request.pattern == Pattern::Ask {
                self.once(asked, &copies, delivery, &message.to)?;
                copies.push(message.to.clone());
            }
        }
        if let Some(ask) = carried_out(transition) {
            copies.extend(transition.records().filter_map(|record| match record {
                Record::MessageQueued { to, .. } => Some(to.clone()),
                _ => None,
            }));
            self.asks.insert(transition.now, ask, copies);
        }
        Ok(())
    }

    /// A hub that begins anew cannot know what was asked of the one before.
    fn hub_restarted(&mut self) {
        self.asks.clear();
    }
}

impl Handover {
    /// The sender's keys with their very values, and the hub's own (docs/PROTOCOL.md, section 4).
    fn metadata_is_the_senders(
        &self,
        request: &Request,
        delivery: &Delivery,
        to: &ActorAddress,
    ) -> Verdict {
        let mut expected = metadata::entries(&request.metadata);
        metadata::HUB_KEYS.iter().for_each(|key| drop(expected.remove(*key)));
        let mut add = |key: &'static str, value| expected.insert(key.into(), value);
        add("originalMessageId", Entry::Text(delivery.origin.as_str().into()));
        add("via", Entry::Text(self.hub_address.as_str().into()));
        let mark = match &delivery.route {
            Route::Send => "forwarded",
            Route::Broadcast => "broadcast",
            Route::Publication { topic } => {
                add("topic", Entry::Text(topic.as_str().into()));
                "publication"
            }
        };
        add(mark, Entry::Written("true"));
        if metadata::entries(&delivery.metadata) == expected {
            Ok(())
        } else {
            invented(to, &format!("its metadata is {}", delivery.metadata.as_str()))
        }
    }

    /// What is asked again under its id is the same message; what is told again is another.
    fn once(
        &self,
        asked: &RequestTransition<'_>,
        copies: &[ActorAddress],
        delivery: &Delivery,
        to: &ActorAddress,
    ) -> Verdict {
        let ask = Ask::of(delivery.from.clone(), asked);
        let before = ask.and_then(|ask| self.asks.get(&ask));
        if copies.contains(to) || before.is_some_and(|before| before.contains(to)) {
            broken(
                Invariant::I18,
                format!(
                    "{} of {} goes to {to} again; an ask that is repeated only gets its answer again",
                    delivery.origin, delivery.from
                ),
            )
        } else {
            Ok(())
        }
    }
}

/// The ask that the hub carries out now and has to know again.
pub fn carried_out(transition: &Transition<'_>) -> Option<Ask> {
    let asked = transition.asked.as_ref()?;
    asked.accepted().filter(|_| !reached_nobody(transition, asked.request))?;
    Ask::of(transition.before.acting_identity(asked.session, &asked.request.from), asked)
}

fn invented(to: &ActorAddress, why: &str) -> Verdict {
    broken(Invariant::I19, format!("{to} gets a delivery: {why}"))
}

fn carried_unaltered(
    transition: &Transition<'_>,
    request: &Request,
    delivery: &Delivery,
    to: &ActorAddress,
) -> Verdict {
    let (kind, data) = match (&request.verb, &delivery.route) {
        (Ok(Verb::Send(send)), Route::Send) if send.to == *to => (&send.kind, &send.data),
        (Ok(Verb::Publish(publish)), Route::Publication { topic }) if publish.topic == *topic => {
            if !transition.before.address(to).is_some_and(|row| row.topics.contains(topic)) {
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
    if **kind == *delivery.kind && *data == delivery.payload {
        Ok(())
    } else {
        invented(to, "it is not what was sent")
    }
}
