//! I3: whoever registers last has the address.

use signal_hub::hub::{Config, EndReason, Input, Phase, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, CloseReason, Details, Register, Reply, Verb};

use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken, owner_text};

/// I3. Who registered last and did not give the address up since owns it before the event, or the
/// event before broke this.
pub struct LastRegistration {
    hub_address: ActorAddress,
    addresses_max: usize,
}

impl LastRegistration {
    pub fn new(config: &Config) -> Self {
        Self {
            hub_address: config.hub_address.clone(),
            addresses_max: config.addresses_per_session_max,
        }
    }
}

impl HubObserver for LastRegistration {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        for address in transition.hub.touched.addresses.keys() {
            let registered = registered_now(transition, address);
            let Some(holder) = registered.or_else(|| transition.before.owner(address)) else {
                continue;
            };
            let owner = transition.after.owner(address);
            if owner != Some(holder) && (owner.is_some() || !gives_up(transition, holder, address))
            {
                return broken(
                    Invariant::I3,
                    format!(
                        "{holder} registered {address} last, yet {} owns it",
                        owner_text(owner)
                    ),
                );
            }
        }
        match &transition.asked {
            Some(asked) => self.newcomer_is_let_in(transition, asked),
            None => Ok(()),
        }
    }
}

impl LastRegistration {
    /// That somebody has the address is no reason to refuse it, that the newcomer has as many as it
    /// may is. Whether a token allows it, the
    /// history does not tell: then nothing is said of the refusal.
    fn newcomer_is_let_in(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
    ) -> Verdict {
        let (Some(Verb::Register(register)), Some(code)) = (asked.verb(), asked.refused) else {
            return Ok(());
        };
        let row = transition.was(asked.session);
        let connected = row.is_some_and(|row| row.phase == Phase::Connected);
        let full = row.is_some_and(|row| row.addresses.len() >= self.addresses_max);
        if asked.rate_limited
            || transition.is_by_token()
            || !connected
            || full
            || !self.is_held(transition, register)
        {
            return Ok(());
        }
        let address = &register.actor_address;
        let why = match asked.reply {
            Some(Reply::Error(refusal)) => match refusal.details {
                Details::Limit { limit } => format!("{code:?} because of {limit}"),
                _ => format!("{code:?}"),
            },
            _ => format!("{code:?}"),
        };
        broken(
            Invariant::I3,
            format!("{} was refused {address}, which another one has: {why}", asked.session),
        )
    }

    fn is_held(&self, transition: &Transition<'_>, register: &Register) -> bool {
        let address = &register.actor_address;
        *address != self.hub_address
            && transition.before.owner(address).is_some()
            && !transition.is_due(address)
    }
}

/// Whose registration of the address the hub says that it accepted in this event.
pub(super) fn registered_now(
    transition: &Transition<'_>,
    address: &ActorAddress,
) -> Option<SessionKey> {
    let registered = transition.records().filter_map(|record| match record {
        Record::ActorRegistered { actor_address, session, .. } => {
            (actor_address == address).then_some(*session)
        }
        _ => None,
    });
    registered.last()
}

/// Returns whether the holder lost the address by right: by expiry, its own end or its own wish.
fn gives_up(transition: &Transition<'_>, holder: SessionKey, address: &ActorAddress) -> bool {
    if transition.before.address_due(address, transition.now) {
        return true;
    }
    // Its queue may overflow at the very reply that tells of the registration.
    let mut closed = transition.closed();
    if closed.any(|(key, why)| key == holder && why != CloseReason::DuplicateConnection) {
        return true;
    }
    if matches!(transition.hub.input, Input::Closed(key, _) if key == holder) {
        return true;
    }
    let Some(asked) = transition.asked.as_ref().filter(|asked| asked.session == holder) else {
        return false;
    };
    match asked.verb() {
        Some(Verb::Unregister(unregister)) => {
            unregister.actor_address.as_ref().is_none_or(|named| named == address)
        }
        Some(Verb::Disconnect(_)) => true,
        Some(Verb::RefreshToken(_)) => transition.records().any(|record| {
            matches!(record, Record::ActorDetached { actor_address, why: EndReason::TokenNarrowed, .. }
                if actor_address == address)
        }),
        _ => false,
    }
}
