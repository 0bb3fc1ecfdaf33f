//! Judges a hub from outside: by what clients did and saw, and by what the hub promises.
//!
//! `known` is what can be told of a hub's state by that; what an event says against the hub is judged where the
//! event is read: `answers` to what was asked, `sayings` that arrived, what was told of `addresses`, and `links`,
//! connections, for what comes only with time.

mod addresses;
mod answers;
mod claims;
mod copies;
mod finding;
mod known;
mod links;
mod refusals;
mod sayings;
#[cfg(test)]
mod tests;
mod topics;
mod versions;

use dst::coverage::Sightings;
use dst::history::{ClientKind, ClientName, Milestone};
use dst::net::Fault;
use dst::scenario::{Act, HubAction, ProcessAct, What as Doing, Who};
use dst::verdict::{self, Time};
use signal_hub::protocol::ClientFrame;
use signal_hub::protocol::codec::{Bounds, decode_client_frame};

use super::dialect::{Heard, Notice, Promise, Promises, Report};
use super::history::{ClientEvent, Event, What};
use super::{Agreement, AnyHub, Scenario, Violation};
use crate::history::PROBE;
use crate::invariants::Invariant;
use crate::scenario::Action;
pub use finding::{FROM_OUTSIDE, Finding};
use known::{Known, Verdict, broken, plain};
use sayings::Delivered;

/// The close code of an end that is planned.
const GOING_AWAY: u16 = 1001;
/// What a hub without bounds of its own takes.
const UNBOUND: Bounds = Bounds {
    hub_address: None,
    type_bytes_max: usize::MAX,
    metadata_bytes_max: usize::MAX,
    registration_metadata_bytes_max: usize::MAX,
    registration_metadata_depth_max: usize::MAX,
    capabilities_max: usize::MAX,
    capability_bytes_max: usize::MAX,
};

/// Judges one run.
pub struct Judge {
    known: Known,
}

impl verdict::Judge<AnyHub> for Judge {
    fn new(scenario: &Scenario, _time: Time) -> Self {
        Self::of(scenario.hub.promises())
    }

    fn observe(&mut self, event: &Event) -> Verdict {
        self.known.tick(event.at);
        match &event.what {
            What::Client { client, event } => self.client(client, event),
            What::Step { step, .. } => {
                self.step(&step.what);
                Ok(())
            }
            What::HubStopped { .. } => {
                self.known.wipe();
                Ok(())
            }
            What::HubStarted { .. } => {
                self.known.ending = None;
                Ok(())
            }
            What::Run(milestone) => self.milestone(*milestone),
            What::Hub(_) | What::Net(_) => Ok(()),
        }
    }
}

impl Judge {
    /// Of a hub that promises this.
    pub fn of(promises: Promises) -> Self {
        Self { known: Known::new(promises) }
    }

    /// Nobody waits for the answer to the operation of this id.
    pub fn excuse(&mut self, id: &str) {
        self.known.excused.insert(id.to_owned());
    }

    /// What was decided so far in the run of a seed, and what was not.
    pub fn sightings(&self, seed: u64) -> Sightings<Finding> {
        Sightings::of_run(seed, |finding| self.known.times(finding))
    }

    fn client(&mut self, client: &ClientName, event: &ClientEvent) -> Verdict {
        let known = &mut self.known;
        match event {
            ClientEvent::Opened { connection } => known.open(client, *connection),
            ClientEvent::Asked { connection, operation } => {
                if let Some(link) = known.find(client, *connection) {
                    known.ask(link, operation);
                }
            }
            ClientEvent::Heard { connection, heard } => {
                if let Some(link) = known.find(client, *connection)
                    && known.links[link].is_open()
                {
                    known.hears(link);
                    return self.heard(link, heard);
                }
            }
            ClientEvent::Lost { connection, code, own } => {
                if let Some(link) = known.find(client, *connection)
                    && known.links[link].is_open()
                {
                    return self.lost(link, *code, *own);
                }
            }
            // Whoever comes then takes the place of one that had lost its address.
            ClientEvent::Started if known.since_heal.is_some() => {
                let is_other = |other: &ClientName| other.actor == client.actor && other != client;
                for link in known.open_links(is_other) {
                    known.links[link].excused = true;
                }
            }
            ClientEvent::Started | ClientEvent::Ended | ClientEvent::Said(_) => {}
        }
        Ok(())
    }

    fn heard(&mut self, link: usize, heard: &Heard) -> Verdict {
        let known = &mut self.known;
        match &heard.report {
            Report::Delivered { from, to, topic, payload } => {
                let (from, to, topic) = (from.as_deref(), to.as_deref(), topic.as_deref());
                // Those that do not come, the director misses.
                if payload.get(PROBE).is_some() {
                    known.count(Invariant::L4, true);
                }
                known.delivered(&Delivered { link, from, to, topic, payload })
            }
            Report::Told { what, address } => self.told(link, *what, address.as_deref()),
            Report::Unreadable { why } => {
                let who = known.text(link);
                broken(Invariant::I19, format!("{who} heard what nobody can read: {why}"))
            }
            report => match report.answers() {
                Some(id) => known.answered(link, id, report),
                None => Ok(()),
            },
        }
    }

    fn told(&mut self, link: usize, what: Notice, address: Option<&str>) -> Verdict {
        let known = &mut self.known;
        let all = || known.links[link].ever.iter().cloned().collect::<Vec<_>>();
        let names = address.map_or_else(all, |address| vec![plain(address).to_owned()]);
        match what {
            Notice::Superseded => names.iter().try_for_each(|name| known.superseded(name, link)),
            Notice::Expired => names.iter().try_for_each(|name| known.expired(name, link)),
            Notice::Shutdown => {
                known.links[link].told_shutdown = true;
                Ok(())
            }
            Notice::Pause | Notice::Resume => Ok(()),
        }
    }

    /// I5, I31, L8: a connection is gone.
    fn lost(&mut self, link: usize, code: Option<u16>, own: bool) -> Verdict {
        let known = &mut self.known;
        if let Some(code) = code.filter(|_| !own) {
            if Some(code) == known.promises.superseded_code && known.keeps(Promise::TakeoverTold) {
                let is_told = !known.links[link].superseded.is_empty();
                known.decide(Invariant::I5, is_told, |known| {
                    let who = known.text(link);
                    format!("{who} was closed with {code} for a takeover that it was not told of")
                })?;
            }
            let judged = known.keeps(Promise::IdleTimeout) && !known.skewed;
            if judged && Some(code) == known.promises.idle_code {
                let idle = known.promises.idle_timeout.unwrap_or_default();
                // What was asked since may not have reached the hub.
                let heard = known.links[link].answered.at.max(known.links[link].opened.at);
                let silent = known.now.at.saturating_sub(heard);
                known.decide(Invariant::I31, silent + claims::SLACK >= idle, |known| {
                    let who = known.text(link);
                    format!("{who} was closed for silence after {silent:?}, not {idle:?}")
                })?;
            }
            let was_there = known.links[link].connected.zip(known.ending);
            if code == GOING_AWAY
                && was_there.is_some_and(|(connected, ending)| connected < ending)
                && known.keeps(Promise::ShutdownTold)
            {
                let is_told = known.links[link].told_shutdown;
                known.decide(Invariant::L8, is_told, |known| {
                    format!("{} was closed by a shutdown that it was not told of", known.text(link))
                })?;
            }
        }
        known.lose(link, code.is_some());
        Ok(())
    }

    fn step(&mut self, step: &Doing<AnyHub>) {
        let known = &mut self.known;
        match step {
            Doing::Act {
                who: Who::Client(actor),
                act: Act::Process(ProcessAct::Crash { .. }),
                ..
            } => {
                known
                    .vanish(|client| client.kind == ClientKind::Client && *client.actor == **actor);
            }
            Doing::Act {
                who: Who::Raw(actor, number),
                act: Act::Do(Action::Write { text }),
                ..
            } => {
                let actor = actor.as_str().into();
                let kind = ClientKind::Raw;
                known.wild.insert(ClientName { actor, kind, number: *number });
                known.lawless |= is_request(text);
            }
            Doing::Hub(HubAction::Restart { abruptly: true, .. }) => known.wipe(),
            Doing::Hub(HubAction::Restart { .. } | HubAction::Shutdown) => {
                known.ending = Some(known.now);
            }
            Doing::Network(Fault::ClockSkew { .. }) => known.skewed = true,
            Doing::Hub(HubAction::Pause { lasts }) => known.stood_still += *lasts,
            Doing::Hub(HubAction::DiskFull { .. } | HubAction::DiskFails { .. }) => {}
            Doing::Act { .. } | Doing::Network(_) => {}
        }
    }

    fn milestone(&mut self, milestone: Milestone) -> Verdict {
        match milestone {
            Milestone::Heal => self.known.heal(),
            Milestone::Calm => {
                // Otherwise the director would still wait.
                self.known.count(Invariant::L1, true);
                return self.known.check_waiting();
            }
            Milestone::Leave => self.known.vanish(|_| true),
            Milestone::Storm | Milestone::Probe | Milestone::Rest => {}
        }
        Ok(())
    }
}

/// Returns whether a hub of this protocol may carry it out, whatever its bounds; in another protocol,
/// nobody knows.
fn is_request(text: &str) -> bool {
    let Ok(frame) = decode_client_frame(text.as_bytes(), &UNBOUND) else { return false };
    matches!(frame, ClientFrame::Request(request) if request.verb.is_ok())
}

/// L1, L3: whoever keeps trying is there, nobody else believes to be, and what was asked is answered or late.
///
/// # Errors
/// Who is not.
pub fn check_agreement(clients: &[Agreement]) -> Result<(), Violation> {
    if let Some(client) = clients.iter().find(|client| client.wants && !client.owns) {
        let evidence = format!("{} is not back, though it keeps trying", client.address);
        return broken(Invariant::L1, evidence);
    }
    if let Some(client) = clients.iter().find(|client| client.waits) {
        let evidence = format!("{} waits for an answer", client.address);
        return broken(Invariant::L3, evidence);
    }
    let mut owners = std::collections::BTreeSet::new();
    let twice = clients.iter().find(|client| client.owns && !owners.insert(&client.address));
    match twice {
        None => Ok(()),
        Some(client) => {
            let evidence = format!("two clients believe that {} is theirs", client.address);
            broken(Invariant::L1, evidence)
        }
    }
}

/// Returns whether what the hub promises is enough to judge it.
pub fn is_judged(invariant: Invariant, promises: &Promises) -> bool {
    let promise = match invariant {
        Invariant::I2 => Promise::Versions,
        Invariant::I3 | Invariant::I6 => Promise::Takeover,
        Invariant::I5 => Promise::TakeoverTold,
        Invariant::I8 => Promise::Sender,
        Invariant::I14 => Promise::Resume,
        Invariant::I16 => Promise::Publish,
        Invariant::I18 => Promise::AtMostOnce,
        Invariant::I20 => Promise::Fifo,
        Invariant::I23 => Promise::Counts,
        Invariant::I24 | Invariant::L3 => Promise::AskOutcome,
        Invariant::I26 => Promise::QuietTell,
        Invariant::I27 => Promise::MessageTtl,
        Invariant::I31 => Promise::IdleTimeout,
        Invariant::I32 => Promise::RegistrationTtl,
        Invariant::I33 => Promise::Discovery,
        Invariant::L8 => Promise::ShutdownTold,
        _ => return FROM_OUTSIDE.contains(&invariant),
    };
    let is_seen = invariant != Invariant::I31 || promises.idle_code.is_some();
    promises.keep(promise) && is_seen
}

/// Hands on what the judge found.
pub struct Watch;

impl verdict::Watch<AnyHub> for Watch {
    fn new(_scenario: &Scenario) -> Self {
        Self
    }

    fn observe(&mut self, _event: &Event, _judge: &Judge) {}

    fn sightings(&self, seed: u64, judge: &Judge) -> Sightings<Finding> {
        judge.sightings(seed)
    }

    fn shape(&self, _judge: &Judge) {}
}
