//! What clients hear beside answers: what they lose, and what comes to them (I5, I6, I18, I20, I46).

use std::time::Duration;

use signal_hub::cluster::AddressRow;
use signal_hub::cluster::engine::Revision;
use signal_hub::hub::SessionKey;
use signal_hub::protocol::{ActorAddress, Body, Delivery, Notice, Outgoing};

use super::{Judge, REVISION_BITS, Violation, Written};
use crate::invariants::Invariant;
use crate::nodes::talk::number_of;

impl Judge {
    /// A client hears something.
    pub fn heard(
        &mut self,
        key: SessionKey,
        message: &Outgoing,
        is_fenced: bool,
        now: Duration,
    ) -> Result<(), Violation> {
        match &message.body {
            Body::Reply { correlation, reply, .. } => {
                let Some(id) = correlation else { return Ok(()) };
                self.replied(key, id, reply, now)
            }
            Body::Notice(notice) => self.noticed(key, &message.to, notice),
            Body::Delivery(delivery) => {
                if is_fenced {
                    let what = format!("a fenced node hands a message to {}", message.to);
                    return Err(Violation::new(Invariant::I46, what));
                }
                self.read(key, message.seq, number_of(&delivery.origin))?;
                self.got(key, &message.to, delivery, now)
            }
            Body::Pong => Ok(()),
        }
    }

    fn noticed(
        &mut self,
        key: SessionKey,
        to: &ActorAddress,
        notice: &Notice,
    ) -> Result<(), Violation> {
        let lost = match notice {
            Notice::Unregistered(_) => true,
            Notice::Disconnect(told) => told.reason == "duplicate_connection",
            Notice::Pause(_) | Notice::Resume => false,
        };
        let Some(client) = self.clients.get_mut(&key).filter(|_| lost) else { return Ok(()) };
        if client.registered.take().is_none() && !client.may_have {
            let what = format!("{key} is told that it lost {to}, which it does not have");
            return Err(Violation::new(Invariant::I5, what));
        }
        self.saw("a session lost its address");
        Ok(())
    }

    /// At most once, in order, to whoever has the address (I6, I18, I20).
    fn got(
        &mut self,
        key: SessionKey,
        to: &ActorAddress,
        delivery: &Delivery,
        now: Duration,
    ) -> Result<(), Violation> {
        let number = number_of(&delivery.origin);
        self.assembly.comes(to, number);
        let Some(client) = self.clients.get_mut(&key) else { return Ok(()) };
        // With a number it may come again, with the same one.
        if client.reads.is_none() && !self.delivered.insert((to.clone(), key, number)) {
            let what = format!("{to} gets message {number} twice on {key}");
            return Err(Violation::new(Invariant::I18, what));
        }
        let sender = self.senders.get(&number).copied();
        if let Some(sender) = sender
            && let Some(latest) = client.latest.insert(sender, number)
            && latest > number
        {
            let what = format!("{to} gets message {number} of {sender} after {latest}");
            return Err(Violation::new(Invariant::I20, what));
        }
        let Some(version) = client.registered else { return Ok(()) };
        let history = self.log.get(to).map(Vec::as_slice).unwrap_or_default();
        let revision = Revision(version & ((1 << REVISION_BITS) - 1));
        let is_taken = |written: &&Written| {
            // What was written before the engine lost rows, and is carried out after that, takes nothing.
            let takes = |row: &AddressRow| {
                row.since.is_none() && !row.detached && row.generation >= version >> REVISION_BITS
            };
            written.revision > revision && written.row.as_ref().is_some_and(takes)
        };
        // The engine may have lost the row.
        let own = history.iter().find(|written| written.revision == revision);
        let Some(own) = own.and_then(Written::owner) else { return Ok(()) };
        // Of two processes with one name, one takes what the other has.
        let mut taken = history.iter().filter(is_taken);
        let taken = taken.find(|written| written.owner() != Some(own));
        if let Some(taken) = taken
            && now > taken.at + self.lease
        {
            let what =
                format!("{key} gets a message for {to}, which moved {:?} ago", now - taken.at);
            return Err(Violation::new(Invariant::I6, what));
        }
        Ok(())
    }
}
