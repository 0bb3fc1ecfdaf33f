//! I33: what discover and list answer is who is registered, in the order of addresses, and a page
//! that ends early ends where its bound is.

use signal_hub::hub::{AddressRow, Config, OwnerRow};
use signal_hub::protocol::{
    ActorAddress, ActorList, Body, Cursor, Discovered, Json, ListActors, Outgoing, Register, Reply,
    Verb, actor_weight,
};

use super::super::shadow::Registration;
use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I33.
pub struct Directory {
    config: Config,
}

impl Directory {
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }
}

impl HubObserver for Directory {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = &transition.asked else { return Ok(()) };
        let (fitting, (offset, cursor, limit), shown, has_more, next) = match asked.reply {
            Some(Reply::Discovered(told)) => {
                let Some(Verb::Discover(ask)) = asked.verb() else { return Ok(()) };
                discovered(told)?;
                let fits = |(address, _, known): &Row<'_>| {
                    let known = known.asked();
                    ask.wants(address, &known.capabilities, &known.metadata)
                };
                let behind = registered(transition).filter(behind(ask.cursor.as_ref()));
                (
                    behind.filter(fits).collect(),
                    (ask.offset, ask.cursor.as_ref(), ask.limit.actors()),
                    told.actors
                        .iter()
                        .map(|a| (&a.address, &*a.capabilities, &a.metadata, a.truncated))
                        .collect(),
                    told.has_more,
                    (told.next_offset, told.next_cursor.as_ref()),
                )
            }
            Some(Reply::ActorList(told)) => {
                let Some(Verb::ListActors(ask)) = asked.verb() else { return Ok(()) };
                let registered: Vec<Row<'_>> = registered(transition).collect();
                listed(transition, &registered, ask, told)?;
                (
                    registered.into_iter().filter(behind(ask.cursor.as_ref())).collect(),
                    (ask.offset, ask.cursor.as_ref(), ask.limit.actors()),
                    told.actors
                        .iter()
                        .map(|a| (&a.address, &*a.capabilities, &a.metadata, a.truncated))
                        .collect(),
                    told.has_more,
                    (told.next_offset, told.next_cursor.as_ref()),
                )
            }
            _ => return Ok(()),
        };
        let told =
            Told { transition, asked, fitting, offset, cursor, limit, shown, has_more, next };
        self.whole(&told)
    }
}

/// An address, its row, and what it was registered with.
pub(super) type Row<'a> = (&'a ActorAddress, &'a OwnerRow, &'a Registration);

/// A page, what it was asked for, and what it shows.
struct Told<'a> {
    transition: &'a Transition<'a>,
    asked: &'a RequestTransition<'a>,
    /// Who fits, from the cursor on.
    fitting: Vec<Row<'a>>,
    offset: usize,
    cursor: Option<&'a Cursor>,
    limit: usize,
    /// What is shown of each, and whether that is not all.
    shown: Vec<(&'a ActorAddress, &'a [String], &'a Json, bool)>,
    has_more: bool,
    next: (Option<usize>, Option<&'a Cursor>),
}

/// Who is registered after what was due; a request for the directory changes nothing.
pub(super) fn registered<'a>(transition: &'a Transition<'_>) -> impl Iterator<Item = Row<'a>> {
    let mut all_known = transition.before.registrations().peekable();
    transition.before.address_rows().filter_map(move |(address, before)| {
        let row: Option<&AddressRow> = if transition.is_row_due(before) {
            transition.after.address(address)
        } else {
            Some(before)
        };
        let registration = row?.registration.as_ref()?;
        // Both are in the order of addresses.
        while all_known.next_if(|(other, _)| *other < address).is_some() {}
        let (_, known) = all_known.next_if(|(other, _)| *other == address)?;
        registration.owner.is_some().then_some((address, registration, known))
    })
}

pub(super) fn behind(cursor: Option<&Cursor>) -> impl Fn(&Row<'_>) -> bool {
    move |(address, ..)| cursor.is_none_or(|cursor| cursor.after < **address)
}

impl Directory {
    /// Whether the page shows the next of those that fit, and says rightly whether that is all.
    fn whole(&self, told: &Told<'_>) -> Verdict {
        let left_out = told.cursor.map_or(0, |cursor| cursor.left_out);
        let mut wanted = told.fitting.iter().skip(told.offset.saturating_add(left_out));
        let mut shown = told.shown.iter();
        for (shown, capabilities, metadata, truncated) in shown.by_ref() {
            let fits = wanted.next().is_some_and(|(address, _, known)| {
                let known = known.asked();
                let all = (*capabilities, *metadata) == (&*known.capabilities, &known.metadata);
                let none = capabilities.is_empty() && **metadata == Json::EMPTY_OBJECT;
                let alone = told.shown.len() == 1;
                address == shown
                    && if *truncated {
                        none && alone && self.is_too_large(address, known)
                    } else {
                        all
                    }
            });
            if !fits {
                return untrue(shown, "is told of as it is not");
            }
        }
        let more = wanted.next();
        match (more, told.has_more) {
            (None, false) => Ok(()),
            (Some((address, ..)), false) => untrue(address, "is left out"),
            // Whether there is more behind the rows that it looked at the hub cannot know.
            (None, true) if !self.may_be_cut(told) => {
                broken(Invariant::I33, "there is said to be more, and there is not")
            }
            (more, true) => {
                if let Some((address, _, known)) = more
                    && told.shown.len() < told.limit
                    // What no message holds stands alone.
                    && !told.shown.iter().any(|(.., truncated)| *truncated)
                    && self.has_room(told, address, known)
                    && !self.may_be_cut(told)
                {
                    return untrue(address, "is left to a later page, and there is room");
                }
                leads_on(told)
            }
        }
    }

    fn may_be_cut(&self, told: &Told<'_>) -> bool {
        let compared = |(_, _, known): Row<'_>| 1 + known.asked().metadata.len() / 128;
        registered(told.transition).map(compared).sum::<usize>() > self.config.scan_rows_max
    }

    /// Returns whether a message that holds the actor is too large, or almost.
    fn is_too_large(&self, address: &ActorAddress, known: &Register) -> bool {
        const ENVELOPE: usize = 2_048;
        let weight = actor_weight(address, &known.capabilities, &known.metadata);
        weight + ENVELOPE > self.config.message_bytes_max
    }

    /// Returns whether one actor more would have gone into a message and into the asker's queue.
    fn has_room(&self, told: &Told<'_>, address: &ActorAddress, known: &Registration) -> bool {
        let (asked, transition) = (told.asked, told.transition);
        let mut queued = transition.was(asked.session).map_or(0, |row| row.queued.bytes);
        let mut answer = 0;
        for (key, message) in transition.sent() {
            if key == asked.session && is_answer(message, asked) {
                answer = message.weight();
                break;
            }
            queued += if key == asked.session { message.weight() } else { 0 };
        }
        let known = known.asked();
        let one_more = actor_weight(address, &known.capabilities, &known.metadata);
        let weight = answer + one_more + 2 * address.as_str().len();
        let hub = self.config.hub_address.as_str().len();
        weight + hub <= self.config.message_bytes_max
            && queued + weight <= 2 * self.config.queue_bytes_max
    }
}

fn is_answer(message: &Outgoing, asked: &RequestTransition<'_>) -> bool {
    matches!(&message.body, Body::Reply { correlation, .. }
        if correlation.as_ref() == Some(&asked.request.id))
}

/// Whether what it says of the next page leads there.
fn leads_on(told: &Told<'_>) -> Verdict {
    let (offset, cursor) = told.next;
    let last = told.shown.last().map(|(address, ..)| *address);
    let from = last.or(told.cursor.map(|cursor| &cursor.after));
    let behind_it = from.is_none_or(|from| cursor.is_some_and(|cursor| cursor.after >= *from));
    if offset == Some(told.offset.saturating_add(told.shown.len())) && behind_it {
        Ok(())
    } else {
        broken(Invariant::I33, format!("a page goes on at {offset:?}, {cursor:?}"))
    }
}

fn discovered(told: &Discovered) -> Verdict {
    match told.actors.iter().find(|actor| actor.actor_address != actor.address) {
        None => Ok(()),
        Some(actor) => untrue(&actor.address, "has two addresses"),
    }
}

fn listed(
    transition: &Transition<'_>,
    registered: &[Row<'_>],
    ask: &ListActors,
    told: &ActorList,
) -> Verdict {
    let total = registered.len();
    if (told.total, told.offset, told.limit) != (total, ask.offset, ask.limit.actors()) {
        let evidence = format!(
            "{} registered, told {} from {} to at most {}",
            total, told.total, told.offset, told.limit
        );
        return broken(Invariant::I33, evidence);
    }
    for actor in &told.actors {
        let found = registered.binary_search_by(|(address, ..)| (*address).cmp(&actor.address));
        let fits = found.is_ok_and(|nth| {
            let (address, row, known) = registered[nth];
            actor.actor_address == *address
                && (actor.registered_at, actor.expires_at, actor.version)
                    == (known.at, transition.before.lives_until(address, row), row.version)
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
