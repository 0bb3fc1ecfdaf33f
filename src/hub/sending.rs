//! Turns replies, notices and deliveries into outputs that join a session's queue.

use std::sync::Arc;

use super::state::Registration;
use super::{Deadline, DropReason, Hub, Output, Record, SessionKey, Storage};
use crate::protocol::{
    ActorAddress, Body, CloseReason, Delivery, MessageId, Outgoing, Recipient, Reply, Request,
    Route,
};
use crate::time::Timestamp;

/// The outcome of one copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handover {
    Delivered,
    /// Kept for a recipient that is to recover it.
    Queued,
    Dropped(DropReason),
}

/// Where a copy goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    /// The owner of the address, or why it has none.
    owner: Result<SessionKey, DropReason>,
    /// Whether its messages are numbered and kept.
    pub recovers: bool,
    /// Whether the copy may wait for the address.
    queue: bool,
}

impl Destination {
    pub fn of(known: Option<&Registration>, queue: bool) -> Self {
        let owner = known.ok_or(DropReason::UnknownActor);
        let owner = owner.and_then(|known| known.state.owner().ok_or(DropReason::Detached));
        Self { owner, recovers: known.is_some_and(|known| known.recovers), queue }
    }

    pub fn owner(self) -> Option<SessionKey> {
        self.owner.ok()
    }

    pub fn may_wait(self) -> bool {
        self.recovers && self.queue
    }
}

impl Hub {
    pub(super) fn audit(&mut self, record: Record) {
        if self.audited {
            self.outputs.push(Output::Audit(record));
        }
    }

    pub(super) fn reply(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        mut reply: Reply,
    ) {
        self.shorten(now, request, &mut reply);
        self.send_own(now, key, request.from.clone(), answer(request, reply));
    }

    /// Replies, and closes the session.
    pub(super) fn reply_last(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        reply: Reply,
        reason: CloseReason,
    ) {
        self.send_and_close(now, key, request.from.clone(), answer(request, reply), reason);
    }

    /// Refuses a hub:connect and ends the session. Some clients never read the reply if the
    /// connection closes at once, so the client gets time for that.
    pub(super) fn turn_away(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        reply: Reply,
        reason: CloseReason,
    ) {
        self.send_beyond_bounds(now, key, request.from.clone(), answer(request, reply));
        if self.config.refusal_linger.is_zero() {
            self.close(now, key, reason)
        } else {
            self.let_go(now, key, reason)
        }
    }

    /// Sends something of the hub's own, which may use the queue's reserve. A session that uses it
    /// up, by asking and never reading, is closed.
    pub(super) fn send_own(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        to: ActorAddress,
        body: Body,
    ) {
        let outgoing = Outgoing::new(self.ids.of_message(), to, now, body);
        let (lived, weight) = (self.deadlines.lived(now), outgoing.weight());
        let Some(session) = self.sessions.open_mut(key) else { return };
        self.work.bytes += weight;
        if session.queue.has_reserve(weight, &self.config) {
            session.queue.push(lived, weight, &self.config);
            let is_timed = session.queue.is_timed();
            self.put_out(key, outgoing, is_timed)
        } else {
            self.close(now, key, CloseReason::SlowConsumer)
        }
    }

    /// Sends why the session ends, and closes it.
    pub(super) fn send_and_close(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        to: ActorAddress,
        body: Body,
        reason: CloseReason,
    ) {
        self.send_beyond_bounds(now, key, to, body);
        self.close(now, key, reason);
    }

    /// Sends what nothing can follow: the queue's bound does not hold it back.
    fn send_beyond_bounds(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        to: ActorAddress,
        body: Body,
    ) {
        let outgoing = Outgoing::new(self.ids.of_message(), to, now, body);
        self.enqueue(now, key, outgoing);
    }

    /// Hands one copy from `sender` to the owner of `to`, keeps it, or records why it cannot.
    pub(super) fn deliver(
        &mut self,
        now: Timestamp,
        sender: SessionKey,
        (to, destination): (&ActorAddress, Destination),
        delivery: &Arc<Delivery>,
    ) -> Handover {
        let handover = match destination.owner {
            _ if destination.recovers && self.storage == Storage::Full => {
                // A send is refused as a whole; what others get is missing here.
                if delivery.route != Route::Send {
                    self.leave_out(to);
                }
                Handover::Dropped(DropReason::StoreFull)
            }
            Err(DropReason::Detached) if destination.may_wait() => {
                self.queue(now, to, delivery, DropReason::Detached)
            }
            Err(why) => Handover::Dropped(why),
            Ok(owner) => {
                let (handover, queue_depth) =
                    self.hand_over(now, owner, (to, destination), delivery);
                if queue_depth > self.config.pause_threshold {
                    self.pause_feeder(now, sender, owner, to, queue_depth);
                }
                handover
            }
        };
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
        if self.audited {
            self.audit(Record::MessageDropped { to: to.into(), message: message.clone(), why });
        }
    }

    /// Returns the outcome, and how many messages wait for the owner now.
    #[inline(always)]
    pub(super) fn hand_over(
        &mut self,
        now: Timestamp,
        owner: SessionKey,
        (to, destination): (&ActorAddress, Destination),
        delivery: &Arc<Delivery>,
    ) -> (Handover, usize) {
        let (lived, weight) = (self.deadlines.lived(now), delivery.weight());
        let session = self.sessions.open_mut(owner).expect("an owner is an open session: I1, I9");
        if !session.queue.has_room(weight, &self.config) {
            session.queue.note_full(lived);
            let queue_depth = session.queue.messages;
            self.time_slow_consumer(owner);
            return (self.queue_or_drop(now, (to, destination), delivery), queue_depth);
        }
        if destination.recovers && session.replaying.contains(to) {
            let queue_depth = session.queue.messages;
            return (self.queue_or_drop(now, (to, destination), delivery), queue_depth);
        }
        session.queue.push(lived, weight, &self.config);
        let (is_timed, queue_depth) = (session.queue.is_timed(), session.queue.messages);
        let body = Body::Delivery(Arc::clone(delivery));
        let mut outgoing = Outgoing::new(self.ids.of_message(), to.clone(), now, body);
        if destination.recovers {
            outgoing.seq = self.keep(now, to, delivery, false).0;
        }
        self.put_out(owner, outgoing, is_timed);
        self.counters.messages_delivered += 1;
        self.work.bytes += delivery.kind.len();
        if self.audited {
            self.audit(Record::MessageDelivered {
                from: delivery.from.clone(),
                to: to.clone(),
                kind: delivery.kind.clone(),
                message: delivery.origin.clone(),
                session: owner,
            });
        }
        (Handover::Delivered, queue_depth)
    }

    /// The copy cannot join its recipient's queue.
    #[cold]
    fn queue_or_drop(
        &mut self,
        now: Timestamp,
        (to, destination): (&ActorAddress, Destination),
        delivery: &Arc<Delivery>,
    ) -> Handover {
        let why = DropReason::QueueFull;
        if destination.may_wait() {
            self.queue(now, to, delivery, why)
        } else {
            Handover::Dropped(why)
        }
    }

    /// Keeps a copy for when its recipient can have it, or says `why` that is not now.
    pub(super) fn queue(
        &mut self,
        now: Timestamp,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
        why: DropReason,
    ) -> Handover {
        let (seq, is_kept) = self.keep(now, to, delivery, true);
        let Some(seq) = seq.filter(|_| is_kept) else { return Handover::Dropped(why) };
        self.counters.messages_queued += 1;
        if self.audited {
            self.audit(Record::MessageQueued {
                from: delivery.from.clone(),
                to: to.clone(),
                kind: delivery.kind.clone(),
                message: delivery.origin.clone(),
                seq: seq.get(),
            });
        }
        Handover::Queued
    }

    pub(super) fn enqueue(&mut self, now: Timestamp, key: SessionKey, outgoing: Outgoing) {
        let lived = self.deadlines.lived(now);
        let Some(session) = self.sessions.open_mut(key) else { return };
        session.queue.push(lived, outgoing.weight(), &self.config);
        let is_timed = session.queue.is_timed();
        self.put_out(key, outgoing, is_timed);
    }

    /// The message has joined the queue, whose slow consumer's clock runs if it `is_timed`.
    #[inline]
    fn put_out(&mut self, key: SessionKey, outgoing: Outgoing, is_timed: bool) {
        self.counters.messages_sent += 1;
        self.outputs.push(Output::Send(key, outgoing));
        if is_timed {
            self.time_slow_consumer(key);
        }
    }

    /// Sets the slow consumer's deadline, which runs while the queue is at its bound for any
    /// message, and while a queue that senders pause for does not move.
    pub(super) fn time_slow_consumer(&mut self, key: SessionKey) {
        let due = self.sessions.open(key).and_then(|row| row.queue.slow_at(&self.config));
        let due = due.map(|at| self.deadlines.passed(at));
        let armed = self.deadlines.of_slow_consumer(key);
        match due {
            Some(at) if armed != Some(at) => self.deadlines.arm(Deadline::SlowConsumer(key), at),
            None if armed.is_some() => self.deadlines.disarm(&Deadline::SlowConsumer(key)),
            Some(_) | None => {}
        }
    }
}

pub(super) fn answer(request: &Request, reply: Reply) -> Body {
    let (correlation, trace_id) = (Some(request.id.clone()), request.trace_id());
    Body::Reply { correlation, trace_id, reply: Box::new(reply) }
}
