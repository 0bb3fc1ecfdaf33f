//! What an actor that recovers gets, at whichever nodes: everything in order, or a word that it does not (I36 to I45).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::time::Duration;

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{Epoch, Position, Recovery, RecoveryWish, Unrecovered};

use super::{Client, Judge, Violation};
use crate::invariants::Invariant;
use crate::nodes::moves::Word;
use crate::nodes::talk;

/// An actor as a client that keeps its position over all of its connections.
#[derive(Debug, Clone, Default)]
struct Reader {
    position: Option<Position>,
    /// What was accepted for it since, and it has not got.
    owed: BTreeSet<u64>,
    got: BTreeSet<u64>,
    /// What was asked before this may be missing: its position did not count.
    since: u64,
    /// Until then the node before may accept what nobody gets: it does not know that it lost the address.
    doubtful: Duration,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Readers {
    of: BTreeMap<usize, Reader>,
    /// Which message has a number of an actor's epoch, and which number a message has.
    messages: BTreeMap<(usize, Epoch, u64), u64>,
    numbers: BTreeMap<(usize, Epoch, u64), u64>,
    /// What was wished, by the number of the request.
    wishes: BTreeMap<u64, RecoveryWish>,
    /// Requests whose position has to count.
    counting: BTreeSet<u64>,
    /// The last number that each actor got of an epoch, if what a hub says is not there at once.
    arrived: Option<BTreeMap<(usize, Epoch), u64>>,
}

impl Readers {
    /// Where an actor reads that was told this. What was on its way it has to get once more.
    fn has_got(&mut self, actor: usize, told: Position) -> Option<Position> {
        let Some(arrived) = &self.arrived else { return Some(told) };
        let after = *arrived.get(&(actor, told.epoch))?;
        let missing = (after + 1..=told.after).map(|seq| (actor, told.epoch, seq));
        let missing = missing.filter_map(|place| self.messages.get(&place).copied());
        let reader = self.of.entry(actor).or_default();
        for number in missing {
            reader.got.remove(&number);
            reader.owed.insert(number);
        }
        Some(Position { after: told.after.min(after), ..told })
    }
}

impl Client {
    /// Returns whether it waits for the answer to a registration.
    pub(super) fn registers(&self) -> bool {
        let registers = |word: &Option<Word>| matches!(word, Some(Word::Register | Word::Recover));
        self.asked.values().any(registers)
    }
}

/// So long after the last fault a node may still seem gone.
const AFTERMATH: Duration = Duration::from_secs(30);

impl Judge {
    /// What an actor shows when it registers.
    pub fn wish(&mut self, actor: usize, number: u64) -> RecoveryWish {
        let told = self.readers.of.entry(actor).or_default().position;
        let position = told.and_then(|told| self.readers.has_got(actor, told));
        if told != position {
            self.saw("a client had not got what its hub said");
        }
        let wish = position.map_or(RecoveryWish::Begin, RecoveryWish::From);
        self.readers.wishes.insert(number, wish);
        wish
    }

    /// From now on what hubs say is not there at once: [`Judge::arrives`] tells.
    pub fn is_far(&mut self) {
        self.readers.arrived = Some(BTreeMap::new());
    }

    /// An actor gets what its hub said: that it reads from a position, or the message before one.
    pub fn arrives(&mut self, actor: usize, position: Position, number: Option<u64>) {
        let arrived = self.readers.arrived.get_or_insert_default();
        let after = arrived.entry((actor, position.epoch)).or_default();
        *after = position.after.max(*after);
        if let (Some(number), Some(reader)) = (number, self.readers.of.get_mut(&actor)) {
            reader.got.insert(number);
            reader.owed.remove(&number);
        }
    }

    /// All is well, so the position that this request shows has to count.
    pub fn must_recover(&mut self, number: u64) {
        self.readers.counting.insert(number);
    }

    /// Returns whether the client reads where its actor does: another connection had its address, and the engine forgot.
    fn is_up_to_date(&self, client: &Client) -> bool {
        let reader = self.readers.of.get(&client.actor);
        let own = reader.and_then(|reader| reader.position).map(|own| own.epoch);
        !client.may_have
            && !client.registers()
            && client.reads.is_some()
            && client.reads.map(|reads| reads.epoch) == own
    }

    /// Something is broken now.
    pub fn is_troubled(&mut self, now: Duration) {
        self.trouble = Some(now);
    }

    /// The actor gives its address back: what was accepted for it may be gone.
    pub fn gives_back(&mut self, key: SessionKey, actor: usize) {
        self.leaving.insert(actor);
        let known = self.clients.get(&key).filter(|client| client.registered.is_some());
        self.given_back.extend(known.map(|client| (talk::address(actor), client.node.clone())));
        let reader = self.readers.of.entry(actor).or_default();
        reader.owed.clear();
        reader.since = self.asked_until;
    }

    /// A registration is answered.
    pub(super) fn read_from(
        &mut self,
        key: SessionKey,
        number: u64,
        told: Option<&Recovery>,
        now: Duration,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(&key) else { return Ok(()) };
        let (actor, asked) = (client.actor, self.readers.wishes.remove(&number));
        let position = told.and_then(Recovery::position);
        client.reads = position;
        // A replay begins at the position again.
        client.latest.clear();
        let (Some(told), Some(position)) = (told, position) else {
            let got = self.readers.of.remove(&actor).map(|reader| reader.got);
            let reader = self.readers.of.entry(actor).or_default();
            (reader.got, reader.since) = (got.unwrap_or_default(), u64::MAX);
            return Ok(());
        };
        let asked = asked.and_then(|wish| wish.position());
        if told.recovered {
            self.saw("a position counted");
            return match asked {
                Some(asked) if asked == position => Ok(()),
                _ => Err(Violation::new(
                    Invariant::I38,
                    format!("{key} showed {asked:?} and hears {told:?}"),
                )),
            };
        }
        if asked.is_some() != told.reason.is_some() {
            let what = format!("{key} showed {asked:?} and hears {:?}", told.reason);
            return Err(Violation::new(Invariant::I39, what));
        }
        if self.readers.counting.contains(&number) {
            let what = format!("when all is well, {key} shows {asked:?} and hears {told:?}");
            return Err(Violation::new(Invariant::L9, what));
        }
        self.unrecovered(actor, told.reason, position, now)
    }

    fn unrecovered(
        &mut self,
        actor: usize,
        reason: Option<Unrecovered>,
        position: Position,
        now: Duration,
    ) -> Result<(), Violation> {
        let is_calm = self.trouble.is_none_or(|at| now > at + AFTERMATH);
        if reason == Some(Unrecovered::NodeLost) {
            if is_calm {
                let what = format!("a{actor} hears that a node is lost, and none was");
                return Err(Violation::new(Invariant::I39, what));
            }
            self.saw("what a node kept was lost");
        }
        let (since, doubtful) = (self.asked_until, now + self.lease * 2);
        let reader = self.readers.of.entry(actor).or_default();
        reader.position = Some(position);
        reader.owed.clear();
        (reader.since, reader.doubtful) = (since, doubtful);
        Ok(())
    }

    /// A message was accepted for an actor.
    pub(super) fn accepted(&mut self, actor: usize, number: u64, now: Duration) {
        let reader = self.readers.of.entry(actor).or_default();
        let counts = number > reader.since && now > reader.doubtful;
        if counts && reader.position.is_some() && !reader.got.contains(&number) {
            reader.owed.insert(number);
        }
    }

    /// An actor gets a message: it has the next number, and always the same one.
    pub(super) fn read(
        &mut self,
        key: SessionKey,
        seq: Option<NonZeroU64>,
        number: u64,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(&key) else { return Ok(()) };
        let (actor, is_unsure) = (client.actor, client.may_have || client.registers());
        let reader = self.readers.of.entry(actor).or_default();
        reader.got.insert(number);
        reader.owed.remove(&number);
        let (position, seq) = match (&mut client.reads, seq) {
            (None, None) => return Ok(()),
            // It does not know whether it reads, nor from where.
            _ if is_unsure => return Ok(()),
            (Some(position), Some(seq)) => (position, seq.get()),
            (reads, seq) => {
                let what = format!("{key}, which reads {reads:?}, gets {number} as {seq:?}");
                return Err(Violation::new(Invariant::I44, what));
            }
        };
        if seq != position.after + 1 {
            let what = format!("{key} gets number {seq} after {position:?}");
            return Err(Violation::new(Invariant::I37, what));
        }
        position.after = seq;
        let position = *position;
        if let Some(own) = reader.position.as_mut().filter(|own| own.epoch == position.epoch) {
            own.after = own.after.max(seq);
        }
        let other = self.readers.messages.insert((actor, position.epoch, seq), number);
        let before = self.readers.numbers.insert((actor, position.epoch, number), seq);
        if other.is_some_and(|other| other != number) || before.is_some_and(|before| before != seq)
        {
            let what = format!(
                "a{actor} gets message {number} as {seq} of {}, and before {other:?} as that, or it as {before:?}",
                position.epoch
            );
            return Err(Violation::new(Invariant::I36, what));
        }
        Ok(())
    }

    /// Who reads its messages in order, and the number of its actor.
    pub fn reading(&self, believers: &[(SessionKey, usize)]) -> Vec<(SessionKey, usize)> {
        let reads = |(key, _): &&(SessionKey, usize)| {
            self.clients.get(key).is_some_and(|client| self.is_up_to_date(client))
        };
        believers.iter().filter(reads).copied().collect()
    }

    /// Whoever has its address has got all that was accepted for it since it was told that something is missing.
    pub(super) fn readers_rest(
        &self,
        owners: &BTreeMap<usize, SessionKey>,
    ) -> Result<(), Violation> {
        for (actor, key) in owners {
            let reads = self.clients.get(key).is_some_and(|client| self.is_up_to_date(client));
            let reader = self.readers.of.get(actor).filter(|_| reads);
            if let Some(missing) = reader.and_then(|reader| reader.owed.first()) {
                let address = talk::address(*actor);
                let what = format!("{address} was to get message {missing}, and does not");
                return Err(Violation::new(Invariant::I38, what));
            }
        }
        Ok(())
    }
}
