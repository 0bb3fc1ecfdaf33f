//! What an event says of copies: what is numbered, kept, replayed and dropped.

use signal_hub::hub::{DropReason, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, Body, Json, MessageId, Outgoing, Unrecovered, Verb};

use super::super::super::{Invariant, Transition, Verdict, broken};
use super::books::Kept;
use super::{Recovery, Seen, numbered, weight_max, wish};

impl Recovery {
    pub(super) fn said<'a>(&self, message: &'a Outgoing, seen: &mut Seen<'a>) -> Verdict {
        if !matches!(message.body, Body::Delivery(_)) {
            return Ok(());
        }
        let to = &message.to;
        match (message.seq, self.books.contains_key(to)) {
            (None, false) => Ok(()),
            (None, true) => broken(Invariant::I36, format!("{to} gets a copy without a number")),
            (Some(seq), false) => {
                broken(Invariant::I44, format!("{to} gets number {seq} and never asked for one"))
            }
            (Some(_), true) => {
                seen.copy = Some(message);
                Ok(())
            }
        }
    }

    pub(super) fn recorded<'a>(
        &mut self,
        transition: &Transition<'a>,
        record: &'a Record,
        seen: &mut Seen<'a>,
    ) -> Verdict {
        match record {
            Record::MessageDelivered { to, message, .. } => match seen.copy.take() {
                Some(copy) => self.keep(transition, to, message, numbered(copy), false),
                None => Ok(()),
            },
            Record::MessageQueued { to, message, seq, .. } => {
                seen.changed.insert(to.clone());
                self.keep(transition, to, message, *seq, true)
            }
            Record::MessageReplayed { to, session, seq, .. } => {
                let copy = seen.copy.take();
                self.replay(transition, (to, *session, *seq), copy)
            }
            Record::MessageDropped { to, message, why } => match to.address() {
                Some(to) => self.dropped(transition, &to, message, *why, seen),
                None => Ok(()),
            },
            Record::DuplicateConnectionDetected { actor_address, .. } => {
                seen.taken_over.insert(actor_address);
                Ok(())
            }
            Record::ActorDetached { actor_address, .. } => {
                if let Some(book) = self.books.get_mut(actor_address) {
                    book.cursor = None;
                }
                Ok(())
            }
            Record::ActorRegistered { actor_address, .. } => {
                if wish(transition).is_none() || !self.config.recovers() {
                    self.end(actor_address, seen);
                }
                Ok(())
            }
            Record::ActorForgotten { actor_address, .. } => {
                self.end(actor_address, seen);
                self.taken.remove(actor_address);
                Ok(())
            }
            Record::RecoveryAnswered { .. } => self.answered(transition, record, seen),
            _ => Ok(()),
        }
    }

    fn keep(
        &mut self,
        transition: &Transition<'_>,
        to: &ActorAddress,
        message: &MessageId,
        seq: u64,
        owed: bool,
    ) -> Verdict {
        let Some(book) = self.books.get_mut(to) else {
            return broken(
                Invariant::I45,
                format!("{message} is queued for {to}, who keeps nothing"),
            );
        };
        if seq != book.last + 1 {
            let evidence = format!("number {seq} for {to} follows {}", book.last);
            return broken(Invariant::I36, evidence);
        }
        if book.cursor.is_some() && !owed {
            let evidence = format!("number {seq} for {to} comes before what is to be replayed");
            return broken(Invariant::I37, evidence);
        }
        let asked = transition.asked.as_ref();
        let carried = asked.and_then(|asked| asked.verb()?.carries_data());
        let until = asked.and_then(|asked| asked.request.ttl).map(|ttl| transition.now + ttl);
        let data = carried.map_or(Json::NULL, |(_, data)| data.clone());
        let bytes = data.len() + asked.map_or(0, |asked| asked.request.metadata.len());
        let (at, message) = (transition.now, message.clone());
        book.last = seq;
        book.kept.push_back(Kept { seq, at, until, message, data, bytes, owed });
        Ok(())
    }

    fn replay(
        &mut self,
        transition: &Transition<'_>,
        (to, session, seq): (&ActorAddress, SessionKey, u64),
        copy: Option<&Outgoing>,
    ) -> Verdict {
        let wrong = |why: &str| broken(Invariant::I37, format!("{to} gets {seq} again: {why}"));
        let Some(book) = self.books.get_mut(to) else { return wrong("it keeps nothing") };
        book.pass_overdue(transition.now);
        let next = book.next().and_then(|at| book.kept.get_mut(at));
        let (Some(next), Some(copy)) = (next, copy) else { return wrong("nothing is to come") };
        let Body::Delivery(delivery) = &copy.body else { return wrong("it is no copy") };
        if (next.seq, numbered(copy)) != (seq, seq) {
            return wrong(&format!("{} is next", next.seq));
        }
        if delivery.origin != next.message || delivery.payload != next.data {
            return wrong("it is another message");
        }
        if transition.after.owner(to) != Some(session) && !transition.ended(session) {
            return wrong("the session does not own the address");
        }
        next.owed = false;
        book.cursor = Some(seq + 1);
        Ok(())
    }

    fn dropped<'a>(
        &mut self,
        transition: &Transition<'a>,
        to: &ActorAddress,
        message: &MessageId,
        why: DropReason,
        seen: &mut Seen<'a>,
    ) -> Verdict {
        let Some(book) = self.books.get_mut(to) else { return Ok(()) };
        let gone = seen.gone.iter_mut().filter(|(of, _)| of == to).map(|(_, kept)| kept);
        let mut owed = gone.chain(&mut book.kept).filter(|kept| kept.owed);
        match why {
            DropReason::Overflow | DropReason::Unclaimed => {
                match owed.find(|kept| kept.message == *message) {
                    Some(kept) => kept.owed = false,
                    None => {
                        let evidence = format!("{message} is dropped, and was not owed to {to}");
                        return broken(Invariant::I45, evidence);
                    }
                }
            }
            DropReason::Expired => {
                let late = |kept: &&mut Kept| {
                    kept.message == *message
                        && kept.until.is_some_and(|until| until < transition.now)
                };
                if let Some(kept) = owed.find(late) {
                    kept.owed = false;
                }
            }
            DropReason::QueueFull | DropReason::Detached => {
                let asked = transition.asked.as_ref().and_then(|asked| asked.verb());
                if !matches!(asked, Some(Verb::Send(send)) if !send.queue) {
                    self.found_no_room(transition, to, message)?;
                    self.leave_out(to, seen);
                }
            }
            DropReason::StoreFull => {
                let asked = transition.asked.as_ref().and_then(|asked| asked.verb());
                if !matches!(asked, Some(Verb::Send(_))) {
                    self.leave_out(to, seen);
                }
            }
            DropReason::UnknownActor => {}
        }
        Ok(())
    }

    /// Only a copy that is too large, or that replays leave no room, is not kept.
    fn found_no_room(
        &self,
        transition: &Transition<'_>,
        to: &ActorAddress,
        message: &MessageId,
    ) -> Verdict {
        let asked = transition.asked.as_ref();
        let data = asked.and_then(|asked| Some(asked.verb()?.carries_data()?.1.len()));
        let frame = asked.map_or(0, |asked| asked.request.frame_bytes.0);
        let weight_max = weight_max(frame.max(data.unwrap_or_default()));
        let room = self.config.recovery_bytes_max.min(self.config.recovery_total_bytes_max);
        let others = self.books.iter().filter(|(address, _)| *address != to);
        let pinned = others.filter(|(_, book)| book.cursor.is_some()).count();
        let waits = self.books.get(to).is_some_and(|book| book.cursor.is_some());
        if !waits && weight_max <= room && pinned == 0 {
            let evidence = format!("{message} is not kept for {to}, and could have been");
            return broken(Invariant::I42, evidence);
        }
        Ok(())
    }

    /// A copy that is not kept has a number, and no position before it counts.
    fn leave_out(&mut self, to: &ActorAddress, seen: &mut Seen<'_>) {
        let Some(book) = self.books.get_mut(to) else { return };
        seen.changed.insert(to.clone());
        book.last += 1;
        (book.floor, book.lost) = (book.last, Unrecovered::Overflow);
    }
}
