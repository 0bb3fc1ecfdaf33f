//! I3: whoever registers last has the address.

use std::collections::BTreeMap;

use signal_hub::hub::{Config, Input, Phase, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, CloseReason, Details, Register, Reply, Verb};

use super::super::moment::Asked;
use super::super::{HubObserver, Invariant, Moment, Verdict, World, broken};

/// I3. Remembers who registered last, from what the hub says it accepted.
pub struct LastRegistration {
    hub_address: ActorAddress,
    /// Who registered last and did not give the address up since.
    holders: BTreeMap<ActorAddress, SessionKey>,
}

impl LastRegistration {
    pub fn new(config: &Config) -> Self {
        Self { hub_address: config.hub_address.clone(), holders: BTreeMap::new() }
    }

    /// One that has seen every owner of this world register.
    pub fn knowing(config: &Config, world: &World) -> Self {
        let owned =
            world.address_rows().filter_map(|(address, _)| Some((address, world.owner(address)?)));
        let holders = owned.map(|(address, owner)| (address.clone(), owner)).collect();
        Self { holders, ..Self::new(config) }
    }
}

impl HubObserver for LastRegistration {
    fn observe(&mut self, moment: &Moment<'_>) -> Verdict {
        for record in moment.records() {
            if let Record::ActorRegistered { actor_address, session, .. } = record {
                self.holders.insert(actor_address.clone(), *session);
            }
        }
        for address in moment.hub.touched.addresses.keys() {
            let Some(holder) = self.holders.get(address).copied() else { continue };
            let owner = moment.after.owner(address);
            if owner == Some(holder) {
                continue;
            }
            if owner.is_some() || !gives_up(moment, holder, address) {
                return broken(
                    Invariant::I3,
                    format!("s{} registered {address} last, yet {owner:?} owns it", holder.0),
                );
            }
            self.holders.remove(address);
        }
        match &moment.asked {
            Some(asked) => self.newcomer_is_let_in(moment, asked),
            None => Ok(()),
        }
    }

    fn hub_restarted(&mut self) {
        self.holders.clear();
    }
}

impl LastRegistration {
    /// That somebody has the address is no reason to refuse it. Whether a token allows it, the
    /// history does not tell: then nothing is said of the refusal.
    fn newcomer_is_let_in(&self, moment: &Moment<'_>, asked: &Asked<'_>) -> Verdict {
        let (Some(Verb::Register(register)), Some(code)) = (asked.verb(), asked.refused) else {
            return Ok(());
        };
        let row = moment.before.session(asked.session);
        let by_token = row.is_none_or(|row| row.deadlines[3].is_some());
        let connected = row.is_some_and(|row| row.phase == Phase::Connected);
        if asked.hasty || by_token || !connected || !self.is_held(moment, register) {
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
            format!("s{} was refused {address}, which another one has: {why}", asked.session.0),
        )
    }

    fn is_held(&self, moment: &Moment<'_>, register: &Register) -> bool {
        let address = &register.actor_address;
        *address != self.hub_address
            && moment.before.owner(address).is_some()
            && !moment.is_due(address)
    }
}

/// Whether the holder lost the address by right: by expiry, its own end or its own wish.
fn gives_up(moment: &Moment<'_>, holder: SessionKey, address: &ActorAddress) -> bool {
    if moment.before.address_due(address, moment.now) {
        return true;
    }
    // Its queue may overflow at the very reply that tells of the registration.
    let mut closed = moment.closed();
    if closed.any(|(key, why)| key == holder && why != CloseReason::DuplicateConnection) {
        return true;
    }
    if matches!(moment.hub.input, Input::Closed(key, _) if key == holder) {
        return true;
    }
    let Some(asked) = moment.asked.as_ref().filter(|asked| asked.session == holder) else {
        return false;
    };
    match asked.verb() {
        Some(Verb::Unregister(unregister)) => {
            unregister.actor_address.as_ref().is_none_or(|named| named == address)
        }
        Some(Verb::Disconnect(_)) => true,
        _ => false,
    }
}
