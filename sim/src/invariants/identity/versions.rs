//! I2: versions only grow, and only by registrations and renewals.

use signal_hub::hub::Record;
use signal_hub::protocol::{ActorAddress, Reply};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I2.
pub struct Versions;

impl HubObserver for Versions {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        for (address, row) in &transition.hub.touched.addresses {
            let registration = row.as_ref().and_then(|row| row.registration);
            let Some(after) = registration.map(|registration| registration.version) else {
                continue;
            };
            let known = transition.before.address(address).and_then(|row| row.registration);
            if let Some(before) = known.map(|registration| registration.version) {
                grows(transition, address, before, after)?;
            }
            as_told(transition, address, after)?;
        }
        Ok(())
    }
}

fn grows(transition: &Transition<'_>, address: &ActorAddress, before: u64, after: u64) -> Verdict {
    let mut gains = false;
    for record in transition.records() {
        match record {
            // What comes behind that is known anew.
            Record::ActorForgotten { actor_address, .. } if actor_address == address => {
                return Ok(());
            }
            Record::ActorRegistered { actor_address, .. }
            | Record::RegistrationRenewed { actor_address, .. } => {
                gains |= actor_address == address;
            }
            _ => {}
        }
    }
    match (gains, after > before, after == before) {
        (true, true, _) | (false, _, true) => Ok(()),
        (true, false, _) => broken(
            Invariant::I2,
            format!(
                "{address} was registered or renewed and went from version {before} to {after}"
            ),
        ),
        (false, _, false) => {
            broken(Invariant::I2, format!("{address} went from version {before} to {after}"))
        }
    }
}

fn as_told(transition: &Transition<'_>, address: &ActorAddress, version: u64) -> Verdict {
    for (_, reply) in transition.replies() {
        if let Reply::Registered(told) = reply
            && told.actor_address == *address
            && told.version != version
        {
            let evidence = format!("{address} has version {version} and was told {}", told.version);
            return broken(Invariant::I2, evidence);
        }
    }
    Ok(())
}
