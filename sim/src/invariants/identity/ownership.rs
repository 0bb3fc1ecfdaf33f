//! I1, I4: each touched row against its neighbours, and against who may have touched it.

use signal_hub::hub::{AddressRow, ForgetReason, Input, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, CloseReason, Verb};

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken, owner_text};

/// I1, I4.
pub struct Ownership;

impl HubObserver for Ownership {
    fn watches_silence(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        for (address, row) in &transition.hub.touched.addresses {
            if transition.before.address(address) != row.as_ref() {
                stale_is_inert(transition, address)?;
            }
            if let Some(owner) = row.as_ref().and_then(|row| row.registration?.owner) {
                owner_lists(transition, address, owner)?;
            }
        }
        for key in
            transition.hub.touched.sessions.keys().filter(|key| may_differ(transition, **key))
        {
            session_owns_what_it_lists(transition, *key)?;
            session_lists_what_it_owns(transition, *key)?;
        }
        Ok(())
    }
}

fn owner_lists(transition: &Transition<'_>, address: &ActorAddress, owner: SessionKey) -> Verdict {
    let row = transition.is(owner).filter(|row| is_open(row));
    let listed = row.map_or(0, |row| row.addresses.iter().filter(|a| *a == address).count());
    match (row, listed) {
        (Some(_), 1) => Ok(()),
        (None, _) => {
            broken(Invariant::I1, format!("{address} belongs to {owner}, which is not open"))
        }
        (Some(_), listed) => broken(
            Invariant::I1,
            format!("{address} belongs to {owner}, which lists it {listed} times"),
        ),
    }
}

/// Returns whether what the session lists, or who owns what, is not as it was before.
fn may_differ(transition: &Transition<'_>, key: SessionKey) -> bool {
    let (before, after) = (transition.was(key), transition.is(key));
    !transition.hub.touched.addresses.is_empty()
        || before.map(|row| &row.addresses) != after.map(|row| &row.addresses)
}

fn session_owns_what_it_lists(transition: &Transition<'_>, key: SessionKey) -> Verdict {
    let Some(row) = transition.is(key) else { return Ok(()) };
    for address in row.addresses.iter() {
        let owner = transition.after.owner(address);
        if owner != Some(key) {
            let owner = owner_text(owner);
            return broken(
                Invariant::I1,
                format!("{key} lists {address}, which belongs to {owner}"),
            );
        }
    }
    Ok(())
}

/// What a session does not list any more is not its own any more.
fn session_lists_what_it_owns(transition: &Transition<'_>, key: SessionKey) -> Verdict {
    let Some(before) = transition.was(key) else { return Ok(()) };
    let listed = transition.is(key).map_or(&[][..], |row| row.addresses.as_slice());
    if listed.starts_with(&before.addresses) {
        return Ok(());
    }
    let orphan = before
        .addresses
        .iter()
        .find(|address| transition.after.owner(address) == Some(key) && !listed.contains(address));
    match orphan {
        None => Ok(()),
        Some(address) => {
            broken(Invariant::I1, format!("{key} owns {address} and does not list it any more"))
        }
    }
}

/// I4: an address's row changes only by its owner, by a registration, by its own deadline, with the
/// end of its owner or, detached, by giving way.
fn stale_is_inert(transition: &Transition<'_>, address: &ActorAddress) -> Verdict {
    let owner = transition.before.owner(address);
    let session = transition.hub.input.session();
    let by_owner = session.is_some() && owner == session;
    let by_deadline = transition.before.address_due(address, transition.now)
        || owner.is_some_and(|owner| transition.session_due(owner));
    let by_overflow = owner.is_some_and(|owner| {
        transition.closed().any(|close| close == (owner, CloseReason::SlowConsumer))
    });
    let by_request = changes_by_right(transition, address);
    let by_shutdown = transition.hub.input == Input::Shutdown;
    // Which one gives way, and when, is the business of I29.
    let by_newcomer = owner.is_none()
        && transition.records().any(|record| {
            matches!(record, Record::ActorForgotten { actor_address, why: ForgetReason::Room }
                if actor_address == address)
        });
    if by_newcomer || by_owner || by_deadline || by_overflow || by_request || by_shutdown {
        return Ok(());
    }
    let before = transition.before.address(address);
    broken(
        Invariant::I4,
        format!(
            "{} changed {address} from {} to {}",
            session.map_or("time".to_owned(), |key| format!("an event about {key}")),
            row_text(before),
            row_text(transition.after.address(address))
        ),
    )
}

/// A registration of the address, or a renewal by token, by whoever sent it.
fn changes_by_right(transition: &Transition<'_>, address: &ActorAddress) -> bool {
    let Some(asked) = &transition.asked else { return false };
    match asked.verb() {
        Some(Verb::Register(register)) => {
            transition.was_open(asked.session) && register.actor_address == *address
        }
        Some(Verb::Renew(renew)) => renew.renewal_token.is_some(),
        _ => false,
    }
}

fn row_text(row: Option<&AddressRow>) -> String {
    let Some(row) = row else { return "unknown".to_owned() };
    let topics: Vec<&str> = row.topics.iter().map(|topic| topic.as_str()).collect();
    match row.registration {
        Some(registration) => {
            let owner = registration.owner.map_or("detached".into(), |key| key.to_string());
            format!("{owner} version {} topics {topics:?}", registration.version)
        }
        None => format!("unregistered topics {topics:?}"),
    }
}
