//! The connections that are open, by peer, and what became of those that never got to the hub.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number that only grows, counted by whoever comes along.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the shell counts of its connections.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub accepted: Count,
    /// Closed at once: their peer has `connections_per_peer_max` already.
    pub refused_per_peer: Count,
    /// Answered 403.
    pub refused_origin: Count,
    /// Cut off, because neither a WebSocket nor an answer came of them in time.
    pub handshakes_timed_out: Count,
    /// The TLS handshake failed.
    pub handshakes_failed: Count,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_peer: BTreeMap<IpAddr, usize>,
}

impl Tally {
    /// A place for one more connection from `peer`, unless it has `per_peer_max`; zero is no bound.
    pub(super) fn admit(&self, peer: IpAddr, per_peer_max: usize) -> Option<Place> {
        // An IPv4 peer of a socket that takes both is the same peer.
        let peer = peer.to_canonical();
        let mut open = lock(&self.open);
        let has = open.by_peer.get(&peer).copied().unwrap_or_default();
        if per_peer_max > 0 && has >= per_peer_max {
            self.refused_per_peer.add_one();
            return None;
        }
        open.by_peer.insert(peer, has + 1);
        open.total += 1;
        self.accepted.add_one();
        Some(Place { peer, open: Arc::clone(&self.open) })
    }

    /// Open connections.
    pub(super) fn open(&self) -> usize {
        lock(&self.open).total
    }
}

/// Counts one connection for as long as it is held.
#[derive(Debug)]
pub(super) struct Place {
    peer: IpAddr,
    open: Arc<Mutex<Open>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.total -= 1;
        if let Some(has) = open.by_peer.get_mut(&self.peer) {
            *has -= 1;
            if *has == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_up_can_be_had_again_and_nothing_stays_behind() {
        let tally = Tally::default();
        let [one, two] = ["127.0.0.1", "127.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        let place = tally.admit(one, 1).unwrap();
        assert!(tally.admit(mapped, 1).is_none(), "the same peer in another notation");
        let other = tally.admit(two, 1).unwrap();
        assert_eq!((tally.open(), tally.refused_per_peer.total()), (2, 1));
        drop(place);
        drop(tally.admit(one, 1).unwrap());
        drop(other);
        assert_eq!(tally.open(), 0);
        assert!(lock(&tally.open).by_peer.is_empty());
    }
}
