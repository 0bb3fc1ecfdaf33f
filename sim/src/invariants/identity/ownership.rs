//! I1, I4: each touched row against its neighbours, and against who may have touched it.

use signal_hub::hub::{AddressRow, ForgetReason, Input, Record, SessionKey};
use signal_hub::protocol::{ActorAddress, CloseReason, Verb};

use super::super::world::is_open;
use super::super::{HubObserver, Invariant, Moment, Verdict, broken, owner_text};

/// I1, I4.
pub struct Ownership;

impl HubObserver for Ownership {
    fn watches_silence(&self) -> bool {
        true
    }

    fn observe(&mut self, moment: &Moment<'_>) -> Verdict {
        for (address, row) in &moment.hub.touched.addresses {
            if moment.before.address(address) != row.as_ref() {
                stale_is_inert(moment, address)?;
            }
            if let Some(owner) = row.as_ref().and_then(|row| row.registration?.owner) {
                owner_lists(moment, address, owner)?;
            }
        }
        for key in moment.hub.touched.sessions.keys().filter(|key| may_differ(moment, **key)) {
            session_owns_what_it_lists(moment, *key)?;
            session_lists_what_it_owns(moment, *key)?;
        }
        Ok(())
    }
}

fn owner_lists(moment: &Moment<'_>, address: &ActorAddress, owner: SessionKey) -> Verdict {
    let row = moment.is(owner).filter(|row| is_open(row));
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

/// Whether what the session lists, or who owns what, is not as it was before.
fn may_differ(moment: &Moment<'_>, key: SessionKey) -> bool {
    let (before, after) = (moment.was(key), moment.is(key));
    !moment.hub.touched.addresses.is_empty()
        || before.map(|row| &row.addresses) != after.map(|row| &row.addresses)
}

fn session_owns_what_it_lists(moment: &Moment<'_>, key: SessionKey) -> Verdict {
    let Some(row) = moment.is(key) else { return Ok(()) };
    for address in row.addresses.iter() {
        let owner = moment.after.owner(address);
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
fn session_lists_what_it_owns(moment: &Moment<'_>, key: SessionKey) -> Verdict {
    let Some(before) = moment.was(key) else { return Ok(()) };
    let listed = moment.is(key).map_or(&[][..], |row| row.addresses.as_slice());
    let orphan = before
        .addresses
        .iter()
        .find(|address| moment.after.owner(address) == Some(key) && !listed.contains(address));
    match orphan {
        None => Ok(()),
        Some(address) => {
            broken(Invariant::I1, format!("{key} owns {address} and does not list it any more"))
        }
    }
}

/// I4: an address's row changes only by its owner, by a registration, by its own deadline, with the
/// end of its owner or, detached, by giving way.
fn stale_is_inert(moment: &Moment<'_>, address: &ActorAddress) -> Verdict {
    let owner = moment.before.owner(address);
    let session = moment.hub.input.session();
    let by_owner = session.is_some() && owner == session;
    let by_deadline = moment.before.address_due(address, moment.now)
        || owner.is_some_and(|owner| moment.session_due(owner));
    let by_overflow = owner.is_some_and(|owner| {
        moment.closed().any(|close| close == (owner, CloseReason::SlowConsumer))
    });
    let by_request = changes_by_right(moment, address);
    let by_shutdown = moment.hub.input == Input::Shutdown;
    // Which one gives way, and when, is the business of I29.
    let by_newcomer = owner.is_none()
        && moment.records().any(|record| {
            matches!(record, Record::ActorForgotten { actor_address, why: ForgetReason::Room }
                if actor_address == address)
        });
    if by_newcomer || by_owner || by_deadline || by_overflow || by_request || by_shutdown {
        return Ok(());
    }
    let before = moment.before.address(address);
    broken(
        Invariant::I4,
        format!(
            "{} changed {address} from {} to {}",
            session.map_or("time".to_owned(), |key| format!("an event about {key}")),
            row_text(before),
            row_text(moment.after.address(address))
        ),
    )
}

/// A registration of the address, or a renewal by token, by whoever sent it.
fn changes_by_right(moment: &Moment<'_>, address: &ActorAddress) -> bool {
    let Some(asked) = &moment.asked else { return false };
    match asked.verb() {
        Some(Verb::Register(register)) => {
            moment.was_open(asked.session) && register.actor_address == *address
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
