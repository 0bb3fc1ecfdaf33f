//! Counts open connections by peer, and the outcomes of those that never got to the hub.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Limits;
use super::rate_limit::ConnectionRateLimiter;

/// A number that only grows and that any task may count up.
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

/// The shell's counts of its connections.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub accepted: Count,
    /// Closed at once, because their peer has `connections_per_peer_max` already.
    pub refused_per_peer: Count,
    /// Closed at once, because their peer exceeds `connections_per_second_per_peer_max`.
    pub refused_per_peer_rate: Count,
    /// Answered 403.
    pub refused_origin: Count,
    /// Cut off, because they led to no WebSocket and no answer in time.
    pub handshakes_timed_out: Count,
    /// The TLS handshake failed.
    pub handshakes_failed: Count,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_peer: BTreeMap<IpAddr, usize>,
    /// The limiters of peers that came recently.
    limiters: BTreeMap<IpAddr, ConnectionRateLimiter>,
    /// The number of limiters at which those at rest are dropped.
    limiters_max: usize,
}

/// The least `limiters_max`.
const LIMITERS_MIN: usize = 1024;

impl Tally {
    /// A place for one more connection from `peer`, unless it has too many or comes too often.
    pub(super) fn admit(&self, peer: IpAddr, now: Duration, limits: &Limits) -> Option<Place> {
        // A dual-stack socket shows an IPv4 peer as an IPv6 one; it is the same peer.
        let peer = peer.to_canonical();
        let per_peer_max = limits.connections_per_peer_max;
        let mut open = lock(&self.open);
        if !open.within_rate_limit(peer, now, limits.connections_per_second_per_peer_max) {
            self.refused_per_peer_rate.add_one();
            return None;
        }
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

impl Open {
    fn within_rate_limit(&mut self, peer: IpAddr, now: Duration, per_second: u64) -> bool {
        if per_second == 0 {
            return true;
        }
        if self.limiters.len() >= self.limiters_max.max(LIMITERS_MIN) {
            self.limiters.retain(|_, limiter| !limiter.is_at_rest(now));
            self.limiters_max = 2 * self.limiters.len();
        }
        self.limiters
            .entry(peer)
            .or_insert_with(|| ConnectionRateLimiter::per_second(per_second))
            .admits(now)
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
        let limits = Limits { connections_per_peer_max: 1, ..Limits::default() };
        let admit = |peer| tally.admit(peer, Duration::ZERO, &limits);
        let place = admit(one).unwrap();
        assert!(admit(mapped).is_none(), "the same peer in another notation");
        let other = admit(two).unwrap();
        assert_eq!((tally.open(), tally.refused_per_peer.total()), (2, 1));
        drop(place);
        drop(admit(one).unwrap());
        drop(other);
        assert_eq!(tally.open(), 0);
        assert!(lock(&tally.open).by_peer.is_empty());
    }

    #[test]
    fn a_peer_that_comes_too_often_is_turned_away_and_others_are_not() {
        let tally = Tally::default();
        let limits = Limits { connections_per_second_per_peer_max: 2, ..Limits::default() };
        let [one, two] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let comes = |peer, at| tally.admit(peer, Duration::from_millis(at), &limits).is_some();
        let came = [comes(one, 0), comes(one, 0), comes(one, 0), comes(two, 0), comes(one, 500)];
        assert_eq!(came, [true, true, false, true, true]);
        assert_eq!(tally.refused_per_peer_rate.total(), 1);
    }

    #[test]
    fn peers_that_are_long_gone_are_not_remembered() {
        let tally = Tally::default();
        let limits = Limits { connections_per_second_per_peer_max: 2, ..Limits::default() };
        for peer in 0..10_000_u32 {
            let now = Duration::from_secs(10 * u64::from(peer));
            drop(tally.admit(IpAddr::from(peer.to_be_bytes()), now, &limits));
        }
        assert!(lock(&tally.open).limiters.len() <= LIMITERS_MIN);
    }
}
