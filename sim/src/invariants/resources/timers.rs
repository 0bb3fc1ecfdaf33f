//! I17, I30, I32, I33: every deadline belongs to something, and everything that must end has the
//! deadline that the history gives it.

use std::time::Duration;

use signal_hub::hub::{
    AddressRow, Config, EndReason, ForgetReason, OwnerRow, Phase, Record, SessionDeadlines,
    SessionKey, SessionRow,
};
use signal_hub::protocol::{ActorAddress, Verb};
use signal_hub::time::Timestamp;

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken, text};

/// I17, I30, I32, I33.
pub struct Timers {
    resume_window: Duration,
}

impl Timers {
    pub fn new(config: &Config) -> Self {
        Self { resume_window: config.resume_window }
    }
}

impl HubObserver for Timers {
    fn watches_silence(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        for (address, row) in &transition.hub.touched.addresses {
            if let Some(row) = row {
                self.address(transition, address, row)?;
            }
        }
        for (key, row) in &transition.hub.touched.sessions {
            if let Some(row) = row {
                session(transition, *key, row)?;
            }
        }
        if transition.hub.touched.addresses.is_empty() {
            return Ok(());
        }
        transition.records().try_for_each(|record| self.record(transition, record))
    }
}

impl Timers {
    fn address(
        &self,
        transition: &Transition<'_>,
        address: &ActorAddress,
        row: &AddressRow,
    ) -> Verdict {
        let Some(registration) = &row.registration else {
            return match row.deadline {
                None => Ok(()),
                Some(_) => {
                    broken(Invariant::I30, format!("{address} is unknown and has a deadline"))
                }
            };
        };
        if registration.until == Timestamp::NEVER {
            return dormant(transition, address, registration, row);
        }
        if registration.until <= transition.now {
            let (invariant, what) = match registration.owner {
                Some(_) => (Invariant::I33, "registered"),
                None => (Invariant::I17, "detached"),
            };
            return broken(
                invariant,
                format!("the time of {address} is over and it is still {what}"),
            );
        }
        self.lives_as_long_as_it_should(transition, address, registration)?;
        if row.deadline == Some(registration.until) {
            return Ok(());
        }
        let before = transition.before.address(address).and_then(|row| row.registration);
        let resumed = registration.owner.is_some() && before.is_some_and(|row| row.owner.is_none());
        let invariant = match (registration.owner, prolonged(transition, address)) {
            (Some(_), _) if resumed => Invariant::I17,
            (None, _) => Invariant::I17,
            (Some(_), Some(_)) => Invariant::I32,
            (Some(_), None) => Invariant::I30,
        };
        let whose = whose(registration);
        let lives = text(registration.until.since(transition.now));
        let deadline = match row.deadline {
            Some(deadline) if deadline <= transition.now => "a deadline that is past".to_owned(),
            Some(deadline) => format!("a deadline in {}", text(deadline.since(transition.now))),
            None => "no deadline".to_owned(),
        };
        broken(invariant, format!("{address} {whose} for another {lives} and has {deadline}"))
    }

    fn lives_as_long_as_it_should(
        &self,
        transition: &Transition<'_>,
        address: &ActorAddress,
        registration: &OwnerRow,
    ) -> Verdict {
        let before = transition.before.address(address).and_then(|row| row.registration);
        let unchanged = before.is_some_and(|before| {
            before.until == registration.until
                && before.owner.is_some() == registration.owner.is_some()
        });
        let (invariant, lives) = match registration.owner {
            None => (Invariant::I17, Some(self.resume_window)),
            Some(_) => (Invariant::I32, prolonged(transition, address)),
        };
        // Heartbeats moved the deadline when it came.
        let carried = before.is_some_and(|before| {
            before.owner == registration.owner
                && before.until <= transition.now
                && registration.until == transition.before.lives_until(address, &before)
        });
        let is_prolonged = registration.owner.is_some() && lives.is_some();
        if (unchanged || carried) && !is_prolonged
            || lives.is_some_and(|l| registration.until == transition.now + l)
        {
            return Ok(());
        }
        let (whose, left) = (whose(registration), text(registration.until.since(transition.now)));
        let not = lives.map_or(String::new(), |lives| format!(", not for {}", text(lives)));
        broken(invariant, format!("{address} {whose} for another {left}{not}"))
    }

    fn record(&self, transition: &Transition<'_>, record: &Record) -> Verdict {
        match record {
            Record::ActorDetached { actor_address, why: EndReason::Expired, .. } => {
                let row = transition.before.address(actor_address).and_then(|row| row.registration);
                let over = row.is_some_and(|row| {
                    let until = transition.before.lives_until(actor_address, &row);
                    row.owner.is_some() && until <= transition.now
                });
                if over {
                    Ok(())
                } else {
                    broken(Invariant::I32, format!("{actor_address} expires before its time"))
                }
            }
            Record::ActorDormant { actor_address }
            | Record::ActorForgotten { actor_address, why: ForgetReason::ResumeWindowEnded } => {
                let row = transition.before.address(actor_address).and_then(|row| row.registration);
                let over =
                    row.is_some_and(|row| row.owner.is_none() && row.until <= transition.now);
                if over || self.resume_window.is_zero() {
                    Ok(())
                } else {
                    broken(
                        Invariant::I17,
                        format!("{actor_address} is forgotten and its resume window is not over"),
                    )
                }
            }
            _ => Ok(()),
        }
    }
}

/// Whether only a subscription is left of the address, since its resume window ended.
fn dormant(
    transition: &Transition<'_>,
    address: &ActorAddress,
    registration: &OwnerRow,
    row: &AddressRow,
) -> Verdict {
    let before = transition.before.address(address).and_then(|row| row.registration);
    let was = before.is_some_and(|before| before.until == Timestamp::NEVER);
    let told = |record: &Record| matches!(record, Record::ActorDormant { actor_address } if actor_address == address);
    let is_left = registration.owner.is_none() && row.deadline.is_none() && !row.topics.is_empty();
    if is_left && (was || transition.records().any(told)) {
        return Ok(());
    }
    broken(Invariant::I17, format!("{address} stays for ever, and is {row:?}"))
}

/// Whether somebody owns the address, in words.
fn whose(registration: &OwnerRow) -> String {
    match registration.owner {
        Some(owner) => format!("belongs to {owner}"),
        None => "is detached".to_owned(),
    }
}

/// The time to live that a registration or a renewal in this event gives the address.
fn prolonged(transition: &Transition<'_>, address: &ActorAddress) -> Option<Duration> {
    let verb = transition.asked.as_ref()?.verb()?;
    match verb {
        Verb::Register(register) if register.actor_address == *address => {
            let registered = |record: &Record| {
                matches!(record, Record::ActorRegistered { actor_address, .. }
                    if actor_address == address)
            };
            transition.records().any(registered).then_some(register.ttl)
        }
        Verb::Renew(_) => {
            let renewed = |record: &Record| {
                matches!(record, Record::RegistrationRenewed { actor_address, .. }
                    if actor_address == address)
            };
            let ttl = transition.before.registration(address)?.asked().ttl;
            transition.records().any(renewed).then_some(ttl)
        }
        _ => None,
    }
}

fn session(transition: &Transition<'_>, key: SessionKey, row: &SessionRow) -> Verdict {
    let SessionDeadlines { connect, idle, slow_consumer: _, token } = row.deadlines;
    let amiss = if !is_open(row) {
        row.deadlines.armed().next().map(|_| "is over and has a deadline")
    } else if connect.is_some() != (row.phase == Phase::Connecting) {
        Some("must connect in time exactly until it has connected, and that is not so")
    } else if idle.is_none() {
        Some("may be silent for ever")
    } else if token.is_some() && row.phase == Phase::Connecting {
        Some("has a token before it has shown one")
    } else if row.deadlines.armed().any(|deadline| deadline < transition.now) {
        Some("has a deadline that is past")
    } else {
        None
    };
    match amiss {
        None => Ok(()),
        Some(amiss) => broken(Invariant::I30, format!("{key} {amiss}")),
    }
}
