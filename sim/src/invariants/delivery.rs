//! What is delivered, to whom, in which order, and what asks get: I8, I15, I18, I19, I20, I24.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signal_hub::hub::{Config, Input, Output, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, Delivery, ErrorCode, Json, MessageId, Pattern, Reply, Request,
    Route, Verb,
};
use signal_hub::time::Timestamp;

use super::world::{After, World};
use super::{Invariant, Observer, Violation};
use crate::history::{ClientEvent, ClientName, Event, HubEvent, What};

/// I8, I18, I19 at the hub: each delivery is a copy of the request that the hub is handling.
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

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, copy)) = self.order.front()
            && now.since(*at) >= self.dedupe_window
        {
            self.delivered.remove(copy);
            self.order.pop_front();
        }
    }
}

impl Observer for Handover {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        self.forget(hub.now);
        for output in &hub.outputs {
            let Output::Send(_, message) = output else { continue };
            let Body::Delivery(delivery) = &message.body else { continue };
            let Some((sender, request)) = request(hub).filter(|(_, r)| r.id == delivery.origin)
            else {
                return Err(invented(&message.to, "no request carried it"));
            };
            if world.owner(&delivery.from) != Some(sender) {
                return Err(Violation::new(
                    Invariant::I8,
                    format!("s{} sent as {}, which it does not own", sender.0, delivery.from),
                ));
            }
            carried_unaltered(world, request, delivery, &message.to)?;
            let copy = (delivery.from.clone(), delivery.origin.clone(), message.to.clone());
            self.order.push_back((hub.now, copy.clone()));
            if !self.delivered.insert(copy) {
                let evidence = format!("{} goes to {} again", delivery.origin, message.to);
                return Err(Violation::new(Invariant::I18, evidence));
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

fn request(hub: &HubEvent) -> Option<(SessionKey, &Request)> {
    match &hub.input {
        Input::Frame(key, Ok(ClientFrame::Request(request))) => Some((*key, request)),
        _ => None,
    }
}

fn invented(to: &ActorAddress, why: &str) -> Violation {
    Violation::new(Invariant::I19, format!("{to} gets a delivery: {why}"))
}

fn carried_unaltered(
    world: &World,
    request: &Request,
    delivery: &Delivery,
    to: &ActorAddress,
) -> Result<(), Violation> {
    let (kind, data) = match (&request.verb, &delivery.route) {
        (Ok(Verb::Send(send)), Route::Send) if send.to == *to => (&send.kind, &send.data),
        (Ok(Verb::Publish(publish)), Route::Publication { topic }) if publish.topic == *topic => {
            if !world.address(to).is_some_and(|row| row.topics.contains(topic)) {
                let evidence =
                    format!("{to} gets a publication on {topic}, which it does not have");
                return Err(Violation::new(Invariant::I15, evidence));
            }
            (&publish.kind, &publish.data)
        }
        (Ok(Verb::Broadcast(broadcast)), Route::Broadcast) => {
            if broadcast.exclude_self && delivery.from == *to {
                return Err(invented(to, "its sender wanted no copy"));
            }
            (&broadcast.kind, &broadcast.data)
        }
        _ => return Err(invented(to, "the request was not meant for it")),
    };
    match *kind == delivery.kind && *data == delivery.payload {
        true => Ok(()),
        false => Err(invented(to, "it is not what was sent")),
    }
}

/// I18, I19, I20 at the clients: what arrives is what the hub handed over, once and in order.
#[derive(Default)]
pub struct Arrival {
    /// Copies that have not arrived; several of one message if the hub forgot an ask and was asked
    /// again.
    under_way: BTreeMap<Copy, Vec<HandedOver>>,
    count: BTreeMap<Sender, u64>,
    /// For each sender and receiving connection, the last that arrived.
    latest: BTreeMap<(Sender, ClientName, u32), u64>,
    connections: BTreeMap<ClientName, u32>,
    restarts: u32,
}

struct HandedOver {
    kind: String,
    payload: Json,
    sender: Sender,
    /// The how manieth request of the sender it was.
    number: u64,
}

/// A session of one life of the hub.
type Sender = (u32, SessionKey);

impl Observer for Arrival {
    fn observe(&mut self, event: &Event, _world: &World) -> Result<(), Violation> {
        match &event.what {
            What::HubStarted { restarts } => self.restarts = *restarts,
            What::Hub(hub) => self.note(hub),
            What::Client { client, event: ClientEvent::Opened { connection } } => {
                self.connections.insert(client.clone(), *connection);
            }
            What::Client { client, event: ClientEvent::Received(frame) } => {
                if let HubFrame::Message(message) = frame.as_ref() {
                    return self.received(client, message);
                }
            }
            What::Client { .. }
            | What::Net(_)
            | What::Step { .. }
            | What::Run(_)
            | What::HubStopped { .. } => {}
        }
        Ok(())
    }
}

impl Arrival {
    fn note(&mut self, hub: &HubEvent) {
        let Some((key, _)) = request(hub) else { return };
        let sender = (self.restarts, key);
        let count = self.count.entry(sender).or_default();
        *count += 1;
        for output in &hub.outputs {
            let Output::Send(_, message) = output else { continue };
            let Body::Delivery(delivery) = &message.body else { continue };
            let handed_over = HandedOver {
                kind: delivery.kind.clone(),
                payload: delivery.payload.clone(),
                sender,
                number: *count,
            };
            let copy = (delivery.from.clone(), delivery.origin.clone(), message.to.clone());
            self.under_way.entry(copy).or_default().push(handed_over);
        }
    }

    fn received(&mut self, client: &ClientName, message: &HubMessage) -> Result<(), Violation> {
        let HubBody::Delivery { kind, payload, origin, .. } = &message.body else { return Ok(()) };
        let Some(origin) = origin else { return Err(invented(&message.to, "it has no origin")) };
        let copy = (message.from.clone(), origin.clone(), message.to.clone());
        let Some(under_way) = self.under_way.get_mut(&copy) else {
            return Err(invented(&message.to, "the hub did not hand it over"));
        };
        if under_way.is_empty() {
            let evidence = format!("{origin} reached {} again, at {client}", message.to);
            return Err(Violation::new(Invariant::I18, evidence));
        }
        let connection = self.connections.get(client).copied().unwrap_or_default();
        let latest = |sender| {
            let latest = self.latest.get(&(sender, client.clone(), connection));
            latest.copied().unwrap_or_default()
        };
        let same = |copy: &HandedOver| (&copy.kind, &copy.payload) == (kind, payload);
        // An earlier copy may have been lost with its connection.
        let in_order = |copy: &HandedOver| same(copy) && copy.number >= latest(copy.sender);
        let Some(place) =
            under_way.iter().position(in_order).or_else(|| under_way.iter().position(same))
        else {
            return Err(invented(&message.to, "it was altered on the way"));
        };
        let HandedOver { sender, number, .. } = under_way.remove(place);
        // One request may bring a session several copies: one for each of its addresses.
        let before = latest(sender);
        if number < before {
            return Err(Violation::new(
                Invariant::I20,
                format!("{client} got request {number} of s{} after request {before}", sender.1.0),
            ));
        }
        self.latest.insert((sender, client.clone(), connection), number);
        Ok(())
    }
}

/// I24: replies go where they belong, one for each ask.
pub struct Replies;

impl Observer for Replies {
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        let asked = request(hub);
        let mut count = 0;
        for output in &hub.outputs {
            let Output::Send(key, message) = output else { continue };
            let Body::Reply { correlation: Some(id), reply } = &message.body else { continue };
            match asked {
                Some((session, request)) if session == *key && request.id == *id => {
                    count += 1;
                    quiet_tell(request, reply)?;
                }
                _ if matches!(hub.input, Input::Frame(from, Err(_)) if from == *key) => {}
                Some(_) | None => {
                    let evidence = format!(
                        "s{} gets {} for {id}, which it did not ask now",
                        key.0,
                        reply.type_name()
                    );
                    return Err(Violation::new(Invariant::I24, evidence));
                }
            }
        }
        let Some((key, request)) = asked else { return Ok(()) };
        let stays = world.is_open(key)
            && After { world, event: hub }.session(key).is_some_and(super::world::is_open);
        let expected = usize::from(request.pattern == Pattern::Ask);
        if stays && request.pattern == Pattern::Ask && count != expected || count > 1 {
            return Err(Violation::new(
                Invariant::I24,
                format!(
                    "the ask {} {} of s{} got {count} replies",
                    request.type_name, request.id, key.0
                ),
            ));
        }
        Ok(())
    }
}

fn quiet_tell(request: &Request, reply: &Reply) -> Result<(), Violation> {
    let told = match reply {
        Reply::HeartbeatAck(_) | Reply::Disconnected(_) => true,
        Reply::Error(refusal) => refusal.code == ErrorCode::RateLimited,
        _ => false,
    };
    match request.pattern == Pattern::Tell && !told {
        true => Err(Violation::new(
            Invariant::I24,
            format!("the tell {} got {}", request.type_name, reply.type_name()),
        )),
        false => Ok(()),
    }
}
