//! What acknowledgements say: the copies handed over, and to a retry what was said first: I23, I24.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signal_hub::hub::{Config, Input, Output, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, MessageId, Outgoing, Pattern, Reply, Request, Verb,
};
use signal_hub::time::Timestamp;

use super::world::{After, World};
use super::{Invariant, Observer, Violation};
use crate::history::{Event, HubEvent, What};

/// I23, I24: for what delivers, the reply against the copies and against an earlier reply.
pub struct Outcomes {
    /// How long the hub promises to know an ask again.
    dedupe_window: Duration,
    first: BTreeMap<Ask, Reply>,
    /// Copies of asks that were carried out while their session ended: a retry is told of them.
    untold: BTreeMap<Ask, usize>,
    /// All that are in either, oldest first.
    order: VecDeque<(Timestamp, Ask)>,
}

type Ask = (ActorAddress, MessageId);

impl Outcomes {
    pub fn new(config: &Config) -> Self {
        let (first, untold, order) = Default::default();
        Self { dedupe_window: config.dedupe_window, first, untold, order }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, ask)) = self.order.front()
            && now.since(*at) >= self.dedupe_window
        {
            self.first.remove(ask);
            self.untold.remove(ask);
            self.order.pop_front();
        }
    }
}

impl Observer for Outcomes {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        let Input::Frame(key, Ok(ClientFrame::Request(request))) = &hub.input else {
            return Ok(());
        };
        self.forget(hub.now);
        let copies = copies(hub, request).count();
        let ask = (world.acting_identity(*key, &request.from), request.id.clone());
        let Some(reply) = reply_to(hub, *key, request) else {
            if copies > 0 && request.pattern == Pattern::Ask {
                self.order.push_back((hub.now, ask.clone()));
                self.untold.insert(ask, copies);
            }
            return Ok(());
        };
        match self.first.get(&ask) {
            Some(first) if first == reply && copies == 0 => Ok(()),
            Some(first) => Err(Violation::new(
                Invariant::I24,
                format!(
                    "the ask {} of {} got {first:?} and, asked again, {reply:?} and {copies} copies",
                    request.id, request.from
                ),
            )),
            None => {
                let untold = self.untold.remove(&ask);
                if untold.is_none() {
                    self.order.push_back((hub.now, ask.clone()));
                }
                self.first.insert(ask, reply.clone());
                match untold {
                    Some(untold) => told_of(request, reply, untold + copies),
                    None => honest(hub, world, request, reply, copies),
                }
            }
        }
    }

    fn hub_restarted(&mut self) {
        self.first.clear();
        self.untold.clear();
        self.order.clear();
    }
}

/// The acknowledgement of a request that delivers; a refusal is none.
fn reply_to<'a>(hub: &'a HubEvent, key: SessionKey, request: &Request) -> Option<&'a Reply> {
    let delivers =
        matches!(request.verb, Ok(Verb::Send(_) | Verb::Publish(_) | Verb::Broadcast(_)));
    hub.outputs.iter().filter(|_| delivers).find_map(|output| match output {
        Output::Send(to, Outgoing { body: Body::Reply { correlation, reply }, .. })
            if *to == key && correlation.as_ref() == Some(&request.id) =>
        {
            Some(reply.as_ref()).filter(|reply| !matches!(reply, Reply::Error(_)))
        }
        Output::Send(..) | Output::Close(..) | Output::Audit(_) => None,
    })
}

fn copies<'a>(hub: &'a HubEvent, request: &Request) -> impl Iterator<Item = &'a Outgoing> {
    let origin = request.id.clone();
    hub.outputs.iter().filter_map(move |output| match output {
        Output::Send(_, message) => {
            let carried = matches!(&message.body, Body::Delivery(copy) if copy.origin == origin);
            carried.then_some(message)
        }
        Output::Close(..) | Output::Audit(_) => None,
    })
}

fn honest(
    hub: &HubEvent,
    world: &World,
    request: &Request,
    reply: &Reply,
    copies: usize,
) -> Result<(), Violation> {
    if let Reply::BroadcastAck(ack) = reply {
        everyone(hub, world, request, ack.delivered_count + ack.failed_count)?;
    }
    told_of(request, reply, copies)
}

fn told_of(request: &Request, reply: &Reply, copies: usize) -> Result<(), Violation> {
    let told = match reply {
        Reply::DeliveryAck(_) => 1,
        Reply::Published(published) => published.subscriber_count,
        Reply::BroadcastAck(ack) => ack.delivered_count,
        _ => 0,
    };
    match told == copies {
        true => Ok(()),
        false => Err(Violation::new(
            Invariant::I23,
            format!("{} {} told of {told} copies of {copies}", request.type_name, request.id),
        )),
    }
}

/// A broadcast without a target counts all registered addresses.
fn everyone(
    hub: &HubEvent,
    world: &World,
    request: &Request,
    counted: usize,
) -> Result<(), Violation> {
    let Ok(Verb::Broadcast(broadcast)) = &request.verb else { return Ok(()) };
    if broadcast.target_capability.is_some() {
        return Ok(());
    }
    let after = After { world, event: hub };
    let sender = hub.input.session().map(|key| world.acting_identity(key, &request.from));
    let meant = |address: &&ActorAddress| {
        let is_sender = Some(*address) == sender.as_ref();
        after.owner(address).is_some() && !(broadcast.exclude_self && is_sender)
    };
    let registered = world.addresses().filter(meant).count();
    match registered == counted {
        true => Ok(()),
        false => Err(Violation::new(
            Invariant::I23,
            format!("broadcast {} counted {counted} actors of {registered}", request.id),
        )),
    }
}
