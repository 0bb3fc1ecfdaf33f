//! The books against the hub: its rows are what they say, and a replay goes on as far as it can.

use signal_hub::hub::{Config, Input, LogRow, Queued};
use signal_hub::protocol::{ActorAddress, Unrecovered, Verb};

use super::super::super::{Invariant, Transition, Verdict, broken, is_open};
use super::books::Kept;
use super::{Recovery, Seen, weight_max};

/// Bytes of what the hub adds to a message's metadata, and of its type.
const NAMES_MAX: usize = 1024;

impl Recovery {
    /// A replay goes on while the queue has room.
    pub(super) fn replays_went_on(
        &mut self,
        transition: &Transition<'_>,
        seen: &mut Seen<'_>,
    ) -> Verdict {
        if let Input::Drained(key, _) = &transition.hub.input {
            let row = transition.is(*key).into_iter().flat_map(|row| row.addresses.iter());
            seen.replayed.extend(row.cloned());
        }
        for address in &seen.replayed {
            let Some(book) = self.books.get_mut(address).filter(|book| book.cursor.is_some())
            else {
                continue;
            };
            if let Some(message) = book.pass_overdue(transition.now).first() {
                let evidence =
                    format!("{message} is too late for {address}, and no record says so");
                return broken(Invariant::I45, evidence);
            }
            let owner = transition.after.owner(address);
            let row = owner.and_then(|owner| transition.is(owner)).filter(|row| is_open(row));
            let (Some(row), Some(cursor)) = (row, book.cursor) else { continue };
            let Queued { messages, bytes } = row.queued;
            let next = book.next().and_then(|at| book.kept.get(at));
            let weight = next.map_or(0, |next| weight_max(next.bytes + NAMES_MAX));
            if messages < self.config.queue_messages_max
                && bytes + weight <= self.config.queue_bytes_max
            {
                let evidence = format!("{cursor} for {address} waits and there is room");
                return broken(Invariant::I37, evidence);
            }
        }
        Ok(())
    }

    /// The hub's own row is what the books say; what it gave up, it had to.
    pub(super) fn compare(
        &mut self,
        transition: &Transition<'_>,
        address: &ActorAddress,
        seen: &mut Seen<'_>,
    ) -> Verdict {
        let row = transition.after.log(address);
        let (row, book) = match (row, self.books.get_mut(address)) {
            (None, None) => return Ok(()),
            (Some(row), Some(book)) => (row, book),
            (row, _) => {
                let evidence = format!("{address} has {row:?}, and recovers or not otherwise");
                return broken(Invariant::I43, evidence);
            }
        };
        if (row.epoch, row.last) != (book.epoch, book.last) {
            let evidence = format!("{address} has {row:?} and got {} of {}", book.last, book.epoch);
            return broken(Invariant::I36, evidence);
        }
        if row.cursor != book.cursor {
            let evidence = format!("{address} has {row:?} and {:?} is next", book.cursor);
            return broken(Invariant::I37, evidence);
        }
        let config = &self.config;
        // The oldest go first, so what was not needed shows in the latest of those that went.
        let latest_lost = book.kept.len().checked_sub(row.messages + 1);
        let latest_lost = latest_lost.and_then(|at| book.kept.get(at));
        let crowded = book.floor == book.last
            || latest_lost.is_some_and(|lost| gives_way(lost, row, transition, config));
        while book.kept.len() > row.messages {
            let pinned = book.kept.front().is_some_and(|oldest| book.is_pinned(oldest.seq));
            // A replay that a deadline ends no longer keeps what is too old.
            let window = config.resume_window;
            let is_old = |oldest: &Kept| oldest.at + window <= transition.now;
            let old = book.kept.front().is_some_and(is_old);
            if pinned || !crowded && !old {
                return broken(Invariant::I42, format!("{address} has {row:?}: it loses too much"));
            }
            let lost = book.pop(if old { Unrecovered::Expired } else { Unrecovered::Overflow });
            seen.gone.extend(lost.map(|kept| (address.clone(), kept)));
        }
        let within = row.messages <= config.recovery_messages_max
            && row.bytes <= config.recovery_bytes_max
            && row.messages == book.kept.len()
            && row.floor == book.floor;
        if within {
            return Ok(());
        }
        let (kept, floor) = (book.kept.len(), book.floor);
        broken(Invariant::I42, format!("{address} has {row:?} of {kept} after {floor}"))
    }
}

/// Whether, with that, the log or all logs would be beyond a bound; by the most that it can weigh.
fn gives_way(lost: &Kept, row: &LogRow, transition: &Transition<'_>, config: &Config) -> bool {
    let Some(asked) = &transition.asked else { return false };
    let Some((_, data)) = asked.verb().and_then(Verb::carries_data) else { return false };
    let weight = weight_max(lost.bytes + NAMES_MAX);
    let copies = transition.hub.touched.logs.len();
    let came = copies * weight_max(data.len() + asked.request.metadata.len() + NAMES_MAX);
    let all = || transition.before.logs().map(|(_, row)| row.bytes).sum::<usize>();
    row.messages >= config.recovery_messages_max
        || row.bytes + weight > config.recovery_bytes_max
        || all() + came > config.recovery_total_bytes_max
}
