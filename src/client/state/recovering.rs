//! How far each address has read, and what is done about a missing number (protocol, section 5).

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use super::actors::Actor;
use super::{ClientState, Phase, Purpose};
use crate::client::{Event, Message, Place, Reading};
use crate::protocol::{
    ActorAddress, Position, Recover, Recovery, RecoveryWish, Reply, Unrecovered, Verb,
};
use crate::time::Timestamp;

/// What a message that is held back weighs besides its payload and metadata.
const MESSAGE_BYTES: usize = 512;

/// How far an address has read, if it recovers.
#[derive(Debug, Default)]
pub(super) struct Progress {
    reading: Reading,
    /// `hub:recover` is under way.
    asked: bool,
    /// What came after a gap, for the case that nothing is replayed.
    held_back: BTreeMap<u64, Message>,
    held_back_bytes: usize,
    /// The user knows that the hub keeps nothing.
    told_off: bool,
}

impl Progress {
    pub(super) fn wish(&self) -> RecoveryWish {
        self.reading.position().map_or(RecoveryWish::Begin, RecoveryWish::From)
    }

    /// No answer to `hub:recover` counts any longer.
    pub(super) fn stop_asking(&mut self) {
        self.asked = false;
    }

    /// What finds no room comes again, unless nothing is replayed.
    fn hold_back(&mut self, seq: u64, message: Message, bytes_max: usize) {
        let bytes = MESSAGE_BYTES + message.payload.len() + message.metadata.len();
        if self.held_back_bytes + bytes <= bytes_max && !self.held_back.contains_key(&seq) {
            self.held_back_bytes += bytes;
            self.held_back.insert(seq, message);
        }
    }

    /// Follows the hub's answer; what the user is to know of it.
    fn answered(&mut self, address: &ActorAddress, answer: Option<&Recovery>) -> Vec<Event> {
        self.asked = false;
        self.held_back_bytes = 0;
        let held_back = std::mem::take(&mut self.held_back);
        let before = self.reading.position();
        self.reading.follow(answer);
        let (address, position) = (address.clone(), self.reading.position());
        let reason = match answer.filter(|_| position.is_some()) {
            Some(&Recovery { recovered: true, replayed, ttl_expired, .. }) => {
                self.told_off = false;
                return vec![Event::Recovered { address, replayed, ttl_expired }];
            }
            Some(answer) => {
                self.told_off = false;
                answer.reason
            }
            None => {
                let told = std::mem::replace(&mut self.told_off, true) && before.is_none();
                (!told).then_some(Unrecovered::Off)
            }
        };
        let gap = reason.map(|reason| Event::Gap { address, reason, position });
        // What is beyond the position follows: a replay may be under way.
        let same = position.filter(|now| before.is_some_and(|before| before.epoch == now.epoch));
        let follows = |seq: u64| same.is_some_and(|now| seq > now.after);
        let stays = held_back.into_iter().filter(|(seq, _)| !follows(*seq));
        let stays = stays.map(|(_, message)| Event::Delivered(message.into()));
        gap.into_iter().chain(stays).collect()
    }
}

impl ClientState {
    /// Hands each number over once, in order; what is on its way to an address that was given up, not at all.
    pub(super) fn delivered(
        &mut self,
        now: Timestamp,
        seq: Option<NonZeroU64>,
        mut message: Message,
    ) {
        let (to, bytes_max) = (message.to.clone(), self.config.held_back_bytes_max);
        if seq.is_some() && self.was_given_up(&to) {
            return;
        }
        let progress = self.actors.find(&to).map(|actor| &mut actor.progress);
        let (Some(progress), Some(seq)) = (progress, seq) else {
            return self.emit(Event::Delivered(message.into()));
        };
        let epoch = progress.reading.position().map(|position| position.epoch);
        message.position = epoch.map(|epoch| Position { epoch, after: seq.get() });
        match progress.reading.pass(seq) {
            Place::Next => self.emit(Event::Delivered(message.into())),
            Place::Seen => {}
            Place::AfterGap => {
                progress.hold_back(seq.get(), message, bytes_max);
                self.ask_for_missing(now, to);
            }
        }
    }

    /// Returns whether a number for it may have come before, for all that is known.
    fn was_given_up(&mut self, address: &ActorAddress) -> bool {
        let place_unknown = |actor: &mut Actor| {
            actor.config.recovery && actor.progress.reading.position().is_none()
        };
        self.actors.find(address).is_none_or(place_unknown) && self.hub_recovers()
    }

    /// Asks once for each gap. The answer to a registration that is under way fills it as well.
    fn ask_for_missing(&mut self, now: Timestamp, address: ActorAddress) {
        if !self.actors.is_held(&address) {
            return;
        }
        let Some(progress) = self.actors.find(&address).map(|actor| &mut actor.progress) else {
            return;
        };
        let Some(Position { after, .. }) = progress.reading.position().filter(|_| !progress.asked)
        else {
            return;
        };
        progress.asked = true;
        let verb = Verb::Recover(Recover { actor_address: Some(address.clone()), after });
        self.ask_hub(now, address.clone(), verb, Purpose::Recover(address));
    }

    /// None: no answer came. A registration brings what `hub:recover` did not.
    pub(super) fn recover_answered(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        reply: Option<&Reply>,
    ) {
        if !self.actors.find(address).is_some_and(|actor| actor.progress.asked) {
            return;
        }
        match reply {
            Some(Reply::Recovered(recovered)) => {
                self.recovery_answered(address, Some(&recovered.recovery));
            }
            Some(_) | None => self.register(now, address),
        }
    }

    pub(super) fn recovery_answered(&mut self, address: &ActorAddress, answer: Option<&Recovery>) {
        let Some(actor) = self.actors.find(address) else { return };
        if actor.config.recovery || actor.progress.reading.position().is_some() {
            for event in actor.progress.answered(address, answer) {
                self.emit(event);
            }
        }
    }

    /// What a registration asks for; an older hub is asked for nothing.
    pub(super) fn recovery_wish(&mut self, address: &ActorAddress) -> Option<RecoveryWish> {
        let hub_recovers = self.hub_recovers();
        let actor = self.actors.find(address)?;
        actor.progress.stop_asking();
        (actor.config.recovery && hub_recovers).then(|| actor.progress.wish())
    }

    /// Only such a hub numbers messages; elsewhere the number is the sender's own word.
    fn hub_recovers(&self) -> bool {
        matches!(&self.phase, Phase::Connected(session) if session.supports_recovery)
    }
}
