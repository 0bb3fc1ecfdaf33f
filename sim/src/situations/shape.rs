//! The situation of a hub as a whole, coarse enough to come up again: how many sessions and
//! addresses of each sort there are.

use signal_hub::hub::{AddressRow, Phase, SessionRow};

use crate::invariants::Shadow;

/// Two bits for each sort of row: none, one, two, more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(u128);

const SESSION_SORTS: u32 = 27;

impl Shape {
    /// The shape of a hub whose queues hold so many messages.
    pub fn of(shadow: &Shadow, queue_messages_max: usize) -> Self {
        let mut shape = Self(0);
        for (_, row) in shadow.sessions() {
            shape.count(session_sort(row, queue_messages_max));
        }
        for (_, row) in shadow.address_rows() {
            shape.count(SESSION_SORTS + address_sort(row));
        }
        shape
    }

    fn count(&mut self, sort: u32) {
        let place = sort * 2;
        if self.0 >> place & 0b11 != 0b11 {
            self.0 += 1 << place;
        }
    }
}

fn session_sort(row: &SessionRow, queue_messages_max: usize) -> u32 {
    let phase = match row.phase {
        Phase::Connecting => 0,
        Phase::Connected => 1,
        Phase::Disconnecting => 2,
    };
    let queue = match row.queued.messages {
        0 => 0,
        queued if queued < queue_messages_max => 1,
        _ => 2,
    };
    (phase * 3 + none_one_more(row.addresses.len())) * 3 + queue
}

fn address_sort(row: &AddressRow) -> u32 {
    let live = row.registration.is_some_and(|registration| registration.owner.is_some());
    u32::from(live) * 3 + none_one_more(row.topics.len())
}

fn none_one_more(number: usize) -> u32 {
    number.min(2) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_is_counted_up_to_three_and_leaves_the_others_alone() {
        let mut shape = Shape(0);
        for _ in 0..5 {
            shape.count(1);
        }
        shape.count(2);
        assert_eq!(shape, Shape(0b01_11_00));
    }
}
