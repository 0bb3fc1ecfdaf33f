//! What an event says of positions: which count, and why others do not.

use signal_hub::hub::Record;
use signal_hub::protocol::{ActorAddress, Epoch, Reply, Unrecovered, Verb};

use super::super::super::{Invariant, Transition, Verdict, broken};
use super::books::Book;
use super::{Recovery, Seen, wish};

impl Recovery {
    pub(super) fn answered<'a>(
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
    pub(super) fn reply_is_so(&self, transition: &Transition<'_>) -> Verdict {
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
}
