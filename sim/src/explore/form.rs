//! What makes two states one: the hub's rows without what no rule of the hub reads. Times are
//! relative to now, sessions go by what they are instead of by key, versions, ids and tokens are
//! left out, and so is which of an actor's connections is which. All actors do the same, unless they
//! are principals or recover: which of them is the first is left out as well, their order is not.

use signal_hub::hub::{AddressRow, Phase, SessionDeadlines, View};
use signal_hub::protocol::{ActorAddress, Epoch, Position, Unrecovered};
use signal_hub::time::Timestamp;

use super::setting::Setting;
use super::state::Connection;
use crate::invariants::{Book, Recovery, Shadow};
use crate::lower::Positions;

/// See above.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form(Vec<ActorForm>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ActorForm {
    address: Option<AddressForm>,
    recovery: Option<RecoveryForm>,
    /// In ascending order.
    connections: Vec<Option<ConnectionForm>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct AddressForm {
    registered: Option<Until>,
    topics: usize,
    deadline: Option<i64>,
    /// Whose it is, if the hub demands tokens.
    holder: Option<String>,
}

/// What is kept for an address that recovers, and where its actor stands. Numbers are relative to
/// the latest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RecoveryForm {
    /// How many there are since the latest that is lost, and why that is.
    there: Option<(u64, Unrecovered)>,
    /// Each with its age, and whether it is owed.
    kept: Vec<(u64, i64, bool)>,
    cursor: Option<u64>,
    due: Option<i64>,
    /// How far behind the actor is, if that counts; else whether its epoch was taken over.
    behind: Option<Result<u64, bool>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Until {
    has_owner: bool,
    until: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ConnectionForm {
    phase: Phase,
    /// Whether what its actor registers belongs to it, and whether it lists it. Nothing else can.
    owns: bool,
    lists: bool,
    /// Messages that wait, where any can.
    queued: usize,
    deadlines: [Option<i64>; 4],
    /// When it last said something; of a session that is over nobody asks.
    heard: Option<i64>,
    /// Whether the hub knows whom it speaks for.
    spoke: bool,
    /// Whether its token allows what its actor registers.
    may: bool,
}

impl Form {
    pub fn of(
        setting: &Setting,
        now: Timestamp,
        view: &View,
        places: &[Option<Connection>],
        known: &Shadow,
        (past, positions): (&Recovery, &[Positions]),
    ) -> Self {
        let per_actor = places.chunks(setting.size.connections).zip(setting.addresses());
        let sends = setting.size.sends > 0;
        let form = |(places, address)| actor_form(now, view, places, address, sends, known);
        let mut actors: Vec<ActorForm> = per_actor.map(form).collect();
        if setting.size.recovery {
            for (number, address) in setting.addresses().iter().enumerate() {
                let due = view.logs.get(address).and_then(Option::as_ref).and_then(|row| row.due);
                let due = due.map(|due| relative(now, due));
                let read = positions[number].latest();
                actors[number].recovery = Some(RecoveryForm {
                    due,
                    ..recovery_form(now, past.book(address), read, past.taken(address))
                });
            }
        }
        let turned = |first: usize| actors[first..].iter().chain(&actors[..first]);
        let ordered = setting.size.principals || setting.size.recovery;
        let firsts = if ordered { 0 } else { actors.len() };
        let first = (0..firsts).min_by(|one, other| turned(*one).cmp(turned(*other)));
        let first = first.unwrap_or_default();
        actors.rotate_left(first);
        Self(actors)
    }
}

fn actor_form(
    now: Timestamp,
    view: &View,
    places: &[Option<Connection>],
    address: &ActorAddress,
    sends: bool,
    shadow: &Shadow,
) -> ActorForm {
    let principals = shadow.principals();
    let known = view.addresses.get(address).and_then(Option::as_ref);
    let owner = known.and_then(|row| row.registration?.owner);
    let connection = |place: &Option<Connection>| {
        let connection = place.as_ref()?;
        let row = view.sessions.get(&connection.key).and_then(Option::as_ref)?;
        let is_over = row.phase == Phase::Disconnecting;
        let SessionDeadlines { connect, idle, slow_consumer, token } = row.deadlines;
        Some(ConnectionForm {
            phase: row.phase,
            owns: owner == Some(connection.key),
            lists: row.addresses.contains(address),
            queued: if sends { row.queued.messages } else { 0 },
            deadlines: [connect, idle, slow_consumer, token].map(|at| Some(relative(now, at?))),
            heard: (!is_over).then(|| relative(now, connection.heard)),
            spoke: connection.spoke,
            may: principals
                .and_then(|p| p.grant(connection.key))
                .is_some_and(|g| g.allows(address)),
        })
    };
    let mut connections: Vec<_> = places.iter().map(connection).collect();
    connections.sort_unstable();
    let holder = principals.and_then(|known| known.holder(address));
    let holder = holder.map(|principal| principal.subject.clone());
    let address = known.map(|row| address_form(now, row, holder));
    ActorForm { address, recovery: None, connections }
}

fn recovery_form(
    now: Timestamp,
    book: Option<&Book>,
    read: Option<Position>,
    taken: Option<Epoch>,
) -> RecoveryForm {
    let kept = book.into_iter().flat_map(|book| {
        book.kept.iter().map(|one| (book.last - one.seq, relative(now, one.at), one.owed))
    });
    RecoveryForm {
        there: book.map(|book| (book.last - book.floor, book.lost)),
        kept: kept.collect(),
        cursor: book.and_then(|book| Some(book.last + 1 - book.cursor?)),
        due: None,
        behind: read.map(|read| match book.filter(|book| book.epoch == read.epoch) {
            // All that do not count are one.
            Some(book) => {
                let there = book.last - book.floor;
                Ok(book.last.saturating_sub(read.after).min(there + 1))
            }
            None => Err(taken == Some(read.epoch)),
        }),
    }
}

fn address_form(now: Timestamp, row: &AddressRow, holder: Option<String>) -> AddressForm {
    let registered = row.registration.map(|registration| Until {
        has_owner: registration.owner.is_some(),
        until: relative(now, registration.until),
    });
    let deadline = row.deadline.map(|at| relative(now, at));
    AddressForm { registered, topics: row.topics.len(), deadline, holder }
}

fn relative(now: Timestamp, at: Timestamp) -> i64 {
    at.as_millis().cast_signed() - now.as_millis().cast_signed()
}
