//! I36 to I39 and I42 to I45 at the hub: what is numbered, kept and replayed for who recovers. The
//! books are kept from what the hub said; its own rows are held against them.

mod answers;
mod books;
mod records;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::hub::{Config, Output};
use signal_hub::protocol::{ActorAddress, Epoch, Outgoing, RecoveryWish, Verb};

use crate::history::{HubEvent, Stop};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
pub(crate) use books::Book;
use books::Kept;

/// I36 to I39, I42 to I45.
#[derive(Debug, Clone)]
pub struct Recovery {
    config: Config,
    books: BTreeMap<ActorAddress, Book>,
    /// Those of the hub's last life, at its next start.
    of_last_life: BTreeMap<ActorAddress, Book>,
    /// Whether that ended in order.
    ended_in_order: bool,
    /// The latest epoch of each address that a takeover ended.
    taken: BTreeMap<ActorAddress, Epoch>,
    /// All that ever were.
    epochs: BTreeSet<Epoch>,
}

/// What one event showed so far.
#[derive(Default)]
struct Seen<'a> {
    changed: BTreeSet<ActorAddress>,
    taken_over: BTreeSet<&'a ActorAddress>,
    /// Replays went on as far as they could.
    replayed: BTreeSet<ActorAddress>,
    gone: Vec<(ActorAddress, Kept)>,
    copy: Option<&'a Outgoing>,
}

impl Recovery {
    pub fn new(config: &Config) -> Self {
        let (books, of_last_life, ended_in_order, taken, epochs) = Default::default();
        Self { config: config.clone(), books, of_last_life, ended_in_order, taken, epochs }
    }

    pub(crate) fn book(&self, address: &ActorAddress) -> Option<&Book> {
        self.books.get(address)
    }

    /// The latest epoch of the address that a takeover ended.
    pub(crate) fn taken(&self, address: &ActorAddress) -> Option<Epoch> {
        self.taken.get(address).copied()
    }
}

impl HubObserver for Recovery {
    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let mut seen = Seen::default();
        self.grow_old(transition, &mut seen);
        for output in &transition.hub.outputs {
            match output {
                Output::Send(_, message) => self.said(message, &mut seen)?,
                Output::Audit(record) => self.recorded(transition, record, &mut seen)?,
                Output::Close(..) | Output::Linger(..) => {}
            }
        }
        self.reply_is_so(transition)?;
        self.replays_went_on(transition, &mut seen)?;
        for address in transition.hub.touched.logs.keys() {
            seen.changed.insert(address.clone());
        }
        for address in std::mem::take(&mut seen.changed) {
            self.compare(transition, &address, &mut seen)?;
        }
        match seen.gone.iter().find(|(_, kept)| kept.owed) {
            None => Ok(()),
            Some((address, kept)) => broken(
                Invariant::I45,
                format!("{} was queued for {address}, and nothing tells of its end", kept.message),
            ),
        }
    }

    fn hub_stopped(&mut self, how: Stop) {
        self.ended_in_order = how == Stop::InOrder;
    }

    fn hub_restarted(&mut self) {
        self.of_last_life = std::mem::take(&mut self.books);
        self.taken.clear();
    }

    fn hub_restored(&mut self, hub: &HubEvent) -> Verdict {
        self.restore(hub)
    }
}

fn wish(transition: &Transition<'_>) -> Option<RecoveryWish> {
    match transition.asked.as_ref()?.verb()? {
        Verb::Register(register) => register.recovery,
        _ => None,
    }
}

fn numbered(copy: &Outgoing) -> u64 {
    copy.seq.map_or(0, |seq| seq.get())
}

/// The most that a copy of a frame of so many bytes weighs.
fn weight_max(frame_bytes: usize) -> usize {
    Outgoing::ENVELOPE_WEIGHT + 2 * frame_bytes + 1024
}
