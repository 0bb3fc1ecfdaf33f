//! Sees situations in a history. Besides the shadow it remembers only what is still under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dst::verdict;
use signal_hub::client::DisconnectReason;
use signal_hub::hub::{CloseCause, EndReason, ForgetReason, Input, Output, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, Reply, Request, Route, Verb,
};
use signal_hub::time::Timestamp;

use super::aimed::Aimed;
use super::at_clients::{Asked, AtClients};
use super::seen::Seen;
use super::tokens::Tokens;
use super::{Shape, Sightings, Situation};
use crate::SignalHub;
use crate::history::{ClientEvent, ClientName, Event, HubEvent, Milestone, Stop, Told, What};
use crate::invariants::{After, Judge, Shadow, is_open};
use crate::net::{FaultId, NetEventKind};
use crate::scenario::{Act, ProcessAct, Scenario, Step, What as Doing};

/// How near to an expiry a renewal races it.
const NEAR_EXPIRY: Duration = Duration::from_millis(250);
/// How soon after a replay what follows it is live traffic behind it.
const BEHIND_REPLAY: Duration = Duration::from_millis(50);

/// Watches one run.
pub struct Watch {
    queue_messages_max: usize,
    resume_window: Duration,
    round_trip: Duration,
    seen: Seen,
    hub: AtHub,
    aimed: Aimed,
    clients: AtClients,
    faults: BTreeMap<FaultId, Situation>,
    /// What the director does by itself, after the steps, is no situation.
    milestone: Milestone,
    /// How the hub went down while clients were connected.
    down: Option<Situation>,
    /// Addresses that it registered then, and nobody knew.
    unanswered: BTreeSet<ActorAddress>,
}

/// What is under way in one life of the hub.
#[derive(Default)]
struct AtHub {
    /// Sessions that lost their address to another one and whose connection is still there.
    superseded: BTreeMap<SessionKey, ActorAddress>,
    registered: BTreeMap<ActorAddress, (SessionKey, Timestamp)>,
    expired: BTreeMap<ActorAddress, Timestamp>,
    /// Sessions not heard of since a copy of a broadcast went to them.
    unheard: BTreeSet<SessionKey>,
    /// Addresses with kept messages of an earlier life.
    restored: BTreeSet<ActorAddress>,
    /// When each address got again what it had missed.
    replayed: BTreeMap<ActorAddress, Timestamp>,
    tokens: Tokens,
}

impl verdict::Watch<SignalHub> for Watch {
    fn new(scenario: &Scenario) -> Self {
        Self {
            queue_messages_max: scenario.hub.queue_messages_max,
            resume_window: scenario.hub.resume_window,
            round_trip: 2 * (scenario.network.latency + scenario.network.jitter),
            seen: Seen::default(),
            hub: AtHub::default(),
            aimed: Aimed::new(&scenario.hub),
            clients: AtClients::default(),
            faults: BTreeMap::new(),
            milestone: Milestone::Storm,
            down: None,
            unanswered: BTreeSet::new(),
        }
    }

    fn sightings(&self, seed: u64, _judge: &Judge) -> Sightings {
        self.seen.sightings(seed)
    }

    fn observe(&mut self, event: &Event, judge: &Judge) {
        let shadow = judge.shadow();
        if self.milestone >= Milestone::Leave {
            return;
        }
        match &event.what {
            What::HubStarted { .. } => {
                self.hub = AtHub::default();
                self.aimed.hub_restarted();
                if let Some(how) = self.down.take() {
                    self.saw(how);
                }
            }
            What::HubStopped { how } => {
                self.saw_if(*how == Stop::Failed, Situation::DiskFailed);
                if *how == Stop::Crashed && has_clients(shadow) {
                    self.down = Some(Situation::HubCrashedWithClients);
                    self.unanswered = self.clients.unanswered();
                }
            }
            What::Hub(hub) => {
                self.input(hub, shadow);
                for output in &hub.outputs {
                    self.output(hub, output, shadow);
                }
                self.losses(hub, shadow);
                let mut logs = hub.touched.logs.values().flatten();
                self.saw_if(logs.any(|log| log.cursor.is_some()), Situation::ReplayWaits);
                let seen = &mut self.seen;
                self.aimed.observe(hub, shadow, &mut |situation| seen.note(situation));
                self.hub.tokens.observe(hub, shadow, &mut |situation| seen.note(situation));
            }
            What::Client { client, event } => self.client(client, event),
            What::Net(NetEventKind::Injected { id, fault })
                if self.milestone == Milestone::Storm =>
            {
                self.faults.insert(*id, Situation::of_fault(fault));
            }
            What::Net(NetEventKind::TookEffect { id }) => {
                if let Some(situation) = self.faults.remove(id) {
                    self.saw(situation);
                }
            }
            What::Step { step, .. } => self.step(step),
            What::Run(milestone) => self.milestone = *milestone,
            What::Net(_) => {}
        }
    }

    fn shape(&self, judge: &Judge) -> Shape {
        Shape::of(judge.shadow(), self.queue_messages_max)
    }
}

impl Watch {
    fn saw(&mut self, situation: Situation) {
        self.seen.note(situation);
    }

    fn saw_if(&mut self, seen: bool, situation: Situation) {
        if seen {
            self.saw(situation);
        }
    }

    fn input(&mut self, hub: &HubEvent, shadow: &Shadow) {
        match &hub.input {
            Input::Frame(key, frame) => {
                self.hub.unheard.remove(key);
                if let Ok(ClientFrame::Request(request)) = frame {
                    self.request(hub, *key, request, shadow);
                }
            }
            Input::Alive(key) => {
                self.hub.unheard.remove(key);
            }
            Input::Closed(key, cause) => {
                let unheard = self.hub.unheard.remove(key);
                let broken = *cause == CloseCause::Lost;
                self.saw_if(unheard && broken, Situation::BroadcastToTheDead);
                if let Some(address) = self.hub.superseded.remove(key) {
                    let owner = shadow.owner(&address);
                    let another = owner.is_some_and(|owner| owner != *key);
                    self.saw_if(another, Situation::OldCloseAfterTakeover);
                }
            }
            Input::Shutdown => {
                if has_clients(shadow) {
                    self.down = Some(Situation::HubShutDownWithClients);
                }
            }
            Input::Late(_) => self.saw(Situation::HubLate),
            Input::Restored(_) => {
                self.saw_if(!hub.touched.addresses.is_empty(), Situation::HubRestored);
                let unanswered = std::mem::take(&mut self.unanswered);
                let known = hub.touched.addresses.keys().any(|known| unanswered.contains(known));
                self.saw_if(known, Situation::CrashedBeforeReply);
                self.hub.restored.extend(hub.touched.logs.keys().cloned());
            }
            Input::Opened(..) | Input::Drained(..) | Input::Tick => {}
        }
    }

    fn request(&mut self, hub: &HubEvent, key: SessionKey, request: &Request, shadow: &Shadow) {
        let Ok(verb) = &request.verb else { return };
        let refused =
            |output: &Output| matches!(output, Output::Audit(Record::RequestRefused { .. }));
        let accepted = shadow.is_open(key) && !hub.outputs.iter().any(refused);
        self.saw_if(accepted, Situation::of_verb(verb));
        if let Verb::Renew(_) = verb {
            let address = shadow.acting_identity(key, &request.from);
            let left = shadow.address(&address).and_then(|row| row.registration);
            let soon = left.is_some_and(|registration| {
                registration.owner.is_some() && registration.until.since(hub.now) <= NEAR_EXPIRY
            });
            let expired = self.hub.expired.get(&request.from);
            let just_now = expired.is_some_and(|at| hub.now.since(*at) <= NEAR_EXPIRY);
            self.saw_if(soon || just_now, Situation::ExpiryRacesRenew);
        }
    }

    fn output(&mut self, hub: &HubEvent, output: &Output, shadow: &Shadow) {
        match output {
            Output::Send(key, message) => match &message.body {
                Body::Reply { reply, .. } => {
                    if let Reply::Error(refusal) = reply.as_ref()
                        && let Some(situation) = Situation::of_error(refusal.code)
                    {
                        self.saw(situation);
                    }
                    let recovery = match reply.as_ref() {
                        Reply::Registered(told) => told.recovery.as_ref(),
                        Reply::Recovered(told) => Some(&told.recovery),
                        _ => None,
                    };
                    let late = recovery.is_some_and(|recovery| recovery.ttl_expired > 0);
                    self.saw_if(late, Situation::LateInTheLog);
                }
                Body::Delivery(delivery) if delivery.route == Route::Broadcast => {
                    self.hub.unheard.insert(*key);
                }
                Body::Delivery(_) | Body::Pong | Body::Notice(_) => {}
            },
            Output::Close(key, CloseReason::IdleTimeout) => {
                self.saw(Situation::HalfOpenFoundBySilence);
                let unheard = self.hub.unheard.remove(key);
                self.saw_if(unheard, Situation::BroadcastToTheDead);
            }
            Output::Close(_, CloseReason::SlowConsumer) => self.saw(Situation::SlowConsumerClosed),
            Output::Close(..) => {}
            Output::Linger(..) => self.saw(Situation::RefusedLingers),
            Output::Audit(record) => self.record(hub.now, record, shadow),
        }
    }

    fn record(&mut self, now: Timestamp, record: &Record, shadow: &Shadow) {
        match record {
            Record::ActorRegistered { actor_address, session, .. } => {
                self.clients.registered(actor_address);
                let now_by = (*session, now);
                let before = self.hub.registered.insert(actor_address.clone(), now_by);
                let rival = before.is_some_and(|(other, at)| {
                    other != *session && now.since(at) <= self.round_trip
                });
                self.saw_if(rival, Situation::SameAddressWithinRoundTrip);
                self.hub.expired.remove(actor_address);
            }
            Record::ActorResumed { actor_address, .. } => self.resumed(now, actor_address, shadow),
            Record::DuplicateConnectionDetected { actor_address, old_session, .. } => {
                self.hub.superseded.insert(*old_session, actor_address.clone());
                let asked = self.clients.asking.values().flatten();
                let concerned =
                    |ask: &Asked| ask.from == *actor_address || ask.to == *actor_address;
                let in_flight = asked.into_iter().any(concerned);
                self.saw_if(in_flight, Situation::AskAcrossTakeover);
            }
            Record::ActorDetached { actor_address, why: EndReason::Expired, .. } => {
                self.hub.expired.insert(actor_address.clone(), now);
            }
            Record::MessageDropped { why, .. } => self.saw(Situation::of_drop(*why)),
            Record::MessageDelivered { to, .. } => self.live(now, to),
            Record::MessageQueued { to, .. } => {
                self.live(now, to);
                let away = shadow.owner(to).is_none();
                self.saw(if away { Situation::Queued } else { Situation::QueuedBehindFull });
            }
            Record::RecoveryAnswered { actor_address, session, replayed, reason, .. } => {
                if self.hub.restored.remove(actor_address) {
                    self.saw_if(*replayed > 0, Situation::RecoveredOverRestart);
                }
                if *replayed > 0 {
                    self.hub.replayed.insert(actor_address.clone(), now);
                    self.saw(Situation::of_replay(shadow.owner(actor_address), *session));
                }
                reason.and_then(Situation::of_unrecovered).into_iter().for_each(|s| self.saw(s));
            }
            Record::RetryAnswered { .. } => self.saw(Situation::RetryAnswered),
            Record::SenderPaused { .. } => self.saw(Situation::SenderPaused),
            Record::SenderResumed { .. } => self.saw(Situation::SenderResumed),
            Record::ActorForgotten { actor_address, why } => {
                self.saw_if(*why == ForgetReason::Room, Situation::RoomMade);
                self.hub.registered.remove(actor_address);
            }
            Record::ActorDormant { actor_address } => {
                self.saw(Situation::Dormant);
                self.hub.registered.remove(actor_address);
            }
            Record::SessionOpened { .. }
            | Record::SessionConnected { .. }
            | Record::TokenRefreshed { .. }
            | Record::ActorTakenElsewhere { .. }
            | Record::NodeChanged { .. }
            | Record::RegistrationRenewed { .. }
            | Record::SubscriptionAdded { .. }
            | Record::SubscriptionRemoved { .. }
            | Record::MessageReplayed { .. }
            | Record::ActorDetached { .. }
            | Record::RequestRefused { .. }
            | Record::SessionClosed { .. } => {}
        }
    }

    /// A message is for the address.
    fn live(&mut self, now: Timestamp, to: &ActorAddress) {
        let replayed = self.hub.replayed.get(to);
        let behind = replayed.is_some_and(|at| now.since(*at) <= BEHIND_REPLAY);
        self.saw_if(behind, Situation::LiveAfterReplay);
    }

    fn resumed(&mut self, now: Timestamp, address: &ActorAddress, shadow: &Shadow) {
        let registration = shadow.address(address).and_then(|row| row.registration);
        let Some(detached) = registration.filter(|row| row.owner.is_none()) else { return };
        let left = detached.until.since(now);
        self.saw_if(left * 10 <= self.resume_window, Situation::ResumedLate);
        self.saw_if(left * 100 <= self.resume_window, Situation::ResumedAtDeadline);
    }

    fn losses(&mut self, hub: &HubEvent, shadow: &Shadow) {
        let after = After { shadow, event: hub };
        for key in hub.touched.sessions.keys() {
            let owned = shadow.session(*key).map_or(0, |row| row.addresses.len());
            if owned > 1 {
                let left = after.session(*key).map_or(0, |row| row.addresses.len());
                self.saw_if(left > 0 && left < owned, Situation::OneOfSeveralLost);
            }
        }
    }

    fn client(&mut self, client: &ClientName, event: &ClientEvent) {
        let clients = &mut self.clients;
        match event {
            ClientEvent::Opened { .. } => {
                clients.connected.insert(client.clone());
            }
            ClientEvent::Lost { .. } => {
                let registering = clients.registering.remove(client).is_some();
                clients.connected.remove(client);
                clients.asking.remove(client);
                self.saw_if(registering, Situation::CloseBeforeRegisterReply);
            }
            ClientEvent::Sent(frame) => clients.sent(client, frame),
            ClientEvent::Received(frame) => clients.received(client, frame),
            // The stream itself is then dropped on request.
            ClientEvent::Said(text) => {
                let silent = text.ends_with(&DisconnectReason::Silent.to_string());
                self.saw_if(silent, Situation::SilentHubFound);
            }
            ClientEvent::Told { told, .. } => match told {
                Told::Recovered { replayed, .. } => {
                    self.saw_if(*replayed > 0, Situation::ClientRecovered);
                }
                Told::Gap(_) => self.saw(Situation::ClientToldGap),
                Told::Message(_) => {}
            },
            ClientEvent::Started { .. } | ClientEvent::Ended => {}
        }
    }

    fn step(&mut self, step: &Arc<Step>) {
        let Doing::Act { who, act: Act::Process(act), .. } = &step.what else { return };
        let situation = match act {
            ProcessAct::Crash { .. } => Situation::ClientCrashed,
            ProcessAct::Leave { .. } => Situation::ClientLeft,
            ProcessAct::Start => Situation::SecondClientStarted,
            ProcessAct::Pause { .. } => return,
        };
        let connected = self.clients.connected.iter().any(|client| client.who() == *who);
        self.saw_if(connected, situation);
    }
}

fn has_clients(shadow: &Shadow) -> bool {
    shadow.sessions().any(|(_, row)| is_open(row))
}
