//! I40, I41 and L9: what clients that recover hand to their users, over all their connections, and
//! whether they come back to what the hub keeps.

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::hub::{Input, Record};
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage};
use signal_hub::protocol::{
    ActorAddress, ClientFrame, Epoch, MessageId, Position, Reply, Request, SessionId, Verb,
};

use super::super::{Invariant, RunObserver, Shadow, Verdict, broken};
use crate::history::{ClientEvent, ClientKind, ClientName, Event, HubEvent, Milestone, Told, What};
use crate::scenario::{Act, Action, Step, What as Doing, Who, address};

/// I40, I41, L9.
#[derive(Default)]
pub struct Readers {
    readers: BTreeMap<(ClientName, ActorAddress), Reader>,
    sessions: BTreeMap<SessionId, ClientName>,
    healed: bool,
}

/// One address of one client.
#[derive(Default)]
struct Reader {
    /// What the hub said first, for who has read nothing.
    first: Option<Position>,
    /// How far its user has read, or where a gap that was told ended.
    at: Option<Position>,
    /// The epoch in which the latest gap began.
    before: Option<Epoch>,
    /// Messages that are to come by the latest recovery.
    due: u64,
    /// Numbers that it said not to come, among those or behind them.
    expired: u64,
    handed_over: BTreeSet<Position>,
    /// Its latest registration, and how far it had read when it asked for that.
    registration: Option<(MessageId, Option<Position>)>,
    /// A step had it give the address up or ask for it: it may begin anew, nobody knows when.
    begins_anew: bool,
}

impl RunObserver for Readers {
    fn observe(&mut self, event: &Event, shadow: &Shadow) -> Verdict {
        match &event.what {
            What::Client { client, event } if client.kind == ClientKind::Client => {
                self.client(client, event)
            }
            What::Hub(hub) if self.healed => self.hub(hub, shadow),
            What::Step { step, .. } => {
                self.step(step);
                Ok(())
            }
            What::Run(Milestone::Heal) => {
                self.healed = true;
                Ok(())
            }
            What::Client { .. }
            | What::Hub(_)
            | What::Net(_)
            | What::Run(_)
            | What::HubStarted { .. }
            | What::HubStopped { .. } => Ok(()),
        }
    }
}

impl Readers {
    fn client(&mut self, client: &ClientName, event: &ClientEvent) -> Verdict {
        match event {
            ClientEvent::Told { address, told } => {
                let reader = self.reader(client, address);
                reader.told(told).or_else(|(invariant, why)| {
                    broken(invariant, format!("{client}: {address} {why}"))
                })
            }
            ClientEvent::Received(HubFrame::Message(message)) => {
                self.received(client, message);
                Ok(())
            }
            ClientEvent::Sent(ClientFrame::Request(request)) => {
                if let Ok(Verb::Register(register)) = &request.verb
                    && register.recovery.is_some()
                {
                    let reader = self.reader(client, &register.actor_address);
                    reader.registration = Some((request.id.clone(), reader.read()));
                }
                Ok(())
            }
            ClientEvent::Received(HubFrame::Pong)
            | ClientEvent::Sent(ClientFrame::Ping)
            | ClientEvent::Started { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Lost { .. }
            | ClientEvent::Ended
            | ClientEvent::Said(_) => Ok(()),
        }
    }

    fn reader(&mut self, client: &ClientName, address: &ActorAddress) -> &mut Reader {
        self.readers.entry((client.clone(), address.clone())).or_default()
    }

    fn received(&mut self, client: &ClientName, message: &HubMessage) {
        let HubBody::Reply { reply, .. } = &message.body else { return };
        if let Reply::Connected(connected) = reply {
            self.sessions.insert(connected.session_id, client.clone());
        } else if let Reply::Registered(registered) = reply
            && let Some(position) = registered.recovery.as_ref().and_then(|told| told.position())
        {
            self.reader(client, &registered.actor_address).first.get_or_insert(position);
        }
    }

    fn step(&mut self, step: &Step) {
        let Doing::Act { who: Who::Client(actor), act: Act::Do(action), .. } = &step.what else {
            return;
        };
        let (Action::Register { address: named, .. } | Action::Unregister { address: named }) =
            action
        else {
            return;
        };
        let named = address(named.as_deref().unwrap_or(actor));
        for ((client, of), reader) in &mut self.readers {
            reader.begins_anew |= *client.actor == **actor && named.as_ref() == Ok(of);
        }
    }

    /// L9: a client that comes back recovers, if the hub still has everything after what it has read.
    fn hub(&mut self, hub: &HubEvent, shadow: &Shadow) -> Verdict {
        let Input::Frame(key, Ok(ClientFrame::Request(request))) = &hub.input else {
            return Ok(());
        };
        let Some(row) = shadow.session(*key) else { return Ok(()) };
        let Some(client) = self.sessions.get(&row.id) else { return Ok(()) };
        for record in hub.records() {
            let Record::RecoveryAnswered { actor_address, recovered: false, reason, .. } = record
            else {
                continue;
            };
            let reader = self.readers.get(&(client.clone(), actor_address.clone()));
            let read = reader.and_then(|reader| reader.shows(request));
            let log = shadow.log(actor_address);
            let log = log.filter(|log| log.due.is_none_or(|due| due > hub.now));
            let forgotten = |record: &Record| matches!(record, Record::ActorForgotten { actor_address: of, .. } if of == actor_address);
            if let (Some(read), Some(log)) = (read, log)
                && log.epoch == read.epoch
                && (log.floor..=log.last).contains(&read.after)
                && !hub.records().any(forgotten)
            {
                let evidence = format!(
                    "{client} has read {} for {actor_address}, and is told {reason:?} of {log:?}",
                    read.after
                );
                return broken(Invariant::L9, evidence);
            }
        }
        Ok(())
    }
}

impl Reader {
    fn read(&self) -> Option<Position> {
        self.at.or(self.first)
    }

    /// How far it had read when it asked for this, if that is its latest registration.
    fn shows(&self, request: &Request) -> Option<Position> {
        let latest = self.registration.as_ref().filter(|(id, _)| *id == request.id);
        latest.and_then(|(_, read)| *read).filter(|_| !self.begins_anew)
    }

    fn told(&mut self, told: &Told) -> Result<(), (Invariant, String)> {
        match told {
            Told::Message(position) => self.message(*position),
            Told::Recovered { replayed, ttl_expired } => {
                (self.due, self.expired) = (*replayed, *ttl_expired);
                self.skip_the_expired();
                Ok(())
            }
            Told::Gap(position) => {
                let from = self.read();
                self.before = from.map(|from| from.epoch).or(self.before);
                (self.at, self.due, self.expired) = (*position, 0, 0);
                Ok(())
            }
        }
    }

    fn message(&mut self, position: Position) -> Result<(), (Invariant, String)> {
        let Position { epoch, after } = position;
        if !self.handed_over.insert(position) {
            return Err((Invariant::I41, format!("gets {after} of {epoch} again")));
        }
        let Some(at) = self.at.filter(|_| !self.begins_anew) else {
            self.has_read(position);
            return Ok(());
        };
        if at.epoch != epoch {
            // What came before a gap was told may wait until then.
            let waited = self.before == Some(epoch);
            let why = || (Invariant::I40, format!("goes on in {epoch}, and was in {}", at.epoch));
            return if waited { Ok(()) } else { Err(why()) };
        }
        let missing = after.saturating_sub(at.after + 1);
        if missing > self.expired {
            let (from, expired) = (at.after, self.expired);
            let why = format!("gets {after} after {from}, and was told of {expired} that expired");
            return Err((Invariant::I40, why));
        }
        self.expired -= missing;
        self.has_read(Position { epoch, after: after.max(at.after) });
        Ok(())
    }

    fn has_read(&mut self, at: Position) {
        self.at = Some(at);
        self.due = self.due.saturating_sub(1);
        self.skip_the_expired();
    }

    /// Once nothing more is to come, it has read as far as the hub had got.
    fn skip_the_expired(&mut self) {
        if let Some(at) = self.at.as_mut().filter(|_| self.due == 0) {
            at.after += std::mem::take(&mut self.expired);
        }
    }
}
