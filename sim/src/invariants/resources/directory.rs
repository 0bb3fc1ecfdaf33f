//! I33: what discover and list answer is who is registered, in the order of addresses.

use signal_hub::hub::{AddressRow, OwnerRow};
use signal_hub::protocol::{
    ActorAddress, ActorList, Discover, Discovered, ListActors, Reply, Verb,
};

use super::super::{HubObserver, Invariant, Moment, Verdict, broken};

/// I33.
pub struct Directory;

impl HubObserver for Directory {
    fn observe(&mut self, moment: &Moment<'_>) -> Verdict {
        let Some(asked) = &moment.asked else { return Ok(()) };
        match (asked.verb(), asked.reply) {
            (Some(Verb::Discover(discover)), Some(Reply::Discovered(told))) => {
                discovered(moment, discover, told)
            }
            (Some(Verb::ListActors(list)), Some(Reply::ActorList(told))) => {
                listed(moment, *list, told)
            }
            _ => Ok(()),
        }
    }
}

/// Who is registered after what was due; a request for the directory changes nothing.
fn registered<'a>(
    moment: &'a Moment<'_>,
) -> impl Iterator<Item = (&'a ActorAddress, &'a OwnerRow)> {
    moment.before.address_rows().filter_map(|(address, before)| {
        let row: Option<&AddressRow> = match moment.is_due(address) {
            true => moment.after.address(address),
            false => Some(before),
        };
        let registration = row?.registration.as_ref()?;
        registration.owner.is_some().then_some((address, registration))
    })
}

fn discovered(moment: &Moment<'_>, discover: &Discover, told: &Discovered) -> Verdict {
    let limit = discover.limit.actors();
    let mut wanted = registered(moment).filter_map(|(address, _)| {
        let known = moment.before.registration(address)?.asked();
        discover.wants(address, &known.capabilities).then_some((address, known))
    });
    for actor in &told.actors {
        let fits = wanted.next().is_some_and(|(address, known)| {
            (&actor.address, &actor.actor_address, &actor.capabilities, &actor.metadata)
                == (address, address, &known.capabilities, &known.metadata)
        });
        if !fits {
            return untrue(&actor.address, "is told of as it is not");
        }
    }
    match (wanted.next(), told.actors.len() == limit) {
        (None, _) if !told.has_more => Ok(()),
        (Some(_), true) if told.has_more => Ok(()),
        (Some((address, _)), _) => untrue(address, "is left out"),
        (None, _) => broken(Invariant::I33, "there is said to be more, and there is not"),
    }
}

fn listed(moment: &Moment<'_>, list: ListActors, told: &ActorList) -> Verdict {
    let total = registered(moment).count();
    let page: Vec<_> = registered(moment).skip(list.offset).take(list.limit.actors()).collect();
    if (told.total, told.offset, told.limit) != (total, list.offset, list.limit.actors()) {
        let evidence = format!(
            "{} registered, told {} from {} to at most {}",
            total, told.total, told.offset, told.limit
        );
        return broken(Invariant::I33, evidence);
    }
    if told.actors.len() != page.len()
        || told.has_more != (list.offset.saturating_add(page.len()) < total)
    {
        let evidence = format!(
            "a page of {} lists {}, more: {}",
            page.len(),
            told.actors.len(),
            told.has_more
        );
        return broken(Invariant::I33, evidence);
    }
    for (actor, (address, row)) in told.actors.iter().zip(page) {
        let fits = moment.before.registration(address).is_some_and(|known| {
            let asked = known.asked();
            (&actor.address, &actor.actor_address, &actor.capabilities, &actor.metadata)
                == (address, address, &asked.capabilities, &asked.metadata)
                && (actor.registered_at, actor.expires_at, actor.version)
                    == (known.at, moment.before.lives_until(address, row), row.version)
        });
        if !fits {
            return untrue(&actor.address, "is listed as it is not");
        }
    }
    Ok(())
}

fn untrue(address: &ActorAddress, what: &str) -> Verdict {
    broken(Invariant::I33, format!("{address} {what}"))
}
