//! Which tasks wait for which end of a connection, or for a listener.

use std::collections::BTreeMap;
use std::task::{Context, Waker};

use super::ids::{ConnectionId, End, PerEnd, Place};
use super::world::{Awake, Waits};

#[derive(Default)]
pub(super) struct Wakers {
    ends: BTreeMap<ConnectionId, PerEnd<EndWakers>>,
    acceptors: BTreeMap<Place, Waker>,
}

#[derive(Debug, Default)]
struct EndWakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wakers {
    pub(super) fn keep_reader(&mut self, (id, end): (ConnectionId, End), context: &Context<'_>) {
        keep(&mut self.ends.entry(id).or_default()[end].reader, context);
    }

    pub(super) fn keep_writer(&mut self, (id, end): (ConnectionId, End), context: &Context<'_>) {
        keep(&mut self.ends.entry(id).or_default()[end].writer, context);
    }

    pub(super) fn keep_acceptor(&mut self, at: Place, context: &Context<'_>) {
        self.acceptors.insert(at, context.waker().clone());
    }

    pub(super) fn wake(&mut self, awake: Awake) {
        let [first, second] = match awake {
            Awake::Listener(place) => [self.acceptors.remove(&place), None],
            Awake::End(id, end, waits) => {
                let Some(ends) = self.ends.get_mut(&id) else { return };
                let EndWakers { reader, writer } = &mut ends[end];
                match waits {
                    Waits::Reading => [reader.take(), None],
                    Waits::Writing => [writer.take(), None],
                    Waits::Either => [reader.take(), writer.take()],
                }
            }
        };
        [first, second].into_iter().flatten().for_each(Waker::wake);
    }

    pub(super) fn forget_acceptor(&mut self, at: Place) {
        self.acceptors.remove(&at);
    }

    pub(super) fn forget_connection(&mut self, id: ConnectionId) {
        self.ends.remove(&id);
    }
}

/// Keeps the waker of whoever waits, without cloning one that is already kept.
fn keep(slot: &mut Option<Waker>, context: &Context<'_>) {
    if !slot.as_ref().is_some_and(|kept| kept.will_wake(context.waker())) {
        *slot = Some(context.waker().clone());
    }
}
