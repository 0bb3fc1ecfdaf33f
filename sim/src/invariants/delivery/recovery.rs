//! I36 to I39 and I42 to I45 at the hub: what is numbered, kept and replayed for who recovers. The
//! books are kept from what the hub said; its own rows are held against them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use signal_hub::hub::{Config, DropReason, Input, LATE_MIN, Output, Queued, Record, SessionKey};
use signal_hub::protocol::{
    ActorAddress, Body, Epoch, Json, MessageId, Outgoing, RecoveryWish, Reply, Unrecovered, Verb,
};
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Transition, Verdict, broken, is_open};

/// I36 to I39, I42 to I45.
pub struct Recovery {
    config: Config,
    books: BTreeMap<ActorAddress, Book>,
    /// The latest epoch of each address that a takeover ended.
    taken: BTreeMap<ActorAddress, Epoch>,
    /// All that ever were.
    epochs: BTreeSet<Epoch>,
}

/// What an address that recovers was sent in this epoch.
struct Book {
    epoch: Epoch,
    last: u64,
    /// The latest number that is lost, and why.
    floor: u64,
    lost: Unrecovered,
    kept: VecDeque<Kept>,
    cursor: Option<u64>,
}

struct Kept {
    seq: u64,
    /// When it came, without the hub's standstills since.
    at: Timestamp,
    /// After this, it is not replayed.
    until: Option<Timestamp>,
    message: MessageId,
    data: Json,
    owed: bool,
}

/// What one event showed so far.
#[derive(Default)]
struct Seen<'a> {
    changed: BTreeSet<ActorAddress>,
    taken_over: BTreeSet<&'a ActorAddress>,
    /// Replays went on as far as they could.
    replayed: BTreeSet<ActorAddress>,
    gone: Vec<(ActorAddress, Kept)>,
    copy: Option<&'a Outgoing>,
}

impl Book {
    fn new(epoch: Epoch) -> Self {
        let (kept, lost) = (VecDeque::new(), Unrecovered::Overflow);
        Self { epoch, last: 0, floor: 0, lost, kept, cursor: None }
    }

    fn position(&self) -> u64 {
        self.cursor.map_or(self.last, |next| next - 1)
    }

    fn check(&self, after: u64) -> Result<(), Unrecovered> {
        match after {
            _ if after > self.last => Err(Unrecovered::Ahead),
            _ if after < self.floor => Err(self.lost),
            _ => Ok(()),
        }
    }

    fn is_pinned(&self, seq: u64) -> bool {
        self.cursor.is_some_and(|next| next <= seq)
    }

    fn pop(&mut self, lost: Unrecovered) -> Option<Kept> {
        let oldest = self.kept.pop_front()?;
        (self.floor, self.lost) = (self.floor.max(oldest.seq), lost);
        Some(oldest)
    }

    fn next(&self) -> Option<usize> {
        let next = self.cursor?;
        self.kept.iter().position(|kept| kept.seq >= next)
    }

    /// Passes over what is too late to be replayed.
    fn pass_overdue(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut unsettled = Vec::new();
        while let Some(kept) = self.next().and_then(|at| self.kept.get(at)) {
            if kept.until.is_none_or(|until| until >= now) {
                return unsettled;
            }
            unsettled.extend(kept.owed.then(|| kept.message.clone()));
            self.cursor = Some(kept.seq + 1);
        }
        self.cursor = None;
        unsettled
    }
}

impl Recovery {
    pub fn new(config: &Config) -> Self {
        let (books, taken, epochs) = Default::default();
        Self { config: config.clone(), books, taken, epochs }
    }
}

impl HubObserver for Recovery {
    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let mut seen = Seen::default();
        self.grow_old(transition, &mut seen);
        for output in &transition.hub.outputs {
            match output {
                Output::Send(_, message) => self.said(message, &mut seen)?,
                Output::Audit(record) => self.recorded(transition, record, &mut seen)?,
                Output::Close(..) | Output::Linger(..) => {}
            }
        }
        self.reply_is_so(transition)?;
        self.replays_went_on(transition, &mut seen)?;
        for address in transition.hub.touched.logs.keys() {
            seen.changed.insert(address.clone());
        }
        for address in std::mem::take(&mut seen.changed) {
            self.compare(transition, &address, &mut seen)?;
        }
        match seen.gone.iter().find(|(_, kept)| kept.owed) {
            None => Ok(()),
            Some((address, kept)) => broken(
                Invariant::I45,
                format!("{} was queued for {address}, and nothing tells of its end", kept.message),
            ),
        }
    }

    fn hub_restarted(&mut self) {
        self.books.clear();
        self.taken.clear();
    }
}

impl Recovery {
    /// What is older than the window goes, but for what is to be replayed.
    fn grow_old(&mut self, transition: &Transition<'_>, seen: &mut Seen<'_>) {
        let (now, window) = (transition.now, self.config.resume_window);
        for (address, book) in &mut self.books {
            if let Input::Late(by) = transition.hub.input
                && by > LATE_MIN
            {
                book.kept.iter_mut().for_each(|kept| kept.at = kept.at + by);
            }
            while book.cursor.is_none()
                && book.kept.front().is_some_and(|oldest| oldest.at + window <= now)
            {
                seen.gone
                    .extend(book.pop(Unrecovered::Expired).map(|kept| (address.clone(), kept)));
                seen.changed.insert(address.clone());
            }
        }
    }

    fn said<'a>(&self, message: &'a Outgoing, seen: &mut Seen<'a>) -> Verdict {
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

    fn recorded<'a>(
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

    /// The book ends, with what it still owes.
    fn end(&mut self, address: &ActorAddress, seen: &mut Seen<'_>) {
        let Some(book) = self.books.remove(address) else { return };
        if seen.taken_over.contains(address) {
            self.taken.insert(address.clone(), book.epoch);
        }
        seen.changed.insert(address.clone());
        seen.gone.extend(book.kept.into_iter().map(|kept| (address.clone(), kept)));
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
        let (at, message) = (transition.now, message.clone());
        book.last = seq;
        book.kept.push_back(Kept { seq, at, until, message, data, owed });
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
                    seen.changed.insert(to.clone());
                    return self.left_out(transition, to, message);
                }
            }
            DropReason::UnknownActor | DropReason::StoreFull => {}
        }
        Ok(())
    }

    /// A copy that found no room at all has a number, and no position before it counts.
    fn left_out(
        &mut self,
        transition: &Transition<'_>,
        to: &ActorAddress,
        message: &MessageId,
    ) -> Verdict {
        let asked = transition.asked.as_ref();
        let weight_max = asked.map_or(0, |asked| weight_max(asked.request.frame_bytes.0));
        let room = self.config.recovery_bytes_max.min(self.config.recovery_total_bytes_max);
        let others = self.books.iter().filter(|(address, _)| *address != to);
        let pinned = others.filter(|(_, book)| book.cursor.is_some()).count();
        let Some(book) = self.books.get_mut(to) else { return Ok(()) };
        if book.cursor.is_none() && weight_max <= room && pinned == 0 {
            let evidence = format!("{message} is not kept for {to}, and could have been");
            return broken(Invariant::I42, evidence);
        }
        book.last += 1;
        (book.floor, book.lost) = (book.last, Unrecovered::Overflow);
        Ok(())
    }

    fn answered<'a>(
        &mut self,
        transition: &Transition<'a>,
        record: &'a Record,
        seen: &mut Seen<'a>,
    ) -> Verdict {
        let Record::RecoveryAnswered {
            actor_address,
            epoch,
            after,
            recovered,
            replayed,
            reason,
            ..
        } = record
        else {
            return Ok(());
        };
        seen.changed.insert(actor_address.clone());
        let expected = self.expected(transition, actor_address);
        let told = (*recovered, *reason);
        if told != (expected.is_ok(), expected.err().flatten()) {
            let invariant = if *recovered { Invariant::I38 } else { Invariant::I39 };
            let evidence = format!("{actor_address} is told {told:?} and it is {expected:?}");
            return broken(invariant, evidence);
        }
        if *reason == Some(Unrecovered::Off) {
            return Ok(());
        }
        let keeps = *recovered || !seen.taken_over.contains(actor_address);
        if !keeps || !self.books.contains_key(actor_address) {
            return self.begins(actor_address, *epoch, seen);
        }
        let Some(book) = self.books.get_mut(actor_address) else { return Ok(()) };
        if *epoch != Some(book.epoch) {
            let evidence = format!("{actor_address} is told {epoch:?} in {}", book.epoch);
            return broken(Invariant::I43, evidence);
        }
        if let Ok(asked) = expected {
            book.cursor = Some(asked + 1);
            let due = book.kept.iter().filter(|kept| kept.seq > asked);
            let due = due.filter(|kept| kept.until.is_none_or(|until| until >= transition.now));
            if (*after, *replayed) != (asked, due.count() as u64) {
                let evidence = format!("{actor_address} is told of {replayed} after {after}");
                return broken(Invariant::I37, evidence);
            }
        } else if *after != book.position() {
            let evidence = format!("{actor_address} is told to be at {after} of {}", book.last);
            return broken(Invariant::I36, evidence);
        }
        seen.replayed.insert(actor_address.clone());
        Ok(())
    }

    fn begins(
        &mut self,
        address: &ActorAddress,
        epoch: Option<Epoch>,
        seen: &mut Seen<'_>,
    ) -> Verdict {
        self.end(address, seen);
        let Some(epoch) = epoch.filter(|epoch| self.epochs.insert(*epoch)) else {
            return broken(Invariant::I43, format!("{address} begins in {epoch:?}"));
        };
        self.books.insert(address.clone(), Book::new(epoch));
        Ok(())
    }

    /// The number after which everything is there, or why not.
    fn expected(
        &self,
        transition: &Transition<'_>,
        address: &ActorAddress,
    ) -> Result<u64, Option<Unrecovered>> {
        let book = self.books.get(address);
        let verb = transition.asked.as_ref().and_then(|asked| asked.verb());
        if let Some(Verb::Recover(recover)) = verb {
            let book = book.ok_or(Some(Unrecovered::Off))?;
            return book.check(recover.after).map(|()| recover.after).map_err(Some);
        }
        if !self.config.recovers() {
            return Err(Some(Unrecovered::Off));
        }
        let position = wish(transition).and_then(|wish| wish.position()).ok_or(None)?;
        match book.filter(|book| book.epoch == position.epoch) {
            Some(book) => book.check(position.after).map(|()| position.after).map_err(Some),
            None if self.taken.get(address) == Some(&position.epoch) => {
                Err(Some(Unrecovered::TakenOver))
            }
            None => Err(Some(Unrecovered::Epoch)),
        }
    }

    /// Who asks for nothing is told nothing.
    fn reply_is_so(&self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = &transition.asked else { return Ok(()) };
        let (Some(Reply::Registered(told)), None) = (asked.reply, wish(transition)) else {
            return Ok(());
        };
        match told.recovery {
            None => Ok(()),
            Some(_) => {
                let evidence = format!("{} never asked to recover", told.actor_address);
                broken(Invariant::I44, evidence)
            }
        }
    }

    /// A replay goes on while the queue has room.
    fn replays_went_on(&mut self, transition: &Transition<'_>, seen: &mut Seen<'_>) -> Verdict {
        if let Input::Drained(key, _) = &transition.hub.input {
            let row = transition.is(*key).into_iter().flat_map(|row| row.addresses.iter());
            seen.replayed.extend(row.cloned());
        }
        for address in &seen.replayed {
            let Some(book) = self.books.get_mut(address).filter(|book| book.cursor.is_some())
            else {
                continue;
            };
            if let Some(message) = book.pass_overdue(transition.now).first() {
                let evidence =
                    format!("{message} is too late for {address}, and no record says so");
                return broken(Invariant::I45, evidence);
            }
            let owner = transition.after.owner(address);
            let row = owner.and_then(|owner| transition.is(owner)).filter(|row| is_open(row));
            let (Some(row), Some(cursor)) = (row, book.cursor) else { continue };
            let Queued { messages, bytes } = row.queued;
            let next = book.next().and_then(|at| book.kept.get(at));
            let weight = next.map_or(0, |next| weight_max(next.data.len() + 4096));
            if messages < self.config.queue_messages_max
                && bytes + weight <= self.config.queue_bytes_max
            {
                let evidence = format!("{cursor} for {address} waits and there is room");
                return broken(Invariant::I37, evidence);
            }
        }
        Ok(())
    }

    /// The hub's own row is what the books say; what it gave up, it had to.
    fn compare(
        &mut self,
        transition: &Transition<'_>,
        address: &ActorAddress,
        seen: &mut Seen<'_>,
    ) -> Verdict {
        let row = transition.after.log(address);
        let (row, book) = match (row, self.books.get_mut(address)) {
            (None, None) => return Ok(()),
            (Some(row), Some(book)) => (row, book),
            (row, _) => {
                let evidence = format!("{address} has {row:?}, and recovers or not otherwise");
                return broken(Invariant::I43, evidence);
            }
        };
        if (row.epoch, row.last) != (book.epoch, book.last) {
            let evidence = format!("{address} has {row:?} and got {} of {}", book.last, book.epoch);
            return broken(Invariant::I36, evidence);
        }
        if row.cursor != book.cursor {
            let evidence = format!("{address} has {row:?} and {:?} is next", book.cursor);
            return broken(Invariant::I37, evidence);
        }
        let config = &self.config;
        let crowded = book.kept.len() > config.recovery_messages_max || carries(transition);
        while book.kept.len() > row.messages {
            let pinned = book.kept.front().is_some_and(|oldest| book.is_pinned(oldest.seq));
            if pinned || !crowded {
                return broken(Invariant::I42, format!("{address} has {row:?}: it loses too much"));
            }
            let lost = book.pop(Unrecovered::Overflow);
            seen.gone.extend(lost.map(|kept| (address.clone(), kept)));
        }
        let within = row.messages <= config.recovery_messages_max
            && row.bytes <= config.recovery_bytes_max
            && row.messages == book.kept.len()
            && row.floor == book.floor;
        if within {
            return Ok(());
        }
        let (kept, floor) = (book.kept.len(), book.floor);
        broken(Invariant::I42, format!("{address} has {row:?} of {kept} after {floor}"))
    }
}

fn wish(transition: &Transition<'_>) -> Option<RecoveryWish> {
    match transition.asked.as_ref()?.verb()? {
        Verb::Register(register) => register.recovery,
        _ => None,
    }
}

/// Whether the event may have brought something that others give way to.
fn carries(transition: &Transition<'_>) -> bool {
    let asked = transition.asked.as_ref().and_then(|asked| asked.verb());
    asked.is_some_and(|verb| verb.carries_data().is_some())
}

fn numbered(copy: &Outgoing) -> u64 {
    copy.seq.map_or(0, |seq| seq.get())
}

/// The most that a copy of a frame of so many bytes weighs.
fn weight_max(frame_bytes: usize) -> usize {
    Outgoing::ENVELOPE_WEIGHT + 2 * frame_bytes + 1024
}
