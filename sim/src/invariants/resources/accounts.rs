//! I52: what the hub accounts for is what it was given to keep, and no more than its settings allow.

use signal_hub::hub::weights::{self, Accounts};
use signal_hub::hub::{AddressRow, Config, OwnerRow, SessionRow};
use signal_hub::protocol::{ActorAddress, Register, Topic, Verb};

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I52. The books are kept row by row; what was accounted before the event is in the shadow.
pub struct Accounting {
    config: Config,
    registration_max: usize,
    most: Accounts,
    accounted: Accounts,
}

impl Accounting {
    pub fn new(config: &Config) -> Self {
        let registration_max = weights::registration_max(config);
        let (most, accounted) = (Accounts::at_most(config), Accounts::default());
        Self { config: config.clone(), registration_max, most, accounted }
    }
}

impl HubObserver for Accounting {
    fn watches_silence(&self) -> bool {
        true
    }

    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let touched = &transition.hub.touched;
        for (key, row) in &touched.sessions {
            let open = |row: &&SessionRow| is_open(row);
            let (was, is) = (transition.was(*key).filter(open), row.as_ref().filter(open));
            let queued = |row: Option<&SessionRow>| row.map_or(0, |row| row.queued.bytes);
            book(&mut self.accounted.queues, queued(was), queued(is));
            let sessions = |there: bool| if there { weights::SESSION } else { 0 };
            book(&mut self.accounted.sessions, sessions(was.is_some()), sessions(is.is_some()));
        }
        for (address, row) in &touched.addresses {
            let (was, is) = (transition.before.address(address), row.as_ref());
            book(&mut self.accounted.registrations, weight(was), weight(is));
            book(&mut self.accounted.subscriptions, subscribed(was), subscribed(is));
            self.registration(transition, address, is.and_then(|row| row.registration.as_ref()))?;
        }
        let mut pairs = self.accounted.iter().zip(self.most.iter());
        match pairs.find(|((_, accounted), (_, most))| accounted > most) {
            None => Ok(()),
            Some(((of, accounted), (_, most))) => broken(
                Invariant::I52,
                format!("{accounted} bytes of {of} are accounted for, and at most {most} may be"),
            ),
        }
    }

    fn hub_restarted(&mut self) {
        self.accounted = Accounts::default();
    }
}

impl Accounting {
    /// A registration weighs what was asked for, and no more than one may.
    fn registration(
        &self,
        transition: &Transition<'_>,
        address: &ActorAddress,
        row: Option<&OwnerRow>,
    ) -> Verdict {
        let Some(row) = row else { return Ok(()) };
        let accepted = transition.asked.as_ref().and_then(|asked| asked.accepted());
        let asked = match accepted {
            Some(Verb::Register(register)) if register.actor_address == *address => {
                self.is_within_bounds(register)?;
                Some(register)
            }
            _ => transition.before.registration(address).map(|known| known.asked()),
        };
        let expected = asked.map_or(row.weight, |register| {
            weights::registration(address, &register.capabilities, register.metadata.len())
        });
        if row.weight == expected && row.weight <= self.registration_max {
            Ok(())
        } else {
            broken(
                Invariant::I52,
                format!(
                    "{address} is accounted for with {} bytes: it has {expected}, and at most {} \
                     are allowed",
                    row.weight, self.registration_max
                ),
            )
        }
    }

    /// Each part of a registration has a bound of its own.
    fn is_within_bounds(&self, register: &Register) -> Verdict {
        let bounds = self.config.bounds();
        let capabilities = &register.capabilities;
        let longest = capabilities.iter().map(String::len).max().unwrap_or(0);
        let parts = [
            ("metadata", register.metadata.len(), bounds.registration_metadata_bytes_max),
            ("capabilities", capabilities.len(), bounds.capabilities_max),
            ("capabilities[]", longest, bounds.capability_bytes_max),
        ];
        match parts.into_iter().find(|(_, has, most)| has > most) {
            None => Ok(()),
            Some((part, has, most)) => broken(
                Invariant::I52,
                format!(
                    "{} is registered with {part} of {has}: at most {most} are allowed",
                    register.actor_address
                ),
            ),
        }
    }
}

fn book(account: &mut usize, was: usize, is: usize) {
    *account = account.saturating_add(is).saturating_sub(was);
}

fn weight(row: Option<&AddressRow>) -> usize {
    row.and_then(|row| row.registration.as_ref()).map_or(0, |registration| registration.weight)
}

fn subscribed(row: Option<&AddressRow>) -> usize {
    let topics = row.into_iter().flat_map(|row| &row.topics);
    topics.map(|topic: &Topic| weights::subscription(topic)).sum()
}
