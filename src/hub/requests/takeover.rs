//! What a session hears that loses an address (I5): another one registered it, here or at another node, or it may not have
//! it any longer.

use crate::cluster::Place;
use crate::hub::{EndReason, Hub, Record, SessionKey};
use crate::protocol::{
    ActorAddress, Body, CloseReason, DisconnectNotice, Notice, UnregisterReason, UnregisteredNotice,
};
use crate::time::Timestamp;

impl Hub {
    /// Takes the address from `old` and tells it so, once, before anything else happens (I5).
    pub(super) fn take_over(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        old: SessionKey,
        new: SessionKey,
    ) {
        self.counters.takeovers += 1;
        let id_of = |key| self.sessions.get(key).map(|session| session.id);
        let (Some(old_session_id), Some(new_session_id)) = (id_of(old), id_of(new)) else { return };
        self.audit(Record::DuplicateConnectionDetected {
            actor_address: address.clone(),
            old_session: old,
            old_session_id,
            new_session: new,
            new_session_id,
        });
        self.tell_taken(now, address, old);
    }

    pub(in crate::hub) fn record_taken_elsewhere(
        &mut self,
        actor_address: &ActorAddress,
        old_session: SessionKey,
        by: Option<&Place>,
    ) {
        self.counters.takeovers += 1;
        let Some(old_session_id) = self.sessions.get(old_session).map(|session| session.id) else {
            return;
        };
        self.audit(Record::ActorTakenElsewhere {
            actor_address: actor_address.clone(),
            old_session,
            old_session_id,
            by: by.map(ToString::to_string),
        });
    }

    /// The session loses an address that another one registered; it is closed if it was its last (I5).
    pub(in crate::hub) fn tell_taken(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        old: SessionKey,
    ) {
        self.unbind(address, old);
        if self.sessions.get(old).is_some_and(|session| !session.addresses.is_empty()) {
            return self.say_lost(now, old, address, UnregisterReason::DuplicateConnection);
        }
        let notice = DisconnectNotice {
            reason: DisconnectNotice::DUPLICATE_CONNECTION.to_owned(),
            message: format!("{address} was registered by another connection."),
        };
        let body = Body::Notice(Notice::Disconnect(notice));
        self.send_and_close(now, old, address.clone(), body, CloseReason::DuplicateConnection);
    }

    /// Detaches an address whose session lives on, and tells the session, once (I5).
    pub(super) fn lose(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        owner: SessionKey,
        (why, told): (EndReason, UnregisterReason),
    ) {
        self.detach(now, address, owner, why);
        self.unbind(address, owner);
        self.say_lost(now, owner, address, told);
    }

    fn say_lost(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        address: &ActorAddress,
        reason: UnregisterReason,
    ) {
        let notice = UnregisteredNotice { actor_address: address.clone(), reason };
        self.send_own(now, key, address.clone(), Body::Notice(Notice::Unregistered(notice)));
    }
}
