//! How the core speaks: replies, notices and deliveries become outputs and join the session's
//! queue.

use std::sync::Arc;

use super::{Deadline, DropReason, Hub, Output, Record, SessionKey};
use crate::protocol::{
    ActorAddress, Body, CloseReason, Delivery, MessageId, Outgoing, Recipient, Reply, Request,
};
use crate::time::Timestamp;

/// What became of one copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handover {
    Delivered,
    Dropped(DropReason),
}

impl Hub {
    pub(super) fn audit(&mut self, record: Record) {
        self.outputs.push(Output::Audit(record));
    }

    pub(super) fn reply(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        mut reply: Reply,
    ) {
        self.shorten(now, request, &mut reply);
        self.say(now, key, request.from.clone(), answer(request, reply));
    }

    /// Replies and closes.
    pub(super) fn reply_last(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        reply: Reply,
        reason: CloseReason,
    ) {
        self.say_last(now, key, request.from.clone(), answer(request, reply), reason);
    }

    /// What the hub itself has to say may use the queue's reserve; a session that uses it up, by
    /// asking and never reading, is closed.
    pub(super) fn say(&mut self, now: Timestamp, key: SessionKey, to: ActorAddress, body: Body) {
        let outgoing = Outgoing { id: self.ids.fresh(), to, timestamp: now, body };
        let Some(session) = self.sessions.open(key) else { return };
        self.work.bytes += outgoing.weight();
        match session.queue.has_reserve(outgoing.weight(), &self.config) {
            true => self.enqueue(now, key, outgoing),
            false => self.close(now, key, CloseReason::SlowConsumer),
        }
    }

    /// Says why the session ends and closes it. The queue's bound does not hold that back, because
    /// nothing can follow it.
    pub(super) fn say_last(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        to: ActorAddress,
        body: Body,
        reason: CloseReason,
    ) {
        let outgoing = Outgoing { id: self.ids.fresh(), to, timestamp: now, body };
        self.enqueue(now, key, outgoing);
        self.close(now, key, reason);
    }

    /// Hands one copy from `sender` to the owner of `to`, or records why not.
    pub(super) fn deliver(
        &mut self,
        now: Timestamp,
        sender: SessionKey,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
    ) -> Handover {
        let handover = self.try_deliver(now, to, delivery);
        if let Some(recipient) = self.registry.owner(to) {
            self.pause_feeder(now, sender, recipient, to);
        }
        if let Handover::Dropped(why) = handover {
            self.record_drop(to.clone(), &delivery.origin, why);
        }
        handover
    }

    pub(super) fn record_drop(
        &mut self,
        to: impl Into<Recipient>,
        message: &MessageId,
        why: DropReason,
    ) {
        self.counters.count_drop(why);
        self.audit(Record::MessageDropped { to: to.into(), message: message.clone(), why });
    }

    fn try_deliver(
        &mut self,
        now: Timestamp,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
    ) -> Handover {
        let Some(registration) = self.registry.get(to) else {
            return Handover::Dropped(DropReason::UnknownActor);
        };
        let Some(owner) = registration.standing.owner() else {
            return Handover::Dropped(DropReason::Detached);
        };
        let body = Body::Delivery(Arc::clone(delivery));
        let outgoing = Outgoing { id: self.ids.fresh(), to: to.clone(), timestamp: now, body };
        let session = self.sessions.open(owner).expect("an owner is an open session: I1, I9");
        if !session.queue.has_room(outgoing.weight(), &self.config) {
            self.arm_slow_consumer(now, owner);
            return Handover::Dropped(DropReason::QueueFull);
        }
        self.enqueue(now, owner, outgoing);
        self.counters.messages_delivered += 1;
        self.work.bytes += delivery.kind.len();
        self.audit(Record::MessageDelivered {
            from: delivery.from.clone(),
            to: to.clone(),
            kind: delivery.kind.clone(),
            message: delivery.origin.clone(),
            session: owner,
        });
        Handover::Delivered
    }

    pub(super) fn enqueue(&mut self, now: Timestamp, key: SessionKey, outgoing: Outgoing) {
        let Some(session) = self.sessions.open_mut(key) else { return };
        session.queue.push(outgoing.weight());
        let full = session.queue.is_full(&self.config);
        self.counters.messages_sent += 1;
        self.outputs.push(Output::Send(key, outgoing));
        if full {
            self.arm_slow_consumer(now, key);
        }
    }

    /// The clock runs from the moment in which the queue is at its bound, for a message of whatever
    /// size, until it is not.
    fn arm_slow_consumer(&mut self, now: Timestamp, key: SessionKey) {
        let [_, _, slow_consumer, _] = self.deadlines.of_session(key);
        if slow_consumer.is_none() {
            let due = now + self.config.slow_consumer_timeout;
            self.deadlines.arm(Deadline::SlowConsumer(key), due);
        }
    }
}

pub(super) fn answer(request: &Request, reply: Reply) -> Body {
    let (correlation, trace_id) = (Some(request.id.clone()), request.trace_id());
    Body::Reply { correlation, trace_id, reply: Box::new(reply) }
}
