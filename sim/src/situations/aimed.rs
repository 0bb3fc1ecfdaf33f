//! Sees what storms are aimed at: bounds that are reached and left, ids that come again, what comes in
//! the very input of a deadline, and what is claimed and not theirs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signal_hub::hub::{
    Config, EndReason, ForgetReason, Input, Output, Phase, Record, SessionKey, Written,
};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, Details, ErrorCode, MessageId, Pattern, Refusal,
    Reply, Request, Subscription, Verb,
};
use signal_hub::time::Timestamp;

use super::{Saw, Situation};
use crate::history::HubEvent;
use crate::invariants::{After, Shadow, is_open};

/// How near to the deadline of a slow consumer its queue moves just in time.
const JUST_IN_TIME: Duration = Duration::from_millis(250);

/// Watches one life of the hub.
pub struct Aimed {
    config: Config,
    /// The latest ask of each address that was carried out.
    asked: BTreeMap<ActorAddress, Asked>,
    /// The latest of all.
    latest: Option<(ActorAddress, MessageId)>,
    /// When those of the latest window were carried out.
    outcomes: VecDeque<Timestamp>,
    at_outcome_bound: bool,
    /// Of what each session told last.
    told: BTreeMap<SessionKey, MessageId>,
    /// Which addresses were renewed in the present millisecond, and for whom.
    renewed: (Timestamp, Vec<(ActorAddress, SessionKey)>),
    /// Which session lost an address to which.
    lost: BTreeSet<(SessionKey, SessionKey)>,
    refused_a_topic: BTreeSet<SessionKey>,
    has_refused_an_address: bool,
    has_turned_away: bool,
}

struct Asked {
    id: MessageId,
    by: SessionKey,
    at: Timestamp,
}

impl Aimed {
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            asked: BTreeMap::new(),
            latest: None,
            outcomes: VecDeque::new(),
            at_outcome_bound: false,
            told: BTreeMap::new(),
            renewed: Default::default(),
            lost: BTreeSet::new(),
            refused_a_topic: BTreeSet::new(),
            has_refused_an_address: false,
            has_turned_away: false,
        }
    }

    pub fn hub_restarted(&mut self) {
        *self = Self::new(&self.config);
    }

    pub fn observe(&mut self, hub: &HubEvent, shadow: &Shadow, saw: Saw<'_>) {
        match &hub.input {
            Input::Opened(key, _) => self.opened(hub, *key, saw),
            Input::Frame(key, frame) => {
                if is_timed_out(hub, shadow, *key) {
                    saw(Situation::FrameAtSessionDeadline);
                } else if let Ok(ClientFrame::Request(request)) = frame
                    && shadow.is_open(*key)
                {
                    self.request(hub, *key, request, shadow, saw);
                }
            }
            Input::Drained(key, written) => self.drained(hub, *key, written, shadow, saw),
            Input::Shutdown => {
                if shadow.sessions().any(|(_, row)| row.phase == Phase::Connecting) {
                    saw(Situation::ConnectingAtShutdown);
                }
            }
            Input::Closed(key, _) => drop(self.told.remove(key)),
            Input::Restored(_) | Input::Alive(_) | Input::Tick | Input::Late(_) => {}
        }
        for record in hub.records() {
            self.record(hub, record, shadow, saw);
        }
    }

    fn opened(&mut self, hub: &HubEvent, key: SessionKey, saw: Saw<'_>) {
        let full = |output: &Output| matches!(output, Output::Close(closed, CloseReason::HubFull) if *closed == key);
        let is_full = hub.outputs.iter().any(full);
        if is_full {
            saw(Situation::SessionsAtBound);
        } else if self.has_turned_away {
            saw(Situation::SessionsBelowBound);
        }
        self.has_turned_away = is_full;
    }

    fn drained(
        &mut self,
        hub: &HubEvent,
        key: SessionKey,
        written: &Written,
        shadow: &Shadow,
        saw: Saw<'_>,
    ) {
        if !written.expired.is_empty() {
            saw(Situation::OverdueInQueue);
        }
        let clock = |row: &signal_hub::hub::SessionRow| row.deadlines.slow_consumer;
        let Some(due) = shadow.session(key).and_then(clock) else { return };
        let after = After { shadow, event: hub }.session(key).filter(|row| is_open(row));
        let is_open_and_moved = after.is_some_and(|row| clock(row) != Some(due));
        if due >= hub.now && due.since(hub.now) <= JUST_IN_TIME && is_open_and_moved {
            saw(Situation::RecoveredInTime);
        }
    }

    fn record(&mut self, hub: &HubEvent, record: &Record, shadow: &Shadow, saw: Saw<'_>) {
        match record {
            Record::DuplicateConnectionDetected { old_session, new_session, .. } => {
                let queued = shadow.session(*old_session).map_or(0, |row| row.queued.messages);
                if queued >= self.config.queue_messages_max {
                    saw(Situation::FullQueueTakenOver);
                }
                if !self.lost.insert((*old_session, *new_session)) {
                    saw(Situation::MovedOneByOne);
                }
            }
            Record::SenderResumed { .. } if !matches!(hub.input, Input::Drained(..)) => {
                saw(Situation::PausedForTheDead);
            }
            Record::RegistrationRenewed { actor_address, session, .. } => {
                self.renewed_now(hub.now).push((actor_address.clone(), *session));
            }
            Record::ActorRegistered { actor_address, session, .. } => {
                let mut renewed = self.renewed_now(hub.now).iter();
                if renewed.any(|(address, owner)| address == actor_address && owner != session) {
                    saw(Situation::RenewedAndTakenOver);
                }
            }
            _ => {}
        }
    }

    fn renewed_now(&mut self, now: Timestamp) -> &mut Vec<(ActorAddress, SessionKey)> {
        if self.renewed.0 != now {
            self.renewed = (now, Vec::new());
        }
        &mut self.renewed.1
    }
}

/// Returns whether a deadline that is due ends the session before its frame is read.
fn is_timed_out(hub: &HubEvent, shadow: &Shadow, key: SessionKey) -> bool {
    let row = shadow.session(key).filter(|row| is_open(row));
    row.is_some_and(|row| row.deadlines.armed().any(|due| due <= hub.now))
        && hub.outputs.iter().any(|output| {
            matches!(output, Output::Close(closed, CloseReason::IdleTimeout
                | CloseReason::ConnectTimeout
                | CloseReason::TokenExpired
                | CloseReason::SlowConsumer) if *closed == key)
        })
}

/// What the hub said no to, and why.
fn refusal(hub: &HubEvent) -> Option<&Refusal> {
    hub.outputs.iter().find_map(|output| match output {
        Output::Send(_, message) => match &message.body {
            Body::Reply { reply, .. } => match reply.as_ref() {
                Reply::Error(refusal) => Some(refusal.as_ref()),
                _ => None,
            },
            Body::Delivery(_) | Body::Pong | Body::Notice(_) => None,
        },
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
    })
}

impl Aimed {
    fn request(
        &mut self,
        hub: &HubEvent,
        key: SessionKey,
        request: &Request,
        shadow: &Shadow,
        saw: Saw<'_>,
    ) {
        if names_what_goes(hub, request) {
            saw(Situation::FrameAtAddressDeadline);
        }
        let traced = |output: &Output| {
            matches!(output, Output::Send(_, message)
                if matches!(message.body, Body::Reply { trace_id: Some(_), .. }))
        };
        if hub.outputs.iter().any(traced) {
            saw(Situation::Traced);
        }
        let Ok(verb) = &request.verb else { return };
        match refusal(hub) {
            Some(refusal) => self.refused(key, request, verb, refusal, shadow, saw),
            None => self.accepted(hub, key, verb, shadow, saw),
        }
        if verb.is_delivery() {
            self.said(hub, key, request, shadow, saw);
        }
    }

    fn refused(
        &mut self,
        key: SessionKey,
        request: &Request,
        verb: &Verb,
        refusal: &Refusal,
        shadow: &Shadow,
        saw: Saw<'_>,
    ) {
        let is_anothers =
            |address| shadow.owner(address).is_some_and(|owner: SessionKey| owner != key);
        let too_fast = matches!(refusal.details, Details::RetryAfter { .. });
        match (verb, refusal.code) {
            (Verb::Register(register), ErrorCode::RateLimited) if too_fast => {
                if is_anothers(&register.actor_address) {
                    saw(Situation::TakeoverTooSoon);
                }
            }
            (Verb::Discover(_) | Verb::ListActors(_), ErrorCode::RateLimited) => {
                saw(Situation::SearchTooCostly);
            }
            (Verb::Subscribe(_), ErrorCode::RateLimited) if !too_fast => {
                saw(Situation::TopicsAtBound);
                self.refused_a_topic.insert(key);
            }
            (Verb::Register(_), ErrorCode::RateLimited) => {
                if shadow.address_count() >= self.config.registrations_max {
                    saw(Situation::AddressesAtBound);
                    self.has_refused_an_address = true;
                }
            }
            (Verb::Renew(renew), ErrorCode::Unauthorized) if renew.renewal_token.is_some() => {
                saw(Situation::RenewedInVain);
            }
            (verb, ErrorCode::Unauthorized)
                if shadow.session(key).is_some_and(|row| row.phase == Phase::Connecting)
                    && !matches!(verb, Verb::Connect(_)) =>
            {
                saw(Situation::TooEarly);
            }
            (_, ErrorCode::Unauthorized) if is_anothers(&request.from) => {
                saw(Situation::SpokeAsAnother);
            }
            (_, _) => {}
        }
    }

    fn accepted(
        &mut self,
        hub: &HubEvent,
        key: SessionKey,
        verb: &Verb,
        shadow: &Shadow,
        saw: Saw<'_>,
    ) {
        let recorded = |wanted: fn(&Record) -> bool| hub.records().any(wanted);
        match verb {
            Verb::Register(register) => {
                let most = self.config.registration_metadata_bytes_max;
                if register.metadata.len() * 10 > most * 9 {
                    saw(Situation::LargeRegistration);
                }
                let is_new = shadow.address(&register.actor_address).is_none();
                let room = |record: &Record| {
                    matches!(record, Record::ActorForgotten { why: ForgetReason::Room, .. })
                };
                if is_new && self.has_refused_an_address && !recorded(room) {
                    saw(Situation::AddressesBelowBound);
                    self.has_refused_an_address = false;
                }
            }
            Verb::Subscribe(_) => {
                let added = recorded(|record| matches!(record, Record::SubscriptionAdded { .. }));
                if added && self.refused_a_topic.remove(&key) {
                    saw(Situation::TopicsBelowBound);
                }
            }
            Verb::Unsubscribe(unsubscribe) => {
                let removed =
                    |record: &Record| matches!(record, Record::SubscriptionRemoved { .. });
                if matches!(unsubscribe.subscription, Subscription::Id(_)) && !recorded(removed) {
                    saw(Situation::UnsubscribedById);
                }
            }
            _ => {}
        }
    }

    /// Of what delivers, the id.
    fn said(
        &mut self,
        hub: &HubEvent,
        key: SessionKey,
        request: &Request,
        shadow: &Shadow,
        saw: Saw<'_>,
    ) {
        let recorded = |wanted: fn(&Record) -> bool| hub.records().any(wanted);
        let is_retry = recorded(|record| matches!(record, Record::RetryAnswered { .. }));
        if recorded(|record| matches!(record, Record::RequestRefused { .. })) {
            return;
        }
        if request.pattern == Pattern::Tell {
            if self.told.get(&key) == Some(&request.id) {
                return saw(Situation::ToldTwice);
            }
            self.told.insert(key, request.id.clone());
            return;
        }
        let from = shadow.acting_identity(key, &request.from);
        let before = self.asked.get(&from).filter(|before| before.id == request.id);
        if is_retry {
            if before.is_some_and(|before| before.by != key) {
                saw(Situation::RetryAcrossSessions);
            }
            return;
        }
        if let Some(before) = before {
            let (after, window) = (hub.now.since(before.at), self.config.dedupe_window);
            if after < window {
                saw(Situation::IdUsedAgain);
            } else if after <= window + JUST_IN_TIME {
                saw(Situation::IdFreeAgain);
            }
        }
        let latest = (from, request.id.clone());
        if self.latest.as_ref().is_some_and(|(who, id)| *id == latest.1 && *who != latest.0) {
            saw(Situation::OneIdForTwo);
        }
        self.carried_out(hub.now, saw);
        let asked = Asked { id: latest.1.clone(), by: key, at: hub.now };
        self.asked.insert(latest.0.clone(), asked);
        self.latest = Some(latest);
    }

    fn carried_out(&mut self, now: Timestamp, saw: Saw<'_>) {
        let window = self.config.dedupe_window;
        while self.outcomes.front().is_some_and(|at| now.since(*at) >= window) {
            self.outcomes.pop_front();
        }
        let at_bound = self.outcomes.len() >= self.config.dedupe_entries_max;
        let was_at_bound = std::mem::replace(&mut self.at_outcome_bound, at_bound);
        if at_bound {
            saw(Situation::OutcomesAtBound);
        } else if was_at_bound {
            saw(Situation::OutcomesBelowBound);
        }
        self.outcomes.push_back(now);
    }
}

/// Returns whether the request names an address that expires, or is forgotten, before its turn comes.
fn names_what_goes(hub: &HubEvent, request: &Request) -> bool {
    let is_named = |address: &ActorAddress| {
        *address == request.from
            || match &request.verb {
                Ok(Verb::Register(register)) => register.actor_address == *address,
                Ok(Verb::Send(send)) => send.to == *address,
                Ok(_) | Err(_) => false,
            }
    };
    hub.records().any(|record| match record {
        Record::ActorDetached { actor_address, why: EndReason::Expired, .. }
        | Record::ActorForgotten { actor_address, why: ForgetReason::ResumeWindowEnded } => {
            is_named(actor_address)
        }
        _ => false,
    })
}
