//! Tells sessions to pause when what they send piles up (protocol, section 4).
//!
//! hub:resume names nobody, so a session is paused as a whole, and for at most one recipient at a
//! time; this also bounds the book-keeping by the number of sessions. A session that sends to
//! another slow recipient after its resume is paused again.

use super::{Hub, Record, SessionKey};
use crate::protocol::{ActorAddress, Body, Notice, Outgoing, PauseNotice};
use crate::time::Timestamp;

impl Hub {
    /// `sender` sent something to `to`, whose session is `recipient` and has so many messages waiting
    /// that senders should pause.
    pub(super) fn pause_feeder(
        &mut self,
        now: Timestamp,
        sender: SessionKey,
        recipient: SessionKey,
        to: &ActorAddress,
        queue_depth: usize,
    ) {
        if self.sessions.open(sender).is_none_or(|row| row.paused_for.is_some()) {
            return;
        }
        let notice = Notice::Pause(PauseNotice {
            reason: PauseNotice::SLOW_CONSUMER.to_owned(),
            actor_address: to.clone(),
            queue_depth,
        });
        let outgoing = self.notice(now, sender, notice);
        let Some(row) = self.sessions.open_mut(sender) else { return };
        if !row.queue.has_reserve(outgoing.weight(), &self.config) {
            return;
        }
        row.paused_for = Some(recipient);
        if let Some(row) = self.sessions.open_mut(recipient) {
            row.pausing.insert(sender);
        }
        self.audit(Record::SenderPaused {
            session: sender,
            actor_address: to.clone(),
            queue_depth,
        });
        self.enqueue(now, sender, outgoing);
    }

    /// The session is over: nobody pauses for it any longer, and it pauses for nobody.
    pub(super) fn release(&mut self, now: Timestamp, key: SessionKey) {
        let paused_for = self.sessions.get_mut(key).and_then(|row| row.paused_for.take());
        if let Some(row) = paused_for.and_then(|recipient| self.sessions.get_mut(recipient)) {
            row.pausing.remove(&key);
        }
        self.resume_feeders(now, key);
    }

    /// Nobody has to pause for the session any longer. A queue's bound does not hold a resume back:
    /// there is at most one for each pause, and without it the session would wait for ever.
    pub(super) fn resume_feeders(&mut self, now: Timestamp, key: SessionKey) {
        let Some(row) = self.sessions.get_mut(key) else { return };
        for sender in std::mem::take(&mut row.pausing) {
            let Some(row) = self.sessions.open_mut(sender) else { continue };
            row.paused_for = None;
            let outgoing = self.notice(now, sender, Notice::Resume);
            self.audit(Record::SenderResumed { session: sender });
            self.enqueue(now, sender, outgoing);
        }
    }

    fn notice(&mut self, now: Timestamp, key: SessionKey, notice: Notice) -> Outgoing {
        let (id, to, body) = (self.ids.of_message(), self.reply_address(key), Body::Notice(notice));
        Outgoing::new(id, to, now, body)
    }
}
