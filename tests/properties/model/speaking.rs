//! What the hub says, and the queues that bound it (protocol, section 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use signal_hub::hub::SessionKey;
use signal_hub::protocol::codec::encode_hub_frame;
use signal_hub::protocol::{
    ActorAddress, Body, CloseReason, Delivery, Details, ErrorCode, Json, Notice, Outgoing,
    PauseNotice, Refusal, Reply, Request,
};
use uuid::Uuid;

use super::recovery::Log;
use super::requests::refusal;
use super::{Model, Said};

/// What became of one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    Handed,
    /// Kept for later.
    Queued,
    NobodyThere,
    QueueFull,
}

impl Model {
    pub(super) fn reply(&mut self, key: SessionKey, request: &Request, mut reply: Reply) {
        while self.is_too_long(&self.message(request.from.clone(), answer(request, reply.clone())))
            && let Reply::Registered(registered) = &mut reply
            && let count = registered.subscription_count.unwrap_or(registered.subscriptions.len())
            && registered.subscriptions.pop().is_some()
        {
            registered.subscription_count = Some(count);
        }
        self.send_own(key, request.from.clone(), answer(request, reply));
    }

    pub(super) fn reply_last(
        &mut self,
        key: SessionKey,
        request: &Request,
        reply: Reply,
        why: CloseReason,
    ) {
        self.send_and_close(key, request.from.clone(), answer(request, reply), why);
    }

    /// The session is over, and its client may take its time to see that.
    pub(super) fn let_go(
        &mut self,
        key: SessionKey,
        request: &Request,
        reply: Reply,
        why: CloseReason,
    ) {
        let message = self.message(request.from.clone(), answer(request, reply));
        self.queue(key, message);
        self.close(key, why);
        let told = self.told.entry(key).or_default();
        assert_eq!(told.pop(), Some(Said::Closed(why)));
        told.push(Said::LetGo(why));
    }

    /// The hub's own words have as much room again; who uses that up as well is closed.
    pub(super) fn send_own(&mut self, key: SessionKey, to: ActorAddress, body: Body) {
        let message = self.message(to, body);
        match self.sessions.get(&key) {
            Some(session) if session.fits(message.weight(), &self.config, 2) => {
                self.queue(key, message);
            }
            Some(_) => self.close(key, CloseReason::SlowConsumer),
            None => {}
        }
    }

    pub(super) fn send_and_close(
        &mut self,
        key: SessionKey,
        to: ActorAddress,
        body: Body,
        why: CloseReason,
    ) {
        let message = self.message(to, body);
        self.queue(key, message);
        self.close(key, why);
    }

    /// One copy from the session `sender` to whoever has the address.
    pub(super) fn deliver(
        &mut self,
        sender: SessionKey,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
        may_wait: bool,
    ) -> Copied {
        self.copies += 1;
        let log = self.log(to);
        let (may_wait, replays) = (may_wait && log.is_some(), log.is_some_and(Log::replays));
        let Some(owner) = self.owner(to) else {
            let nobody = Copied::NobodyThere;
            return if may_wait { self.wait(to, delivery, nobody) } else { nobody };
        };
        let message = self.message(to.clone(), Body::Delivery(Arc::clone(delivery)));
        let now = self.now;
        let session = self.sessions.get_mut(&owner).expect("an owner is an open session");
        let has_room = session.has_room(message.weight(), &self.config);
        if !has_room {
            session.stuck.get_or_insert(now);
        }
        let copied = if has_room && !replays {
            let (seq, _) = self.keep(to, delivery, false);
            self.queue(owner, Outgoing { seq, ..message });
            Copied::Handed
        } else if may_wait {
            self.wait(to, delivery, Copied::QueueFull)
        } else {
            Copied::QueueFull
        };
        self.pause(sender, owner, to);
        copied
    }

    /// Who feeds a session that does not keep up is told so, once until it is told to go on.
    fn pause(&mut self, sender: SessionKey, slow: SessionKey, slow_address: &ActorAddress) {
        let queue_depth = self.sessions[&slow].messages;
        let notice = Notice::Pause(PauseNotice {
            reason: PauseNotice::SLOW_CONSUMER.to_owned(),
            actor_address: slow_address.clone(),
            queue_depth,
        });
        let message = self.message(self.reply_address(sender), Body::Notice(notice));
        let Some(session) = self.sessions.get_mut(&sender) else { return };
        let tells = session.paused_for.is_none() && session.fits(message.weight(), &self.config, 2);
        if queue_depth > self.config.pause_threshold && tells {
            session.paused_for = Some(slow);
            self.queue(sender, message);
        }
    }

    pub(super) fn resume_those_paused_for(&mut self, slow: SessionKey) {
        let waits = |key: &SessionKey| self.sessions[key].paused_for == Some(slow);
        let waiting: Vec<SessionKey> = self.sessions.keys().copied().filter(waits).collect();
        for key in waiting {
            let message = self.message(self.reply_address(key), Body::Notice(Notice::Resume));
            if let Some(session) = self.sessions.get_mut(&key) {
                session.paused_for = None;
            }
            self.queue(key, message);
        }
    }

    /// Whom an unasked message to the session is addressed to.
    pub(super) fn reply_address(&self, key: SessionKey) -> ActorAddress {
        let session = self.sessions.get(&key);
        let known =
            session.and_then(|session| session.addresses.first().or(session.claimed.as_ref()));
        known.unwrap_or(&self.config.hub_address).clone()
    }

    /// No copy and no echo is larger than what clients were told to take.
    pub(super) fn check_length(&self, message: &Outgoing) -> Result<(), Refusal> {
        let (actual, max) = (self.length(message), self.config.message_bytes_max);
        let details = Details::Size { actual, max };
        if self.is_too_long(message) {
            Err(refusal(ErrorCode::MessageTooLarge).with(details))
        } else {
            Ok(())
        }
    }

    fn is_too_long(&self, message: &Outgoing) -> bool {
        self.length(message) > self.config.message_bytes_max
    }

    fn length(&self, message: &Outgoing) -> usize {
        encode_hub_frame(message, &self.config.hub_address).len()
    }

    pub(super) fn message(&self, to: ActorAddress, body: Body) -> Outgoing {
        Outgoing::new(Uuid::nil(), to, self.now, body)
    }

    pub(super) fn queue(&mut self, key: SessionKey, message: Outgoing) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.messages += 1;
        session.bytes += message.weight();
        if !session.has_room(Outgoing::ENVELOPE_WEIGHT, &self.config) {
            session.stuck.get_or_insert(self.now);
        }
        if session.messages >= self.config.resume_threshold {
            session.still.get_or_insert(self.now);
        }
        self.figures.sent += 1;
        self.told.entry(key).or_default().push(Said::Message(message));
    }
}

pub fn answer(request: &Request, reply: Reply) -> Body {
    let metadata: BTreeMap<String, Json> = request.metadata.to().expect("an object");
    let trace_id = metadata.get("traceId").and_then(|told| told.to::<String>().ok());
    let trace_id = trace_id.filter(|told| told.len() <= 256).map(Arc::from);
    Body::Reply { correlation: Some(request.id.clone()), trace_id, reply: Box::new(reply) }
}
