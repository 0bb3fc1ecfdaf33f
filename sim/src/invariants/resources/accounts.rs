//! I52: what the hub accounts for is what it was given to keep, and no more than its settings allow.

use signal_hub::hub::weights::{self, Accounts};
use signal_hub::hub::{AddressRow, Config, LogRow, OwnerRow, SessionRow, View};
use signal_hub::protocol::{ActorAddress, Register, Topic, Verb};

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Shadow, Transition, Verdict, broken};
use crate::history::HubEvent;

/// I52. The books are kept row by row; what was accounted before the event is in the shadow.
pub struct Accounting {
    config: Config,
    registration_max: usize,
    most: Accounts,
    accounted: Accounts,
    /// Bytes of all messages that logs keep.
    kept: usize,
}

impl Accounting {
    pub fn new(config: &Config) -> Self {
        let registration_max = weights::registration_max(config);
        let (most, accounted) = (Accounts::at_most(config), Accounts::default());
        Self { config: config.clone(), registration_max, most, accounted, kept: 0 }
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
            let row = row.as_ref().and_then(|row| row.registration.as_ref());
            self.registration(transition, address, row)?;
        }
        self.stored(touched, Some(transition.before));
        self.is_within()
    }

    fn hub_restarted(&mut self) {
        (self.accounted, self.kept) = (Accounts::default(), 0);
    }

    fn hub_restored(&mut self, hub: &HubEvent) -> Verdict {
        self.stored(&hub.touched, None);
        self.is_within()
    }
}

impl Accounting {
    /// Books what outlives sessions.
    fn stored(&mut self, touched: &View, before: Option<&Shadow>) {
        for (address, row) in &touched.addresses {
            let was = before.and_then(|before| before.address(address));
            book(&mut self.accounted.registrations, weight(was), weight(row.as_ref()));
            book(&mut self.accounted.subscriptions, subscribed(was), subscribed(row.as_ref()));
        }
        for (address, row) in &touched.logs {
            let was = before.and_then(|before| before.log(address));
            let log = |row: Option<&LogRow>| row.map_or(0, |row| weights::LOG + row.bytes);
            let kept = |row: Option<&LogRow>| row.map_or(0, |row| row.bytes);
            book(&mut self.accounted.logs, log(was), log(row.as_ref()));
            book(&mut self.kept, kept(was), kept(row.as_ref()));
        }
    }

    fn is_within(&self) -> Verdict {
        let (kept, most) = (self.kept, self.config.recovery_total_bytes_max);
        if kept > most {
            let evidence = format!("logs keep {kept} bytes, and at most {most} may be kept");
            return broken(Invariant::I52, evidence);
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
