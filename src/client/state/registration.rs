//! Makes the session agree with what is wanted: addresses registered and renewed, topics
//! subscribed to and given up.

use std::time::Duration;

use super::actors::Registration;
use super::{ClientState, Owner, Phase, Purpose};
use crate::client::{ClientError, CommandId, Event};
use crate::protocol::{
    ActorAddress, Details, ErrorCode, Refusal, Register, Registered, Renew, Reply, Topic,
    Unregister, UnregisterReason, UnregisteredNotice, Verb,
};
use crate::time::Timestamp;

/// The least time between two renewals, however short the registration lives.
const RENEWAL_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Subscriptions of one address that are restored at once.
const RESTORING_MAX: usize = 64;
/// The weight of each answer in the hub's queue, which has room for the largest message.
const ANSWER_BYTES: usize = 512;

impl ClientState {
    pub(super) fn register(&mut self, now: Timestamp, address: &ActorAddress) {
        if !matches!(self.phase, Phase::Connected(_)) {
            return;
        }
        let recovery = self.recovery_wish(address);
        let Some(actor) = self.actors.find(address) else { return };
        actor.registration = Registration::Asked;
        let metadata = actor.config.metadata.clone();
        let verb = Verb::Register(Register {
            actor_address: address.clone(),
            capabilities: actor.config.capabilities.clone(),
            renew_on_heartbeat: Register::renews_on_heartbeat(&metadata),
            metadata,
            recovery,
            ttl: actor.config.ttl,
        });
        self.deadlines.clear(&Owner::Registration(address.clone()));
        self.ask_hub(now, address.clone(), verb, Purpose::Register(address.clone()));
    }

    pub(super) fn register_answered(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        address: ActorAddress,
        reply: Reply,
    ) {
        // After the goodbye the session needs nothing more.
        if !matches!(self.phase, Phase::Connected(_)) {
            return;
        }
        match &reply {
            Reply::Registered(registered) => {
                self.registered(now, hub_now, &address, registered);
                self.registration_open(now, &address);
                self.restore_topics(now, &address);
            }
            other => self.registration_refused(now, &address, refusal_in(other)),
        }
    }

    fn registered(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        address: &ActorAddress,
        registered: &Registered,
    ) {
        let Some(actor) = self.actors.find(address) else { return };
        actor.registration = Registration::Held(registered.renewal_token);
        actor.registration_accepted();
        actor.confirmed = registered.subscriptions.iter().cloned().collect();
        if let Phase::Connected(session) = &mut self.phase {
            session.settled.get_or_insert(now);
        }
        self.renew_later(now, hub_now, registered.expires_at, address);
        self.emit(Event::Registered {
            address: address.clone(),
            version: registered.version,
            resumed: registered.resumed,
            subscriptions: registered.subscriptions.clone(),
            expires_at: registered.expires_at,
            renewal_token: registered.renewal_token,
        });
        self.recovery_answered(address, registered.recovery.as_ref());
    }

    pub(super) fn give_back(&mut self, now: Timestamp, address: &ActorAddress, purpose: Purpose) {
        let verb = Verb::Unregister(Unregister { actor_address: Some(address.clone()) });
        self.ask_hub(now, address.clone(), verb, purpose);
    }

    fn registration_refused(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        refusal: Box<Refusal>,
    ) {
        let error = ClientError::Refused(refusal.clone());
        let Some(actor) = self.actors.find(address) else { return };
        actor.registration = Registration::Absent;
        let retry_in = if is_final(&refusal) {
            self.forget(now, address, &error);
            None
        } else {
            self.fail_registrations(address, &error);
            self.rest_registration(now, address, &refusal)
        };
        self.emit(Event::RegistrationRefused { address: address.clone(), refusal, retry_in });
    }

    /// Asks again later. If the hub wants fewer requests, those about topics wait until then.
    fn rest_registration(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        refusal: &Refusal,
    ) -> Option<Duration> {
        let asked = asked_pause(refusal);
        let refusals = self.actors.find(address)?.refusals;
        let pause = self.retry_pause(asked, refusals);
        let actor = self.actors.find(address)?;
        actor.refusals = refusals.saturating_add(1);
        if asked.is_some() {
            actor.registration_rests_until = now + pause;
        }
        self.deadlines.set(Owner::Registration(address.clone()), now + pause);
        Some(pause)
    }

    pub(super) fn registration_due(&mut self, now: Timestamp, address: &ActorAddress) {
        let registration = self.actors.find(address).map(|actor| actor.registration);
        match registration {
            Some(Registration::Held(token)) => {
                let verb = Verb::Renew(Renew { renewal_token: Some(token) });
                self.ask_hub(now, address.clone(), verb, Purpose::Renew(address.clone()));
            }
            Some(Registration::Absent) => self.register(now, address),
            Some(Registration::Asked) | None => {}
        }
    }

    pub(super) fn renew_answered(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        address: ActorAddress,
        reply: Reply,
    ) {
        // The answer may be about a registration that was given up and wanted again since.
        if !matches!(self.phase, Phase::Connected(_)) || !self.actors.is_held(&address) {
            return;
        }
        let Reply::Renewed(renewed) = reply else {
            return self.renewal_refused(now, &address, &refusal_in(&reply));
        };
        let Some(actor) = self.actors.find(&address) else { return };
        actor.registration = Registration::Held(renewed.renewal_token);
        actor.registration_accepted();
        self.renew_later(now, hub_now, renewed.expires_at, &address);
        let (expires_at, renewal_token) = (renewed.expires_at, renewed.renewal_token);
        self.emit(Event::Renewed { address, expires_at, renewal_token });
    }

    /// If the hub only wants fewer requests, the address is still held; otherwise it may be lost.
    fn renewal_refused(&mut self, now: Timestamp, address: &ActorAddress, refusal: &Refusal) {
        if asked_pause(refusal).is_some() {
            self.rest_registration(now, address, refusal);
        } else {
            self.register(now, address);
        }
    }

    /// Renews after two thirds of the time that the hub gave, measured by the hub's clock.
    fn renew_later(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        expires_at: Timestamp,
        address: &ActorAddress,
    ) {
        let pause = (expires_at.since(hub_now) * 2 / 3).max(RENEWAL_PAUSE_MIN);
        self.deadlines.set(Owner::Registration(address.clone()), now + pause);
    }

    /// The hub took an address. An expired one is registered again, unless that is under way.
    pub(super) fn unregistered(&mut self, now: Timestamp, notice: UnregisteredNotice) {
        let UnregisteredNotice { actor_address: address, reason } = notice;
        match reason {
            UnregisterReason::Expired => {
                let held = self.actors.is_held(&address);
                self.emit(Event::Unregistered { address: address.clone(), reason });
                if held {
                    self.register(now, &address);
                }
            }
            UnregisterReason::DuplicateConnection
            | UnregisterReason::TokenNarrowed
            | UnregisterReason::Other => {
                self.forget(now, &address, &ClientError::NoAddress);
                self.emit(Event::Unregistered { address, reason });
            }
        }
    }

    /// The address is no longer wanted; the commands that wait for it end with `error`. What a
    /// registration under way brings is given back.
    pub(super) fn forget(&mut self, now: Timestamp, address: &ActorAddress, error: &ClientError) {
        self.actors.forget(address);
        if self.give_up_asks(address) && matches!(self.phase, Phase::Connected(_)) {
            self.give_back(now, address, Purpose::GivenUp);
        }
        self.deadlines.clear(&Owner::Registration(address.clone()));
        self.deadlines.clear(&Owner::Topics(address.clone()));
        self.fail_waiting(address, error);
    }

    /// Subscribes to wanted topics that are missing, and gives unwanted ones up.
    pub(super) fn restore_topics(&mut self, now: Timestamp, address: &ActorAddress) {
        if !self.actors.is_held(address) {
            return;
        }
        if self.actors.registrations_rest_until() <= now {
            let restoring_max = self.restoring_max();
            let Some(actor) = self.actors.find(address) else { return };
            for (topic, wanted) in actor.unsettled(now, restoring_max) {
                if wanted {
                    self.subscribe(now, address.clone(), topic, None)
                } else {
                    self.unsubscribe(now, address.clone(), topic, None)
                }
            }
        }
        self.restore_topics_later(now, address);
    }

    /// Bounded because a hub with small queues closes a session that needs more answers than they
    /// hold.
    fn restoring_max(&self) -> usize {
        let bytes = match &self.phase {
            Phase::Connected(session) => session.max_message_size,
            _ => 0,
        };
        (bytes / ANSWER_BYTES).clamp(1, RESTORING_MAX)
    }

    fn restore_topics_later(&mut self, now: Timestamp, address: &ActorAddress) {
        let earliest = self.actors.registrations_rest_until();
        let Some(actor) = self.actors.find(address) else { return };
        let owner = Owner::Topics(address.clone());
        match actor.next_unsettled(now, earliest) {
            Some(at) => self.deadlines.set(owner, at),
            None => self.deadlines.clear(&owner),
        }
    }

    pub(super) fn subscribe_answered(
        &mut self,
        now: Timestamp,
        address: ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
        reply: Reply,
    ) {
        if let Some(actor) = self.actors.find(&address) {
            actor.finish(&topic);
            if matches!(reply, Reply::Subscribed(_)) {
                actor.topic_accepted(&topic);
                actor.confirmed.insert(topic.clone());
            } else if !actor.confirmed.contains(&topic) {
                self.subscription_refused(now, &address, topic, command, refusal_in(&reply));
            }
        }
        if let Some(id) = command {
            self.resolve_reply(id, reply);
        }
        self.restore_topics(now, &address);
    }

    fn subscription_refused(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
        refusal: Box<Refusal>,
    ) {
        if command.is_none() && refusal.code == ErrorCode::RateLimited {
            return self.rest_topic(now, address, topic, &refusal);
        }
        let Some(actor) = self.actors.find(address) else { return };
        let wanted_since = match command {
            Some(command) => actor.is_wanted_since(&topic, command),
            None => actor.is_under_way(&topic),
        };
        if wanted_since {
            return;
        }
        actor.want_no_more(&topic);
        if command.is_none() {
            self.emit(Event::SubscriptionRefused { address: address.clone(), topic, refusal });
        }
    }

    pub(super) fn unsubscribe_answered(
        &mut self,
        now: Timestamp,
        address: ActorAddress,
        topic: Topic,
        command: Option<CommandId>,
        reply: Reply,
    ) {
        if let Some(actor) = self.actors.find(&address) {
            actor.finish(&topic);
            if let Reply::Error(refusal) = &reply
                && refusal.code == ErrorCode::RateLimited
            {
                self.rest_topic(now, &address, topic, refusal);
            } else {
                // After any other answer there is nothing left to give up.
                actor.confirmed.remove(&topic);
                actor.topic_accepted(&topic);
            }
        }
        if let Some(id) = command {
            self.resolve_reply(id, reply);
        }
        self.restore_topics(now, &address);
    }

    /// Asks about the topic again later; if the hub wants fewer requests, about the others too.
    fn rest_topic(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        topic: Topic,
        refusal: &Refusal,
    ) {
        let asked = asked_pause(refusal);
        let refusals = self.actors.find(address).map_or(0, |actor| actor.refusals_of(&topic));
        let pause = self.retry_pause(asked, refusals);
        let Some(actor) = self.actors.find(address) else { return };
        actor.topic_refused(topic, now + pause);
        if let Some(asked) = asked {
            actor.rest_topics(now + asked);
        }
        self.restore_topics_later(now, address);
    }

    pub(super) fn topic_unanswered(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        topic: &Topic,
    ) {
        if let Some(actor) = self.actors.find(address) {
            actor.finish(topic);
            self.restore_topics(now, address);
        }
    }
}

/// Returns whether asking again would bring the same refusal.
fn is_final(refusal: &Refusal) -> bool {
    matches!(refusal.code, ErrorCode::Unauthorized | ErrorCode::InvalidToken)
        || matches!(refusal.details, Details::Field { .. })
}

fn asked_pause(refusal: &Refusal) -> Option<Duration> {
    match &refusal.details {
        Details::RetryAfter { wait, .. } => Some(*wait),
        Details::None
        | Details::Field { .. }
        | Details::Size { .. }
        | Details::Limit { .. }
        | Details::Reason { .. } => None,
    }
}

/// The reply's refusal; a reply of the wrong type counts as one.
pub(super) fn refusal_in(reply: &Reply) -> Box<Refusal> {
    match reply {
        Reply::Error(refusal) => refusal.clone(),
        other => Box::new(Refusal::new(
            ErrorCode::InternalError,
            format!("the hub answered with {}", other.type_name()),
            "Use a client of the hub's protocol version.",
        )),
    }
}
