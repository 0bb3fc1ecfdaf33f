//! I18, I19, I20, I21 at the clients: what arrives is what the hub handed over, once, in order, and
//! nothing is lost on a connection that stays. And how long it took: L7.
//!
//! Each message of the hub bears an id of its own, by which an arrival finds its copy.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::{Output, Queued, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage};
use signal_hub::protocol::{ActorAddress, Body, Delivery};
use uuid::Uuid;

use super::super::liveness::Delays;
use super::super::shadow::is_open;
use super::super::{Invariant, RunObserver, Shadow, Verdict, broken};
use super::metadata;
use crate::history::{ClientEvent, ClientName, Event, HubEvent, Milestone, What};

/// When what the hub has written has arrived, once the faults are over.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// Arrivals of one session that are remembered, to tell what comes twice from what nobody sent.
const ARRIVED_MAX: usize = 256;

/// I18, I19, I20, I21, L7.
#[derive(Default)]
pub struct Arrival {
    delays: Option<Delays>,
    sessions: BTreeMap<Session, Stream>,
    /// Which session each copy went to that has not arrived, or arrived lately.
    places: BTreeMap<Id, Session>,
    /// The session of each connection that something arrived on.
    connections: BTreeMap<ClientName, Session>,
    restarts: u32,
}

/// The UUID of a message: numbers compare faster.
type Id = u128;
/// A session of one life of the hub.
type Session = (u32, SessionKey);

/// The copies of one session.
#[derive(Default)]
struct Stream {
    /// On their way, in the order of handing over.
    under_way: VecDeque<Copy>,
    /// Copies that a later one of the same sender came before.
    overtaken: Vec<Copy>,
    /// The latest that arrived.
    arrived: VecDeque<Id>,
}

struct Copy {
    id: Id,
    to: ActorAddress,
    delivery: Arc<Delivery>,
    sender: SessionKey,
    at: Duration,
    /// Bytes in the session's queue, this one included.
    queued: usize,
}

impl Arrival {
    /// Judges delays, too, where there is a bound for them.
    pub fn new(delays: Option<Delays>) -> Self {
        Self { delays, ..Self::default() }
    }
}

impl RunObserver for Arrival {
    fn observe(&mut self, event: &Event, shadow: &Shadow) -> Verdict {
        match &event.what {
            What::HubStarted { restarts } => self.restarts = *restarts,
            What::Hub(hub) => self.note(event.at, hub),
            What::Client { client, event: happened } => match happened {
                ClientEvent::Received(frame) => {
                    if let HubFrame::Message(message) = frame {
                        return self.received(event.at, client, message);
                    }
                }
                ClientEvent::Lost { .. } => return self.lost(client),
                ClientEvent::Opened { .. }
                | ClientEvent::Started { .. }
                | ClientEvent::Sent(_)
                | ClientEvent::Ended
                | ClientEvent::Told { .. }
                | ClientEvent::Said(_) => {}
            },
            What::Run(Milestone::Calm) => return self.all_arrived(event.at, shadow),
            What::Net(_) | What::Step { .. } | What::Run(_) | What::HubStopped { .. } => {}
        }
        Ok(())
    }
}

impl Arrival {
    fn note(&mut self, at: Duration, hub: &HubEvent) {
        let Some(sender) = hub.input.session() else { return };
        for output in &hub.outputs {
            let Output::Send(key, message) = output else { continue };
            let Body::Delivery(delivery) = &message.body else { continue };
            let (session, id) = ((self.restarts, *key), message.id.as_u128());
            let queued = match self.delays {
                Some(_) => {
                    let row = hub.touched.sessions.get(key).and_then(Option::as_ref);
                    row.map_or(0, |row| row.queued.bytes)
                }
                None => 0,
            };
            self.places.insert(id, session);
            let (to, delivery) = (message.to.clone(), Arc::clone(delivery));
            let copy = Copy { id, to, delivery, sender, at, queued };
            self.sessions.entry(session).or_default().under_way.push_back(copy);
        }
    }

    fn received(&mut self, at: Duration, client: &ClientName, message: &HubMessage) -> Verdict {
        let HubBody::Delivery { kind, payload, origin, .. } = &message.body else { return Ok(()) };
        let place = |id| Some((id, *self.places.get(&id)?));
        let id = Uuid::try_parse(message.id.as_str()).ok();
        let place = id.and_then(|id| place(id.as_u128()));
        let stream = place.and_then(|(_, session)| self.sessions.get_mut(&session));
        let (Some((id, session)), Some(stream)) = (place, stream) else {
            return invented(&message.to, "the hub did not hand it over");
        };
        let Some(copy) = stream.take(id) else {
            return stream.out_of_turn(client, id, message);
        };
        let sent = &copy.delivery;
        if (&sent.from, &*sent.kind, &sent.payload, Some(&sent.origin), &copy.to)
            != (&message.from, kind.as_str(), payload, origin.as_ref(), &message.to)
            || !metadata::is_same(&sent.metadata, &message.metadata, message.seq.is_some())
        {
            return invented(&message.to, "it was altered on the way");
        }
        if let Some(delays) = &self.delays {
            delays.check(client, &copy.delivery.origin, at.saturating_sub(copy.at), copy.queued)?;
        }
        stream.arrived.push_back(copy.id);
        if stream.arrived.len() > ARRIVED_MAX
            && let Some(oldest) = stream.arrived.pop_front()
        {
            self.places.remove(&oldest);
        }
        if self.connections.get(client) != Some(&session) {
            self.connections.insert(client.clone(), session);
        }
        Ok(())
    }

    /// What was still on its way is lost with the connection; what was overtaken was lost before.
    fn lost(&mut self, client: &ClientName) -> Verdict {
        let session = self.connections.remove(client);
        let Some(stream) = session.and_then(|session| self.sessions.remove(&session)) else {
            return Ok(());
        };
        stream.has_no_gap()?;
        stream.leave(&mut self.places);
        Ok(())
    }

    /// Nothing new was said for long: what the hub has written to whoever is there has arrived.
    fn all_arrived(&mut self, at: Duration, shadow: &Shadow) -> Verdict {
        for ((restarts, key), stream) in &self.sessions {
            stream.has_no_gap()?;
            let row = shadow.session(*key).filter(|_| *restarts == self.restarts);
            let is_written = row.is_some_and(|row| is_open(row) && row.queued == Queued::default());
            let mut copies = stream.under_way.iter();
            let missing = copies.find(|copy| {
                is_written && copy.delivery.ttl.is_none() && copy.at + ARRIVES_WITHIN <= at
            });
            if let Some(copy) = missing {
                return copy.is_missing("it is calm, and that has not arrived");
            }
        }
        let places = &mut self.places;
        self.sessions.retain(|(restarts, key), stream| {
            let stays = *restarts == self.restarts && shadow.is_open(*key);
            if !stays {
                stream.leave(places);
            }
            stays
        });
        Ok(())
    }
}

impl Stream {
    /// The copy that arrives; those before it from the same sender are overtaken.
    fn take(&mut self, id: Id) -> Option<Copy> {
        let place = self.under_way.iter().position(|copy| copy.id == id)?;
        let copy = self.under_way.remove(place)?;
        let mut ahead: Vec<Copy> = self.under_way.drain(..place).collect();
        for earlier in ahead.drain(..).rev() {
            if earlier.sender == copy.sender {
                self.overtaken.push(earlier)
            } else {
                self.under_way.push_front(earlier)
            }
        }
        Some(copy)
    }

    /// What arrives though it is not under way.
    fn out_of_turn(&self, client: &ClientName, id: Id, message: &HubMessage) -> Verdict {
        let late = self.overtaken.iter().find(|copy| copy.id == id);
        match late {
            Some(copy) => broken(
                Invariant::I20,
                format!(
                    "{client} got {} of {} after a later one of its",
                    copy.delivery.origin, copy.sender
                ),
            ),
            None => broken(
                Invariant::I18,
                format!("{} reached {} again, at {client}", message.id, message.to),
            ),
        }
    }

    /// Only a copy whose time was over is left out of a stream.
    fn has_no_gap(&self) -> Verdict {
        match self.overtaken.iter().find(|copy| copy.delivery.ttl.is_none()) {
            None => Ok(()),
            Some(copy) => copy.is_missing("later ones of its sender came, it did not"),
        }
    }

    fn leave(&self, places: &mut BTreeMap<Id, Session>) {
        let copies = self.under_way.iter().chain(&self.overtaken);
        for id in copies.map(|copy| &copy.id).chain(&self.arrived) {
            places.remove(id);
        }
    }
}

impl Copy {
    fn is_missing(&self, how: &str) -> Verdict {
        let (origin, to) = (&self.delivery.origin, &self.to);
        broken(Invariant::I21, format!("{origin} was handed over to {to}: {how}"))
    }
}

fn invented(to: &ActorAddress, why: &str) -> Verdict {
    broken(Invariant::I19, format!("{to} gets a delivery: {why}"))
}
